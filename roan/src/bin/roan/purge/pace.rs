//! How many purges may wait for a node, so that none becomes too old while the node answers others.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The fewest that may wait, so that the next one is there when a request ends.
const LEAST: u128 = 4;

/// The looks that are kept. The answers between two of them say little about the pace.
const MARKS: u32 = 32;

/// The answers of one node.
pub(super) struct Pace {
    max_age: Duration,
    /// When there were how many answers: one before those that count, and these.
    marks: VecDeque<(Instant, u64)>,
}

impl Pace {
    pub(super) fn new(max_age: Duration) -> Self {
        Self {
            max_age: max_age.max(Duration::from_millis(1)),
            marks: VecDeque::new(),
        }
    }

    /// Returns how many purges may wait, beside those in flight: as many as are answered in a quarter of the age at which
    /// one is given up. Where a rebound follows each, a purge waits twice as long.
    pub(super) fn window(&mut self, now: Instant, answers: u64) -> usize {
        let memory = self.max_age / 2;
        while let Some(second) = self.marks.get(1)
            && now - second.0 >= memory
        {
            self.marks.pop_front();
        }
        let shortest = memory / MARKS;
        let is_due = |last: &(Instant, u64)| now - last.0 >= shortest;
        if self.marks.back().is_none_or(is_due) {
            self.marks.push_back((now, answers));
        }
        let (since, before) = self.marks.front().copied().unwrap_or((now, answers));
        let elapsed = (now - since).max(shortest);
        let window =
            u128::from(answers - before) * (self.max_age / 4).as_nanos() / elapsed.as_nanos();
        usize::try_from(window.max(LEAST)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_AGE: Duration = Duration::from_secs(16);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn few_wait_for_a_node_that_answers_nothing() {
        let mut pace = Pace::new(MAX_AGE);
        let start = Instant::now();
        for look in 0..100 {
            assert_eq!(pace.window(start + SECOND * look, 0), 4);
        }
    }

    #[test]
    fn so_many_wait_as_are_answered_in_a_quarter_of_the_age() {
        for step in [2, 100, 3_000] {
            let mut pace = Pace::new(MAX_AGE);
            let start = Instant::now();
            // One a millisecond.
            for milliseconds in (0..100_000).step_by(step) {
                let now = start + Duration::from_millis(milliseconds);
                let window = pace.window(now, milliseconds);
                let is_early = milliseconds < 250 && window < 4_000;
                assert!(is_early || window == 4_000, "{window}");
            }
            assert!(pace.marks.len() < 40, "{}", pace.marks.len());
        }
    }

    #[test]
    fn a_node_that_becomes_slow_has_a_small_window_after_half_of_the_age() {
        let mut pace = Pace::new(MAX_AGE);
        let start = Instant::now();
        let answers = |second: u32| u64::from(second.min(20) * 10_000 + second);
        let windows: Vec<_> = (0..=40)
            .map(|second| pace.window(start + SECOND * second, answers(second)))
            .collect();
        assert_eq!((windows[20], windows[28]), (40_004, 4));
    }

    #[test]
    fn no_age_at_all_is_not_a_fault() {
        let mut pace = Pace::new(Duration::ZERO);
        let now = Instant::now();
        assert_eq!(pace.window(now, 0), 4);
        assert!(pace.window(now, u64::MAX) > 4);
    }
}
