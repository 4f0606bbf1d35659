#![doc = include_str!("../guide/outbox.md")]

mod admin;
#[cfg(feature = "metrics")]
pub(crate) mod census;
mod connection;
mod dialect;
mod error;
mod filter;
pub(crate) mod history;
pub(crate) mod index;
mod insert;
pub(crate) mod link;
#[cfg(feature = "postgres")]
pub(crate) mod listen;
pub(crate) mod payload;
#[cfg(feature = "postgres")]
mod pooled;
mod schema;
#[cfg(feature = "serde")]
mod serialize;
mod settings;
mod status;
pub(crate) mod store;
pub(crate) mod stored_target;
pub(crate) mod trigger_settings;
mod watch;

pub use admin::Admin;
pub use dialect::Dialect;
pub use error::OutboxError;
pub use filter::Filter;
pub use insert::Statement;
pub use schema::Migration;
pub use settings::{Backlog, BacklogAlarm, Outbox};
pub use status::{DeadPurge, NodeStatus, Status, WaitingPurge, Waits};
pub use watch::Watch;

pub(crate) use insert::Scribe;
pub(crate) use settings::{PREFIX, is_prefix};

/// Nodes as an error lists them.
pub(crate) fn list_of_nodes(nodes: &[(String, String)]) -> String {
    if nodes.is_empty() {
        return "none (start a program with this outbox first)".to_owned();
    }
    let nodes: Vec<_> = nodes
        .iter()
        .map(|(cache, node)| format!("\"{cache} {node}\""))
        .collect();
    nodes.join(", ")
}
