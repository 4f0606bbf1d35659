//! What can be wrong with a fleet's servers and its stream.

use crate::error::ConfigError;

/// Why the servers of a fleet, or its stream, cannot be used. Messages do not show secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// A file or variable of [`Nats`](super::Nats) cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A server cannot be reached.
    #[error("cannot connect to {servers}: {problem}")]
    Connect {
        /// The servers.
        servers: String,
        /// What is wrong, and what to change.
        problem: String,
    },
    /// A server does not accept this client.
    #[error("{servers} refuses the connection: {problem}")]
    Denied {
        /// The servers.
        servers: String,
        /// What is wrong, and what to change.
        problem: String,
    },
    /// A server was reached, but does not answer for the stream.
    #[error("JetStream at {servers}: {problem}")]
    JetStream {
        /// The servers.
        servers: String,
        /// What is wrong, and what to change.
        problem: String,
    },
    /// A server was reached, and nobody answers for the stream at this moment: its copies may be electing a leader.
    #[error("JetStream at {servers}: {problem}")]
    Unanswered {
        /// The servers.
        servers: String,
        /// What is wrong, and what to look at if it lasts.
        problem: String,
    },
    /// The stream is there, but its settings can lose purges.
    #[error("stream {stream} at {servers} {problem}")]
    Stream {
        /// The name of the stream.
        stream: String,
        /// The servers.
        servers: String,
        /// What is wrong, and what to change.
        problem: String,
    },
}
