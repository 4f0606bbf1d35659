//! Hooks on the statements, rows and connections of Diesel.

mod backend;
mod connection;
#[cfg(feature = "sql")]
mod payload;
mod row;
mod watch;

pub use connection::Purging;
pub use row::PurgingRow;
pub use watch::Watch;
