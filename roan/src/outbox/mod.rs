#![doc = include_str!("../guide/outbox.md")]

mod connection;
mod dialect;
mod error;
pub(crate) mod history;
pub(crate) mod index;
mod insert;
pub(crate) mod link;
pub(crate) mod payload;
#[cfg(feature = "postgres")]
mod pooled;
pub(crate) mod request;
mod schema;
mod settings;
pub(crate) mod store;
pub(crate) mod trigger_settings;

pub use dialect::Dialect;
pub use error::OutboxError;
pub use insert::Statement;
pub use request::DeadPurge;
pub use schema::Migration;
pub use settings::{Backlog, BacklogAlarm, Outbox};

pub(crate) use insert::Scribe;
pub(crate) use settings::{PREFIX, is_prefix};
