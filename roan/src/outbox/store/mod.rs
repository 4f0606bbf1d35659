//! The outbox's tables, as the relay uses them: one connection, one statement at a time. The decisions are in `relay/`.

mod admin;
mod catalog;
mod finish;
mod lease;
mod take;

use std::time::Duration;

use super::connection::{Connection, Options, Value};
use super::dialect::Dialect;
use super::error::OutboxError;
use super::schema::{self, migrations};
use crate::base::cause::Cause;

pub(crate) use admin::DeadRow;
pub(crate) use catalog::{ForeignKey, FoundTrigger};
pub(crate) use finish::{Ended, NewDelivery};
pub(crate) use lease::Watch;
pub(crate) use take::{TakenPurge, Which};

/// `state` of a row that waits.
const WAITING: i64 = 0;
/// `state` of a row that a relay has taken.
const TAKEN: i64 = 1;
/// `state` of a purge that every node answered.
const DONE: i64 = 2;
/// `state` of a dead row.
const DEAD: i64 = 3;
/// `state` of a purge that continues as deliveries.
const DELIVERED_LATER: i64 = 4;

/// A connection to the tables. It is dropped after an error, because a transaction may be open, and another is opened.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    dialect: Dialect,
    prefix: String,
    /// The number under which this relay takes rows.
    relay: i64,
}

type Result<T> = std::result::Result<T, sqlx::Error>;

impl Store {
    pub(super) async fn open(
        options: &Options,
        prefix: &str,
        lease: Duration,
    ) -> std::result::Result<Self, OutboxError> {
        let opened = Connection::open(options).await;
        let connection = opened.map_err(|error| match OutboxError::of(&error) {
            OutboxError::Database(_) | OutboxError::Connect(_) => {
                OutboxError::Connect(Cause::new(error))
            }
            other => other,
        })?;
        let mut store = Self {
            connection,
            dialect: options.dialect(),
            prefix: prefix.to_owned(),
            relay: fastrand::i64(1..),
        };
        // If the machine of a relay loses its power or its network in a transaction, the rows must not stay
        // locked until the database gives up the connection. A live relay sends a statement five times in a lease.
        let silence = lease.max(Duration::from_secs(1));
        let session = match store.dialect {
            // A crash may lose the relay's writes: then it does them again.
            Dialect::Postgres => format!(
                "SET synchronous_commit = off; SET idle_in_transaction_session_timeout = {}",
                silence.as_millis().min(i32::MAX.unsigned_abs().into())
            ),
            // Stricter levels lock the gaps between rows, and so delay the program's own writes. A server may have
            // `autocommit` off: then the end of the connection would roll each statement back.
            Dialect::MySql => format!(
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                 SET SESSION autocommit = 1, SESSION wait_timeout = {}",
                silence.as_millis().div_ceil(1000)
            ),
            // The options contain it.
            Dialect::Sqlite => return Ok(store),
        };
        let set = store.connection.batch(session).await;
        set.map_err(|error| OutboxError::of(&error))?;
        Ok(store)
    }

    pub(crate) async fn close(self) {
        self.connection.close().await;
    }

    fn sql(&self, sql: &str) -> String {
        self.dialect.statement(sql, &self.prefix)
    }

