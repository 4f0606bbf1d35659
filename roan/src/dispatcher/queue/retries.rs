//! The purges that have failed before and may be tried again.

use std::time::{Duration, Instant};

use super::lane::Lane;

/// After a retry that failed there is none for so long: a node that fails every purge gets at most
/// fifty retries a second, however many wait.
const PAUSE: Duration = Duration::from_millis(20);

/// More of what waits in a database is not held here.
const HELD: usize = 256;

/// Retries leave beside the purges that have not failed, and take little from them: one at a time while
/// they fail, and one more at once for each that succeeds, up to half of the requests in flight.
#[derive(Debug)]
pub(super) struct Retries {
    /// Places in the queue, the longest waiting first.
    pub(super) ready: Lane,
    in_flight: usize,
    /// How many may be in flight.
    window: usize,
    most: usize,
    not_before: Option<Instant>,
    /// Whether the last request was one of these.
    pub(super) has_had_its_turn: bool,
}

impl Retries {
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            ready: Lane::default(),
            in_flight: 0,
            window: 1,
            most: (concurrency / 2).max(1),
            not_before: None,
            has_had_its_turn: false,
        }
    }

    /// Whether one may leave now, as far as the others are concerned.
    pub(super) fn may_leave(&self, now: Instant) -> bool {
        self.due()
            .is_some_and(|due| due.is_none_or(|due| due <= now))
    }

    /// A request for some of these leaves.
    pub(super) fn sent(&mut self) {
        self.in_flight += 1;
    }

    /// When the next one may leave, if no answer comes before; `Some(None)` for at once.
    #[allow(
        clippy::option_option,
        reason = "none may, or one may at once, or later"
    )]
    pub(super) fn due(&self) -> Option<Option<Instant>> {
        (self.in_flight < self.window && !self.ready.is_empty()).then_some(self.not_before)
    }

    pub(super) fn answered(&mut self, failed: bool, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if failed {
            self.window = (self.window / 2).max(1);
            self.not_before = Some(now + PAUSE);
        } else {
            self.window = (self.window + 1).min(self.most);
            self.not_before = None;
        }
    }

    /// How many more of those that wait in a database to hold here.
    pub(super) fn room(&self) -> usize {
        HELD.saturating_sub(self.ready.len() + self.in_flight)
    }

    /// No answer comes any more.
    pub(super) fn forget_in_flight(&mut self) {
        self.in_flight = 0;
    }
}
