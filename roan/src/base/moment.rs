//! A time in eight bytes.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// An [`Instant`] to the microsecond, in half of its size and with room for an `Option`: a million of them may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(NonZeroU64);

/// In microseconds: what is so long before the first use is taken for this time. A row may be older than the program.
const BEFORE: u64 = 1 << 62;

fn first_use() -> Instant {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    *FIRST.get_or_init(Instant::now)
}

impl From<Instant> for Moment {
    fn from(instant: Instant) -> Self {
        let first = first_use();
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let number = match instant.checked_duration_since(first) {
            Some(after) => BEFORE.saturating_add(micros(after)),
            None => BEFORE.saturating_sub(micros(first.saturating_duration_since(instant))),
        };
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }
}

impl Moment {
    /// The time from then to `now`.
    pub(crate) fn until(self, now: Instant) -> Duration {
        let now = Self::from(now);
        Duration::from_micros(now.0.get().saturating_sub(self.0.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_and_exact_to_the_microsecond() {
        assert_eq!(size_of::<Option<Moment>>(), 8);
        let now = Instant::now();
        for micros in [0, 1, 999, 1_000_000, 3_600_000_000] {
            let time = Duration::from_micros(micros);
            let moment = Moment::from(now);
            let rounded = moment.until(now + time).abs_diff(time);
            assert!(rounded <= Duration::from_micros(1), "{time:?}: {rounded:?}");
            if let Some(before) = now.checked_sub(time) {
                let rounded = Moment::from(before).until(now).abs_diff(time);
                assert!(rounded <= Duration::from_micros(1), "{time:?}: {rounded:?}");
            }
        }
        assert_eq!(
            Moment::from(now + Duration::from_secs(1)).until(now),
            Duration::ZERO
        );
    }
}
