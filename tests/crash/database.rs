//! The three kinds of database, with what can be done to each.

use roan::outbox::Dialect;
use roan_tests::{MariaDb, Postgres, SqliteFile};

/// A database of the harness's own.
#[derive(Debug)]
pub(crate) enum Database {
    Postgres(Postgres),
    MariaDb(MariaDb),
    Sqlite(SqliteFile),
}

impl Database {
    pub(crate) fn start(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgres => Self::Postgres(Postgres::start()),
            Dialect::MySql => Self::MariaDb(MariaDb::start()),
            _ => Self::Sqlite(SqliteFile::new()),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::MariaDb(server) => server.url(),
            Self::Sqlite(file) => file.url(),
        }
    }

    /// Kills all processes of the server. There is none for SQLite.
    pub(crate) fn kill(&mut self) {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::MariaDb(server) => server.kill(),
            Self::Sqlite(_) => {}
        }
    }

    pub(crate) fn restart(&mut self) {
        match self {
            Self::Postgres(server) => server.restart(),
            Self::MariaDb(server) => server.restart(),
            Self::Sqlite(_) => {}
        }
    }
}
