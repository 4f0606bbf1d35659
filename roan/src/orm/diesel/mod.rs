//! Hooks on the statements, rows and connections of Diesel.

mod backend;
mod connection;
mod frames;
mod install;
#[cfg(feature = "sql")]
mod payload;
mod row;
mod rows;
mod script;
mod statement;
mod target;
mod watch;

pub use connection::Purging;
pub use install::{install, install_with};
pub use row::PurgingRow;
pub use statement::{PurgingDsl, SaveChangesPurgingDsl, Written};
pub use target::{Delete, Update, UpdateTo, delete, update};
pub use watch::Watch;
