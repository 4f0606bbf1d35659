//! A database of whatever kind.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use roan::outbox::Dialect;

use super::connection::Connection;
use super::{MariaDb, Postgres, SqliteFile};

/// A database of one of the three kinds, gone when dropped.
#[derive(Debug)]
pub struct Database {
    url: String,
    server: AnyServer,
}

#[derive(Debug)]
#[expect(
    dead_code,
    reason = "they are kept for as long as the database is used"
)]
enum AnyServer {
    Postgres(Postgres),
    MariaDb(MariaDb),
    Sqlite(SqliteFile),
    /// A database of this name in a server of others.
    Shared(Arc<Database>, String),
}

impl Database {
    /// Starts a server of its own, where the kind has servers.
    ///
    /// # Panics
    ///
    /// When it cannot be started; the message has its log.
    #[must_use]
    #[track_caller]
    pub fn start(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgres => {
                let server = Postgres::start();
                Self {
                    url: server.url(),
                    server: AnyServer::Postgres(server),
                }
            }
            Dialect::MySql => {
                let server = MariaDb::start();
                Self {
                    url: server.url(),
                    server: AnyServer::MariaDb(server),
                }
            }
            Dialect::Sqlite => {
                let file = SqliteFile::new();
                Self {
                    url: file.url(),
                    server: AnyServer::Sqlite(file),
                }
            }
            other => panic!("no server for {other}"),
        }
    }

    /// The server that all tests of this program share; where the kind has no servers, a file of the caller's own.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    #[track_caller]
    pub fn shared(dialect: Dialect) -> Arc<Self> {
        static POSTGRES: OnceLock<Arc<Database>> = OnceLock::new();
        static MARIADB: OnceLock<Arc<Database>> = OnceLock::new();
        let start = || Arc::new(Self::start(dialect));
        match dialect {
            Dialect::Postgres => Arc::clone(POSTGRES.get_or_init(start)),
            Dialect::MySql => Arc::clone(MARIADB.get_or_init(start)),
            _ => start(),
        }
    }

    /// A new one in the [`shared`](Self::shared) server, for tests that do not stop it and need the database for
    /// themselves.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    #[track_caller]
    pub fn create(dialect: Dialect) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = Self::shared(dialect);
        if dialect == Dialect::Sqlite {
            return Arc::into_inner(server).expect("a file of our own");
        }
        let name = format!("roan_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let created = server.administer(&format!("CREATE DATABASE {name}"));
        created.unwrap_or_else(|error| panic!("no database in {}: {error}", server.url));
        let (address, _) = server.url.rsplit_once('/').expect("a path");
        Self {
            url: format!("{address}/{name}"),
            server: AnyServer::Shared(server, name),
        }
    }

    /// Runs a statement on a connection and a thread of its own: the caller's may be one of a runtime.
    fn administer(&self, sql: &str) -> Result<(), sqlx::Error> {
        let work = async {
            let mut connection = self.connect().await;
            connection.run(sql).await?;
            connection.close().await
        };
        thread::scope(|scope| {
            let done = scope.spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime")
                    .block_on(work)
            });
            done.join().expect("an administrator")
        })
    }

    /// What kind it is.
    pub fn dialect(&self) -> Dialect {
        match &self.server {
            AnyServer::Postgres(_) => Dialect::Postgres,
            AnyServer::MariaDb(_) => Dialect::MySql,
            AnyServer::Sqlite(_) => Dialect::Sqlite,
            AnyServer::Shared(server, _) => server.dialect(),
        }
    }

    /// Where clients reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection to it.
    ///
    /// # Panics
    ///
    /// When there is none to be had.
    pub async fn connect(&self) -> Connection {
        let mut opened = Connection::open(&self.url).await;
        // The server is there: a busy machine may take longer than one attempt may.
        for _ in 0..5 {
            if matches!(opened, Err(sqlx::Error::PoolTimedOut)) {
                opened = Connection::open(&self.url).await;
            }
        }
        opened.unwrap_or_else(|error| panic!("{}: {error}", self.url))
    }
}

impl Drop for Database {
    /// A database of PostgreSQL is several megabytes, and a program has many.
    fn drop(&mut self) {
        if let AnyServer::Shared(server, name) = &self.server {
            // Whatever a failed test has left open in it.
            let drop = match server.dialect() {
                Dialect::Postgres => format!("DROP DATABASE {name} WITH (FORCE)"),
                _ => format!("SET STATEMENT lock_wait_timeout = 5 FOR DROP DATABASE {name}"),
            };
            // If it stays, it goes with the server.
            let _gone = server.administer(&drop);
        }
    }
}

/// Makes of each test one for each kind of database. It gets what `$start`, an asynchronous function, makes of the kind.
#[macro_export]
macro_rules! on_each_database {
    (@ $dialect:ident, $start:path; $($test:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let place = $start(roan::outbox::Dialect::$dialect).await;
                super::$test(place).await;
            }
        )*
    };
    ($start:path; $($test:ident),* $(,)?) => {
        mod sqlite { $crate::on_each_database!(@ Sqlite, $start; $($test),*); }
        mod postgres { $crate::on_each_database!(@ Postgres, $start; $($test),*); }
        mod mariadb { $crate::on_each_database!(@ MySql, $start; $($test),*); }
    };
}
