//! How one attempt at a purge went.

use std::time::Duration;

use crate::base::outcome::{Failure, Outcome, Refusal};

/// How one attempt at a purge went, as a [`Purger`](super::Purger) saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<u16>,
    pub(crate) verified: bool,
    pub(crate) retry_after: Option<Duration>,
    /// Whether a refusal is for any target, and not for one of the request.
    pub(crate) denied: bool,
    /// Why a server has refused, as far as it can be told.
    pub(crate) setup_fault: Option<SetupFault>,
}

/// Why a server does not purge: what the doctor has lines for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetupFault {
    /// Its configuration does not allow it from this machine.
    NotAllowed,
    /// It does not take purges, but passes them on; or another server is at this address.
    NotTaken,
    /// It has purged the page of another URL or host.
    OfOther,
}

impl Answer {
    pub(crate) fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            status: None,
            verified: false,
            retry_after: None,
            denied: false,
            setup_fault: None,
        }
    }

    /// The node had the page and dropped it.
    pub fn purged() -> Self {
        Self::new(Outcome::Purged)
    }

    /// The node answered that it does not have the page.
    pub fn not_cached() -> Self {
        Self::new(Outcome::NotCached)
    }

    /// The node refused, and would refuse again. `why` says what to change. It is logged, so it must not contain secrets.
    ///
    /// Perhaps it refused one target of the request: those of a request with several are sent again in smaller ones, until
    /// that one is found. If it would refuse any target, return [`Answer::denied`].
    pub fn refused(why: impl Into<String>) -> Self {
        Self::new(Outcome::Refused(Refusal::Node(why.into())))
    }

    /// The same, whatever the targets are: the node refuses the token, its permission, or the address of this machine, or
    /// is not such a cache. The targets of the request are refused together, and not sent again.
    pub fn denied(why: impl Into<String>) -> Self {
        Self {
            denied: true,
            ..Self::refused(why)
        }
    }

    pub(crate) fn because(mut self, setup_fault: SetupFault) -> Self {
        self.setup_fault = Some(setup_fault);
        self
    }

    /// The attempt failed; a retry may succeed.
    pub fn failed(why: Failure) -> Self {
        Self::new(Outcome::Failed(why))
    }

    /// The HTTP status of the node's answer, for the report.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The answer proves that the right page was meant: see [`Report::verified`](crate::Report::verified).
    pub fn verified(mut self) -> Self {
        self.verified = true;
        self
    }

    /// The node asked for a pause before the next attempt (`Retry-After`, RFC 9110 section 10.2.3).
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }
}
