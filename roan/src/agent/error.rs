//! Why an agent cannot work.

use crate::base::cause::Cause;
use crate::error::ConfigError;
use crate::fleet::FleetError;

/// Why an agent cannot start, or has ended. Messages do not show secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// A setting is wrong, or the dispatcher cannot be started.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The servers refuse the agent, or the stream has settings that can lose purges.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The servers do not answer.
    #[error("{0}")]
    Server(#[source] Cause),
    /// Another agent has the same name, so that each gets a part of the purges.
    #[error(
        "another agent runs as the node {node:?}, and has had some of the purges: give each a name of its own (`ROAN_NODE`, \
         `--node`), and empty both caches"
    )]
    SameName {
        /// The name.
        node: String,
    },
}
