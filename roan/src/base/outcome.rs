//! How a purge went at one node.

use std::fmt;

use super::target::TargetKind;

/// How a purge, or one attempt at it, went at one node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The node had the page and dropped it.
    Purged,
    /// The node says that it has no such page. That is no proof that it has none: nginx answers
    /// the same when the key of the purge is not the key of the page, and while the page is being
    /// filled. [`Report::verified`](crate::Report::verified) tells more.
    NotCached,
    /// The node answered, and asking again would give the same answer. Not retried.
    Refused(Refusal),
    /// The attempt failed; there will be another.
    Failed(Failure),
    /// The last attempt failed, and the purge is older than the maximum age. Given up.
    Dead(Failure),
    /// As many targets wait for this node as may. Not sent.
    Dropped,
    /// The dispatcher was shut down first. Not sent, or not answered.
    Abandoned,
}

impl Outcome {
    /// Whether the node has answered that the page is not in it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Purged | Self::NotCached)
    }

    /// Whether the purge is over: nothing more will be sent for it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Failed(_))
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
            Self::Dropped => f.write_str("dropped: too many purges wait for this node"),
            Self::Abandoned => f.write_str("abandoned: the dispatcher was shut down"),
        }
    }
}

/// Why a node, or Roan itself, will not do a purge however often it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The node will not do it. The text says what to mend.
    #[error("{0}")]
    Node(String),
    /// The rule or target names a site that was not configured.
    #[error(
        "site {0:?} is not configured: name it with `RoanBuilder::named_site` or in `ROAN_SITE`"
    )]
    UnknownSite(String),
    /// No configured cache can purge targets of this kind.
    #[error("no configured cache can purge a {0}: add one that can, or write a rule for URLs")]
    NoCacheFor(TargetKind),
}

/// Why an attempt at a purge failed. Another attempt may do better.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No connection could be made.
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
    /// The purger panicked.
    #[error("the purger panicked: {0}")]
    Panic(String),
}
