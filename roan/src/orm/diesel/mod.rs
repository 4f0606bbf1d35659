//! Hooks on the statements, rows and connections of Diesel.

pub(in crate::orm) mod backend;
pub(in crate::orm) mod connection;
mod frames;
mod install;
#[cfg(feature = "sql")]
pub(in crate::orm) mod payload;
pub(in crate::orm) mod purges;
mod row;
pub(in crate::orm) mod rows;
mod script;
pub(in crate::orm) mod statement;
pub(in crate::orm) mod target;
mod unclaimed;
pub(in crate::orm) mod watch;

pub use connection::Purging;
pub use install::{install, install_with};
pub use row::PurgingRow;
pub use statement::{PurgingDsl, SaveChangesPurgingDsl, Written};
pub use target::{Delete, Update, UpdateTo, delete, update};
pub use watch::Watch;
