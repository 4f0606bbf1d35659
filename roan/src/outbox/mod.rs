//! Where purges wait: in memory, or in the program's own database.

mod batch;
#[cfg(feature = "sql")]
mod connection;
#[cfg(feature = "sql")]
mod dialect;
#[cfg(feature = "sql")]
mod error;
mod memory;
#[cfg(feature = "sql")]
pub(crate) mod payload;
#[cfg(feature = "sql")]
mod schema;
#[cfg(feature = "sql")]
mod settings;
#[cfg(feature = "sql")]
mod statement;
#[cfg(feature = "sql")]
pub(crate) mod store;
#[cfg(feature = "sql")]
mod triggers;

#[cfg(feature = "sql")]
pub use {
    dialect::Dialect,
    error::OutboxError,
    schema::Migration,
    settings::{Backlog, Outbox},
    statement::Statement,
    triggers::{TriggerError, Triggers},
};

pub(crate) use batch::Batch;
pub(crate) use memory::{Inbox, Put};
#[cfg(feature = "sql")]
pub(crate) use {
    settings::{PREFIX, is_prefix},
    statement::Scribe,
};