    fn begin(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres | Dialect::MySql => "BEGIN",
            // A transaction that began by reading could not start to write.
            Dialect::Sqlite => "BEGIN IMMEDIATE",
        }
    }

    /// Runs statements without values in one transaction.
    async fn transaction(&mut self, statements: &[String]) -> Result<()> {
        let sql = format!("{};\n{};\nCOMMIT", self.begin(), statements.join(";\n"));
        self.connection.batch(sql).await
    }

    /// Checks that the tables exist, have the right version, and that the user has the privileges.
    pub(crate) async fn check(&mut self) -> std::result::Result<(), OutboxError> {
        let found = self.version().await;
        match found.map_err(|error| OutboxError::of(&error))? {
            Some(schema::VERSION) => {}
            found => {
                return Err(OutboxError::Version {
                    found: found.unwrap_or_default(),
                    known: schema::VERSION,
                });
            }
        }
        self.rehearse()
            .await
            .map_err(|error| OutboxError::of(&error))
    }

    async fn version(&mut self) -> Result<Option<i64>> {
        let sql = self.sql("SELECT max(version) FROM roan_schema");
        let rows = self.connection.rows(&sql, &[]).await?;
        let version = rows.first().map(|row| row.int(0)).transpose()?;
        Ok(version.filter(|version| *version > 0))
    }

    /// The missing tables, without `roan_schema`.
    async fn missing_tables(&mut self) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for table in ["roan_outbox", "roan_delivery", "roan_relay"] {
            let table = self.sql(table);
            // PostgreSQL would abort the transaction for a missing table.
            let is_there = match self.dialect {
                Dialect::Postgres => {
                    let sql = "SELECT (to_regclass($1) IS NOT NULL)::int::bigint";
                    let rows = self.connection.rows(sql, &[Value::Text(&table)]).await?;
                    rows.first().map(|row| row.int(0)).transpose()? == Some(1)
                }
                Dialect::MySql | Dialect::Sqlite => {
                    let sql = format!("SELECT 1 FROM {table} WHERE 1 = 0");
                    match self.connection.rows(&sql, &[]).await {
                        Ok(_) => true,
                        Err(error) => match OutboxError::of(&error) {
                            OutboxError::Missing(_) => false,
                            _ => return Err(error),
                        },
                    }
                }
            };
            if !is_there {
                missing.push(table);
            }
        }
        Ok(missing)
    }

    /// Runs the relay's statements once, and rolls back.
    async fn rehearse(&mut self) -> Result<()> {
        // The id does not belong to a row. Another program may run the same check.
        let id = self.relay.to_string();
        self.connection.batch(self.begin().to_owned()).await?;
        for sql in [
            "INSERT INTO roan_outbox (payload) VALUES ('')",
            "INSERT INTO roan_delivery (purge_id, cache, node, target, created_ms) VALUES (0, '', '', '', 0)",
            "INSERT INTO roan_relay (id, beat) VALUES ({id}, 0)",
            "SELECT id FROM roan_outbox WHERE id = {id} {skip locked}",
            "SELECT id FROM roan_delivery WHERE id = {id} {skip locked}",
            "UPDATE roan_outbox SET state = 0 WHERE id = {id}",
            "UPDATE roan_delivery SET state = 0 WHERE id = {id}",
            "UPDATE roan_relay SET beat = 0 WHERE id = {id}",
            "DELETE FROM roan_outbox WHERE id = {id}",
            "DELETE FROM roan_delivery WHERE id = {id}",
            "DELETE FROM roan_relay WHERE id = {id}",
        ] {
            let sql = self.sql(&sql.replace("{id}", &id));
            self.connection.rows(&sql, &[]).await?;
        }
        self.connection.batch("ROLLBACK".to_owned()).await
    }

    /// Creates the tables, or brings them up to date. Several programs may do this at the same time.
    pub(super) async fn migrate(&mut self) -> std::result::Result<(), OutboxError> {
        self.lock_migration(true)
            .await
            .map_err(|error| OutboxError::of(&error))?;
        let migrated = self.migrate_locked().await;
        // Its end releases the lock, too.
        let _ = self.lock_migration(false).await;
        migrated
    }

    pub(super) async fn lock_migration(&mut self, lock: bool) -> Result<()> {
        let sql = match (self.dialect, lock) {
            (Dialect::Postgres, true) => "SELECT pg_advisory_lock(7237954630)",
            (Dialect::Postgres, false) => "SELECT pg_advisory_unlock(7237954630)",
            (Dialect::MySql, true) => "SELECT GET_LOCK('roan_outbox', 60)",
            (Dialect::MySql, false) => "SELECT RELEASE_LOCK('roan_outbox')",
            (Dialect::Sqlite, _) => return Ok(()),
        };
        self.connection.batch(sql.to_owned()).await
    }

    async fn migrate_locked(&mut self) -> std::result::Result<(), OutboxError> {
        let of = |error| OutboxError::of(&error);
        if self.dialect == Dialect::Sqlite {
            self.connection
                .batch("BEGIN EXCLUSIVE".to_owned())
                .await
                .map_err(of)?;
        }
        let (has_version, found) = match self.version().await.map_err(of) {
            Ok(found) => (true, found.unwrap_or_default()),
            Err(OutboxError::Missing(_)) => (false, 0),
            Err(error) => return Err(error),
        };
        if found > schema::VERSION {
            return Err(OutboxError::Version {
                found,
                known: schema::VERSION,
            });
        }
        // A dump may have omitted the tables or the version, or a person may have dropped a table.
        let missing = self.missing_tables().await.map_err(of)?;
        match (missing.len(), has_version && found > 0) {
            (0, true) => {}
            (0, false) => {
                // The tables exist, and only the version is missing.
                let create = if has_version {
                    ""
                } else {
                    "CREATE TABLE roan_schema (version bigint NOT NULL); "
                };
                let sql = self.sql(&format!(
                    "{create}INSERT INTO roan_schema (version) VALUES ({})",
                    schema::VERSION
                ));
                self.connection.batch(sql).await.map_err(of)?;
            }
            (TABLES_BESIDE_THE_VERSION, _) => {
                for migration in migrations(self.dialect, &self.prefix) {
                    let drop = if has_version {
                        self.sql("DROP TABLE roan_schema; ")
                    } else {
                        String::new()
                    };
                    // One transaction, except on MySQL, whose table statements are not transactional: its steps can be run again.
                    let up = format!("{drop}{}", migration.up);
                    self.connection.batch(up).await.map_err(of)?;
                }
            }
            _ => return Err(OutboxError::Incomplete(missing.join(", "))),
        }
        if self.dialect == Dialect::Sqlite {
            self.connection
                .batch("COMMIT".to_owned())
                .await
                .map_err(of)?;
        }
        Ok(())
    }
}

/// `roan_outbox`, `roan_delivery` and `roan_relay`.
const TABLES_BESIDE_THE_VERSION: usize = 3;

/// `(1, 2, 3)`. Without numbers, a list that does not match any.
fn list(numbers: impl IntoIterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers
        .into_iter()
        .map(|number| number.to_string())
        .collect();
    if numbers.is_empty() {
        return "(NULL)".to_owned();
    }
    format!("({})", numbers.join(","))
}
