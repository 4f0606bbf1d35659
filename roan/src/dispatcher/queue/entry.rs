//! A target that waits, or is in flight.

use std::time::Instant;

use crate::target::Target;

pub(super) struct Entry {
    pub(super) target: Target,
    /// Of the target, so that the index need not read its text again.
    pub(super) hash: u64,
    /// The oldest ask that was not answered yet; reports count the waiting time from it.
    pub(super) asked: Instant,
    /// The newest such ask; the maximum age counts from it.
    pub(super) newest: Instant,
    pub(super) sent: Option<Instant>,
    pub(super) attempts: u32,
    pub(super) rebound: bool,
    /// Whether the next cache was asked since the newest ask.
    pub(super) passed_on: bool,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Ready,
    Timed(Instant),
    InFlight { again: Option<Again> },
}

/// An ask that came while a request was in flight.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) asked: Instant,
    pub(super) rebound: bool,
}

impl Entry {
    pub(super) fn is_fresh(&self) -> bool {
        let is_asked_again = matches!(
            self.phase,
            Phase::InFlight {
                again: Some(Again { rebound: false, .. })
            }
        );
        !self.rebound || is_asked_again
    }

    pub(super) fn renew(&mut self, asked: Instant, rebound: bool) {
        self.asked = asked;
        self.newest = asked;
        self.attempts = 0;
        self.rebound = rebound;
    }
}
