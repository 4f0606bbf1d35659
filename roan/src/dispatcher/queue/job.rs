//! What goes into the queue, and what comes out.

use std::time::{Duration, Instant};

use super::super::blame::Blame;
use super::super::history::Records;
use super::super::tickets::Ticket;
use super::LONGEST_RETRY_AFTER;
use super::onward::Onward;
use crate::base::history::Asking;
use crate::base::moment::Moment;
use crate::base::outcome::Outcome;
use crate::base::target::Target;
use crate::purger::Answer;

/// An ask for one target.
#[derive(Debug, Clone, Copy)]
pub(in crate::dispatcher) struct Ask<'a> {
    pub(in crate::dispatcher) target: &'a Target,
    pub(in crate::dispatcher) asking: Asking<'a>,
    /// A second purge; it is not followed by another.
    pub(in crate::dispatcher) rebound: bool,
    /// Of a row of the durable outbox, and the attempts that were made for it before.
    pub(in crate::dispatcher) ticket: Option<(Ticket, u32)>,
    /// What the next cache is asked for after the answer.
    pub(in crate::dispatcher) onward: &'a Onward,
    /// More such asks will follow soon: the request waits for them, but not for long.
    pub(in crate::dispatcher) gathers: bool,
}

/// What became of an ask.
#[derive(Debug)]
pub(in crate::dispatcher) enum Asked {
    New,
    /// In place of the rebound of another, which was waiting: there was no room.
    Instead(Job),
    /// The target waits already, or is noted to be sent again.
    Merged,
    /// The same, for a ticket that waits for that request already.
    Held,
    /// As many targets wait as may.
    Full,
    /// The node is paused; or down, and its one probe waits already; or slow, and enough waits. Only with a
    /// ticket: others wait here.
    Busy,
}

/// A request to make: for one target, or for several of one kind and one site.
#[derive(Debug, Clone)]
pub(in crate::dispatcher) struct Request {
    pub(in crate::dispatcher) first: Job,
    pub(in crate::dispatcher) others: Vec<Job>,
    /// What waits, and is purged by this request as well: see [`super::covered`].
    pub(in crate::dispatcher) covered: Vec<Job>,
    /// Of its kind: see [`Throttle`](super::super::throttle::Throttle).
    pub(super) group: usize,
}

impl Request {
    pub(in crate::dispatcher) fn jobs(&self) -> impl Iterator<Item = &Job> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// See `PurgeRequest::id`: of the same asks in any order it is the same.
    pub(in crate::dispatcher) fn id(&self) -> u64 {
        // An odd factor and a rotation map one to one: a request for one target has a number of its own.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let spread = |id: u64| id.wrapping_mul(SPREAD);
        let ids = self
            .jobs()
            .map(|job| spread(spread(job.id).rotate_left(32)));
        ids.fold(0, |all, id| all ^ id)
    }

    /// The number of its targets.
    pub(in crate::dispatcher) fn len(&self) -> usize {
        1 + self.others.len()
    }
}

/// What follows from the answer to a request for each of its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dispatcher) struct Lesson {
    pub(super) verdict: Verdict,
    /// When those leave again that have failed.
    pub(super) retry_at: Instant,
    /// With how many they may share the next request at most.
    pub(super) most: u32,
}

impl Lesson {
    /// The least time until another attempt.
    pub(in crate::dispatcher) fn pause(&self) -> Duration {
        self.verdict.pause()
    }
}

/// One target of a request.
#[derive(Debug, Clone)]
pub(in crate::dispatcher) struct Job {
    pub(super) place: u32,
    pub(in crate::dispatcher) target: Target,
    /// See `PurgeRequest::id`.
    pub(in crate::dispatcher) id: u64,
    pub(in crate::dispatcher) asked: Instant,
    /// See [`Asking::written`].
    pub(in crate::dispatcher) written: Option<Moment>,
    pub(in crate::dispatcher) started: Instant,
    /// This one included.
    pub(in crate::dispatcher) attempts: u32,
    pub(in crate::dispatcher) rebound: bool,
    /// Whether an attempt had failed before.
    pub(super) is_retry: bool,
    /// Whether it was asked for without a ticket: with tickets alone it waits elsewhere.
    pub(in crate::dispatcher) plain: bool,
    /// Of a purge that was taken out.
    pub(in crate::dispatcher) tickets: Vec<Ticket>,
    /// The purges that it is for.
    pub(in crate::dispatcher) records: Records,
    /// The same.
    pub(in crate::dispatcher) onward: Onward,
    /// The same: whether the next cache was asked since the newest ask.
    pub(in crate::dispatcher) passed_on: bool,
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
            id: 0,
            asked,
            written: None,
            started: now,
            attempts: 0,
            rebound,
            is_retry: false,
            plain: true,
            tickets: Vec::new(),
            records: Records::default(),
            onward: Onward::default(),
            passed_on: false,
        }
    }
}

/// What waits for a node that went down, for the next cache.
#[derive(Debug)]
pub(in crate::dispatcher) struct PassedOn {
    pub(in crate::dispatcher) target: Target,
    pub(in crate::dispatcher) onward: Onward,
    pub(in crate::dispatcher) rebound: bool,
    /// See [`Asking::written`].
    pub(in crate::dispatcher) written: Option<Moment>,
    pub(in crate::dispatcher) records: Records,
}

/// How a node answered, as far as the queue cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dispatcher) enum Verdict {
    /// The page is not in the node.
    Done,
    /// Asking again would not help.
    Refused,
    /// The same, whatever the targets are.
    Denied,
    /// Another attempt may help, after that pause at least.
    Failed { blame: Blame, pause: Duration },
}

impl Verdict {
    pub(in crate::dispatcher) fn of(answer: &Answer) -> Self {
        match &answer.outcome {
            Outcome::Failed(failure) => Self::Failed {
                blame: Blame::of(failure),
                pause: answer
                    .retry_after
                    .unwrap_or_default()
                    .min(LONGEST_RETRY_AFTER),
            },
            outcome if outcome.is_done() => Self::Done,
            _ if answer.denied => Self::Denied,
            _ => Self::Refused,
        }
    }

    /// The least time until another attempt.
    fn pause(self) -> Duration {
        match self {
            Self::Failed { pause, .. } => pause,
            Self::Done | Self::Refused | Self::Denied => Duration::ZERO,
        }
    }
}

/// The tickets that an answer is about, and what follows from it for the next cache.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::dispatcher) struct Settled {
    /// This node is done with them.
    pub(in crate::dispatcher) done: Vec<Ticket>,
    /// The request was made for them: the next cache is asked for them now. After a failure or a
    /// refusal they are in nobody's hands but the caller's.
    pub(in crate::dispatcher) served: Vec<Ticket>,
    /// Those among them that it was the rebound of.
    pub(in crate::dispatcher) rebounds: Vec<Ticket>,
    /// What the next cache is asked for.
    pub(in crate::dispatcher) onward: Onward,
}

/// What becomes of a purge after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dispatcher) enum Next {
    /// The purge is over.
    Ended,
    /// There will be another attempt.
    Retry,
    /// The purge is over: it failed, and is too old for another attempt.
    Dead,
    /// It failed, and waits in the durable outbox for another attempt.
    Deferred,
    /// A request for several targets was refused. They leave again in smaller ones, until the cause is found.
    Divided,
}
