//! When to log one of many messages of a kind.

use std::time::{Duration, Instant};

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The first one at once, and the next ones at distances that double up to a minute. After a minute without one this begins anew.
#[derive(Debug, Default)]
pub(super) struct Spaced {
    last: Option<Instant>,
    next: Option<Instant>,
    distance: Duration,
}

impl Spaced {
    /// Whether to log the one of now.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_new = self
            .last
            .replace(now)
            .is_none_or(|last| now > last + LONGEST);
        if !is_new && self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.distance = match is_new {
            true => SHORTEST,
            false => (2 * self.distance).min(LONGEST),
        };
        self.next = Some(now + self.distance);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distances_double_up_to_a_minute() {
        let start = Instant::now();
        let mut spaced = Spaced::default();
        let mut due_in = |seconds: std::ops::Range<u64>| {
            let due = |second: &u64| spaced.is_due(start + Duration::from_secs(*second));
            seconds.filter(due).collect::<Vec<_>>()
        };
        assert_eq!(due_in(0..200), [0, 1, 3, 7, 15, 31, 63, 123, 183]);
        // It was quiet for a minute.
        assert_eq!(due_in(260..265), [260, 261, 263]);
    }
}
