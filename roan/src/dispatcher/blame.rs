//! What a failure is a failure of.

use crate::base::outcome::Failure;

/// What a failed attempt says something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The target: the node has answered, and may do well with another one.
    Target,
    /// The node: no target can have caused it.
    Node,
    /// The node, if different targets fail alike; else the target.
    NodeOrTarget,
    /// The node takes fewer requests than it gets, if different targets fail alike; else the target.
    Load,
    /// The node takes fewer requests than it gets, whatever they are for.
    Rate,
}

impl Blame {
    pub(super) fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Connect(_) | Failure::Unavailable(_) => Self::Node,
            // A purge that a proxy passes on may get no answer where others do, or 502 or 504 for a server
            // that only it needs; one that kills a worker of nginx loses its own connection.
            Failure::Timeout | Failure::Connection(_) | Failure::Status(408 | 502 | 504) => {
                Self::NodeOrTarget
            }
            Failure::Status(503) => Self::Load,
            Failure::Status(429) | Failure::TooMany(_) => Self::Rate,
            Failure::Status(_) | Failure::Reported(_) | Failure::Panic(_) => Self::Target,
        }
    }

    /// Whether one target of a request may have failed it, so that the others do better without that one.
    pub(super) fn may_be_one_target(self) -> bool {
        match self {
            Self::Target | Self::NodeOrTarget | Self::Load => true,
            Self::Node | Self::Rate => false,
        }
    }
}
