//! What goes into the queue, and what comes out.

use std::time::Instant;

use crate::target::Target;

/// What became of an ask.
#[derive(Debug)]
pub(in crate::dispatcher) enum Asked {
    New,
    /// In place of the rebound of another, which was waiting: there was no room.
    Instead(Job),
    /// The target waits already, or is noted to be sent again.
    Merged,
    /// As many targets wait as may.
    Full,
}

/// A request to make.
#[derive(Debug, Clone)]
pub(in crate::dispatcher) struct Job {
    pub(super) place: u32,
    pub(in crate::dispatcher) target: Target,
    pub(in crate::dispatcher) asked: Instant,
    pub(in crate::dispatcher) started: Instant,
    /// This one included.
    pub(in crate::dispatcher) attempts: u32,
    pub(in crate::dispatcher) rebound: bool,
}

impl Job {
    /// For the report of a target that no request was made for.
    pub(in crate::dispatcher) fn unsent(
        target: &Target,
        asked: Instant,
        rebound: bool,
        now: Instant,
    ) -> Self {
        let target = target.clone();
        Self {
            place: u32::MAX,
            target,
            asked,
            started: now,
            attempts: 0,
            rebound,
        }
    }
}

/// How a node answered, as far as the queue cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dispatcher) enum Verdict {
    /// The page is not in the node.
    Done,
    /// Asking again would not help.
    Refused,
    /// Another attempt may help.
    Failed,
}

/// What the queue made of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dispatcher) enum Next {
    /// The purge is over.
    Ended,
    /// There will be another attempt.
    Retry,
    /// The purge is over: it failed, and is too old for another attempt.
    Dead,
}
