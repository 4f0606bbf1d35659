//! How a purge went at one node.

use std::fmt;

use super::target::TargetKind;

const FULL: &str = "the queue of this node is full";
const ENDED: &str = "the dispatcher was shut down";

/// How a purge, or one attempt at it, went at one node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The node had the page and dropped it, or replaced it (a [refresh](crate::Nginx::refresh)).
    Purged,
    /// The node answered that it does not have the page. That does not prove it: nginx answers the same if the key of
    /// the purge is not the key of the page, and while the page is being filled. It is proof together with
    /// [`Report::verified`](crate::Report::verified).
    NotCached,
    /// The node refused, and would refuse again. Not retried.
    Refused(Refusal),
    /// The attempt failed. Roan will retry.
    Failed(Failure),
    /// The last attempt failed, and the purge is older than [`max_age`](crate::RoanBuilder::max_age) or has used up its
    /// attempts. Given up.
    Dead(Failure),
    /// The queue of this node is full ([`max_waiting`](crate::RoanBuilder::max_waiting)). Not sent.
    Dropped,
    /// The dispatcher was shut down before the node answered. Not sent, or not answered.
    Abandoned,
}

impl Outcome {
    /// Returns `true` if the node answered that it does not have the page now.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Purged | Self::NotCached)
    }

    /// Returns `true` if the purge is over: Roan will not send it again.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }

    /// Returns why the page may still be in the cache. `None` if the node [answered](Self::is_done) that it is not.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        match self {
            Self::Purged | Self::NotCached => None,
            Self::Refused(refusal) => Some(refusal.to_string()),
            Self::Failed(failure) | Self::Dead(failure) => Some(failure.to_string()),
            Self::Dropped => Some(FULL.to_owned()),
            Self::Abandoned => Some(ENDED.to_owned()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Purged => f.write_str("purged"),
            Self::NotCached => f.write_str("not cached"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::Failed(failure) => write!(f, "failed: {failure}"),
            Self::Dead(failure) => write!(f, "dead: {failure}"),
            Self::Dropped => write!(f, "dropped: {FULL}"),
            Self::Abandoned => write!(f, "abandoned: {ENDED}"),
        }
    }
}

/// Why a node, or Roan itself, refuses a purge. A retry would be refused, too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The node refused. The text says what to change.
    #[error("{0}")]
    Node(String),
    /// The rule or target names a site that was not configured.
    #[error(
        "site {0:?} is not configured: add it with `RoanBuilder::named_site` or in `ROAN_SITE`"
    )]
    UnknownSite(String),
    /// No configured cache can purge targets of this kind.
    #[error(
        "no configured cache can purge by {0}: add a cache that can, the web layer (`RoanBuilder::web`), or write a rule for URLs"
    )]
    NoCacheFor(TargetKind),
}

/// Why an attempt at a purge failed. A retry may succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The connection could not be opened.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The answer did not come in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection ended before the answer did.
    #[error("connection lost: {0}")]
    Connection(String),
    /// 5xx, or a status that asks to come again later (408, 425, 429).
    #[error("status {0}")]
    Status(u16),
    /// The node takes fewer requests now, and says so in other words than a status.
    #[error("too many purges at a time: {0}")]
    TooMany(String),
    /// The node has answered that it could not purge.
    #[error("the node reports a failure: {0}")]
    Reported(String),
    /// The node takes no purge now, whatever it is for. The text says why, and what to change.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The purger panicked.
    #[error("the purger panicked: {0}")]
    Panic(String),
}
