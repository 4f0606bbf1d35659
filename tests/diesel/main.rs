//! Diesel's statements, rows and connections, on each database.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod futures;
mod instrumentation;
mod statements;
mod support;

/// The cases, for one kind of connection: Diesel's statements are typed by it.
macro_rules! cases {
    ($database:ident, $connection:ident, $insert:ident) => {
        mod $database {
            type Conn = diesel::$connection;
            use crate::support::$insert as insert;
            include!("cases.rs");
        }
    };
}

cases!(sqlite, SqliteConnection, insert_returning);
cases!(postgres, PgConnection, insert_returning);
cases!(mariadb, MysqlConnection, insert_and_read);
