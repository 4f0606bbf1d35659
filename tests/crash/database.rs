//! The three kinds of database, with what can be done to each.

use roan::outbox::Dialect;
use roan_tests::{Clock, MariaDb, MariaDbOptions, Postgres, PostgresOptions, SqliteFile};

use crate::disk::Disk;

/// A database of the harness's own.
#[derive(Debug)]
pub(crate) enum Database {
    Postgres(Postgres),
    MariaDb(MariaDb),
    /// With a disk of its own, where that can be had.
    Sqlite(SqliteFile, Option<Disk>),
}

impl Database {
    /// Its server, where it has one, goes by the clock.
    pub(crate) fn start(dialect: Dialect, clock: &Clock) -> Self {
        let clock = Some(clock.clone());
        match dialect {
            Dialect::Postgres => Self::Postgres(Postgres::start_with(&PostgresOptions {
                clock,
                ..PostgresOptions::default()
            })),
            Dialect::MySql => Self::MariaDb(MariaDb::start_with(&MariaDbOptions { clock })),
            _ => {
                let file = SqliteFile::new();
                let disk = Disk::mount(file.folder());
                Self::Sqlite(file, disk)
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::MariaDb(server) => server.url(),
            Self::Sqlite(file, _) => file.url(),
        }
    }

    /// Kills all processes of the server. There is none for SQLite.
    pub(crate) fn kill(&mut self) {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::MariaDb(server) => server.kill(),
            Self::Sqlite(..) => {}
        }
    }

    pub(crate) fn restart(&mut self) {
        match self {
            Self::Postgres(server) => server.restart(),
            Self::MariaDb(server) => server.restart(),
            Self::Sqlite(..) => {}
        }
    }

    /// A disk that can be filled.
    pub(crate) fn disk(&self) -> Option<Disk> {
        match self {
            Self::Sqlite(_, disk) => disk.clone(),
            _ => None,
        }
    }
}
