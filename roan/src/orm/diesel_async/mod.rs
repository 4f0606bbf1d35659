//! Hooks on the statements, rows and connections of diesel-async.

mod connection;
mod row;
mod statement;
mod target;

pub use super::diesel::{Delete, Update, UpdateTo, Watch, delete, install, install_with, update};
pub use connection::Purging;
pub use row::PurgingRow;
pub use statement::{PurgingDsl, SaveChangesPurgingDsl, Written};
