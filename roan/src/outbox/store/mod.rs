//! The outbox's tables, as the relay uses them: one connection, one statement at a time. The decisions are in `relay/`.

mod admin;
mod catalog;
#[cfg(feature = "metrics")]
mod census;
mod dead;
mod definer;
mod dropped;
mod fence;
mod finish;
mod history;
mod lease;
mod nodes;
mod pages;
mod place;
mod status;
mod take;

use std::time::Duration;

use super::connection::{Connection, Durability, Options, Value};
use super::dialect::Dialect;
use super::error::OutboxError;
use super::schema::{self, migrations};
use crate::base::cause::Cause;

pub(crate) use admin::Expired;
pub(crate) use catalog::{ForeignKey, FoundColumn, FoundTrigger};
#[cfg(feature = "postgres")]
pub(crate) use fence::MARKED;
pub use fence::{Checked, Epoch};
#[cfg(feature = "postgres")]
pub(crate) use finish::ENDED;
pub(crate) use finish::{Ended, NewDelivery};
pub(crate) use lease::Watch;
pub(crate) use nodes::Nodes;
pub use pages::{Found, Resolving};
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
/// `state` of a purge that waits for another version of the program. `relay` is the knowledge of the last one, and
/// `ended_ms` the time when the first one left it.
const LEFT: i64 = 5;

/// A connection to the tables. It is dropped after an error, because a transaction may be open, and another is opened.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    dialect: Dialect,
    prefix: String,
    /// The channel for `NOTIFY`, if it is enabled.
    channel: Option<String>,
    /// The number under which this relay takes rows.
    relay: i64,
    /// Whether a program has ever used index and fence, as far as this connection has seen.
    is_index_in_use: bool,
}

type Result<T> = std::result::Result<T, sqlx::Error>;

/// More than this PostgreSQL does not take for a timeout: its milliseconds have 31 bits.
const LONGEST_SILENCE: Duration = Duration::from_millis(i32::MAX.unsigned_abs() as u64);

/// Another program may change the schema for so long, in seconds.
const LONGEST_CHANGE: u32 = 60;

/// A change of the schema waits for so long for the lock of a table, in seconds: meanwhile writes to the table wait, too.
const LONGEST_LOCK: u32 = 5;

impl Store {
    pub(super) async fn open(
        options: &Options,
        prefix: &str,
        lease: Duration,
        durability: Durability,
    ) -> std::result::Result<Self, OutboxError> {
        // If the machine of a relay loses its power or its network in a transaction, the rows must not stay
        // locked until the database gives up the connection. A live relay sends a statement five times in a lease.
        let silence = lease.clamp(Duration::from_secs(1), LONGEST_SILENCE);
        let opened = Connection::open(options, silence, durability).await;
        let connection =
            opened.map_err(|error| OutboxError::of_connecting(error, &options.location()))?;
        Ok(Self {
            connection,
            dialect: options.dialect(),
            prefix: prefix.to_owned(),
            channel: None,
            relay: fastrand::i64(1..),
            is_index_in_use: false,
        })
    }

    /// Notifies this channel of marks, and of answers.
    pub(super) fn notify(&mut self, channel: Option<String>) {
        self.channel = channel;
    }

    /// Whether the database is reached through a pooler.
    pub(crate) fn is_pooled(&self) -> bool {
        self.connection.is_pooled()
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
        self.check_version().await?;
        self.rehearse().await.map_err(OutboxError::of)
    }

    /// Checks that the tables have the right version.
    pub(super) async fn check_version(&mut self) -> std::result::Result<(), OutboxError> {
        let version = self.version().await;
        let table = || self.sql("roan_schema");
        match version.map_err(|error| OutboxError::of_version(error, table()))? {
            Some(schema::VERSION) => Ok(()),
            found => Err(OutboxError::Version {
                found: found.unwrap_or_default(),
                known: schema::VERSION,
            }),
        }
    }

    async fn version(&mut self) -> Result<Option<i64>> {
        let sql = self.sql("SELECT max(version) FROM roan_schema");
        let version = self.connection.int(&sql, &[]).await?;
        Ok(version.filter(|version| *version > 0))
    }

    /// The missing tables, without `roan_schema`.
    async fn missing_tables(&mut self) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for table in TABLES {
            if !self.is_there(table).await? {
                missing.push(self.sql(table));
            }
        }
        Ok(missing)
    }

    async fn is_there(&mut self, table: &str) -> Result<bool> {
        let table = self.sql(table);
        // PostgreSQL would abort the transaction for a missing table.
        if self.dialect == Dialect::Postgres {
            let sql = "SELECT (to_regclass($1) IS NOT NULL)::int::bigint";
            let is_there = self.connection.int(sql, &[Value::Text(&table)]).await?;
            return Ok(is_there == Some(1));
        }
        let sql = format!("SELECT 1 FROM {table} WHERE 1 = 0");
        match self.connection.rows(&sql, &[]).await {
            Ok(_) => Ok(true),
            Err(error) if OutboxError::is_missing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Runs the relay's statements once, and rolls back.
    async fn rehearse(&mut self) -> Result<()> {
        // The id does not belong to a row. Another program may run the same check.
        let id = self.relay.to_string();
        let statements = [
            self.begin(),
            "INSERT INTO roan_outbox (payload) VALUES ('')",
            "INSERT INTO roan_delivery (purge_id, cache, node, target, created_ms) VALUES (0, '', '', '', 0)",
            "INSERT INTO roan_relay (id, beat) VALUES ({id}, 0)",
            "SELECT id FROM roan_outbox WHERE id = {id} {skip locked}",
            "SELECT id FROM roan_delivery WHERE id = {id} {skip locked}",
            "UPDATE roan_outbox SET state = 0, history = '' WHERE id = {id}",
            "UPDATE roan_delivery SET state = 0 WHERE id = {id}",
            "UPDATE roan_relay SET beat = 0 WHERE id = {id}",
            "DELETE FROM roan_outbox WHERE id = {id}",
            "DELETE FROM roan_delivery WHERE id = {id}",
            "DELETE FROM roan_relay WHERE id = {id}",
            "INSERT INTO roan_node (cache, node, seen_ms) VALUES ('', '{id}', 0)",
            "UPDATE roan_node SET seen_ms = 0 WHERE node = '{id}'",
            "DELETE FROM roan_node WHERE node = '{id}'",
            "INSERT INTO roan_page (id, target, seen_ms) VALUES ({id}, '', 0)",
            "INSERT INTO roan_page_key (page_key, page_id) VALUES ({id}, {id})",
            "INSERT INTO roan_fence (page_key, number) VALUES ({id}, 0)",
            "INSERT INTO roan_epoch (id, number, forgets, swept, in_use) VALUES ({id}, 0, 0, 0, 0)",
            "SELECT id FROM roan_page WHERE id = {id} {skip locked}",
            "UPDATE roan_page SET seen_ms = 0 WHERE id = {id}",
            "UPDATE roan_fence SET number = 0 WHERE page_key = {id}",
            "UPDATE roan_epoch SET number = 0 WHERE id = {id}",
            "DELETE FROM roan_page WHERE id = {id}",
            "DELETE FROM roan_page_key WHERE page_id = {id}",
            "DELETE FROM roan_fence WHERE page_key = {id}",
            "ROLLBACK",
        ];
        let sql = self.sql(&statements.join("; ").replace("{id}", &id));
        self.connection.batch(sql).await
    }

    /// Creates the tables, or brings them up to date. Several programs may do this at the same time.
    pub(super) async fn migrate(&mut self) -> std::result::Result<(), OutboxError> {
        self.begin_change().await?;
        let migrated = self.migrate_locked().await;
        self.end_change(migrated).await
    }

    /// Begins a change of the schema: a transaction, but for MySQL, which has none for that. Others wait for its end.
    pub(crate) async fn begin_change(&mut self) -> std::result::Result<(), OutboxError> {
        let is_mine = match self.dialect {
            // Of the transaction: a lock of the session would stay behind on the backend of a pooler.
            Dialect::Postgres => {
                let sql = format!(
                    "BEGIN; SET LOCAL lock_timeout = '{LONGEST_CHANGE}s'; \
                     SELECT pg_advisory_xact_lock(7237954630); SET LOCAL lock_timeout = '{LONGEST_LOCK}s'"
                );
                match self.connection.batch(sql).await {
                    // lock_not_available
                    Err(error) if code(&error).as_deref() == Some("55P03") => false,
                    done => done.map(|()| true).map_err(OutboxError::of)?,
                }
            }
            Dialect::MySql => {
                let sql = format!("SET SESSION lock_wait_timeout = {LONGEST_LOCK}");
                let limited = self.connection.batch(sql).await;
                limited.map_err(OutboxError::of)?;
                let sql = format!("SELECT GET_LOCK('roan_outbox', {LONGEST_CHANGE})");
                let locked = self.connection.int(&sql, &[]).await;
                locked.map_err(OutboxError::of)? == Some(1)
            }
            Dialect::Sqlite => {
                let begun = self.connection.batch(self.begin().to_owned()).await;
                return begun.map_err(OutboxError::of);
            }
        };
        if is_mine {
            return Ok(());
        }
        let who = match self.dialect {
            Dialect::MySql => "SELECT IS_USED_LOCK('roan_outbox')",
            _ => "SELECT pid FROM pg_locks WHERE locktype = 'advisory'",
        };
        let busy = format!(
            "another program has been changing the outbox's schema or triggers for {LONGEST_CHANGE} s: wait for it, \
             or find it by `{who}` and end it"
        );
        Err(OutboxError::Database(Cause::new(busy)))
    }

    /// Ends a change of the schema, for good or, after an error, so that none of it is left.
    pub(crate) async fn end_change(
        &mut self,
        changed: std::result::Result<(), OutboxError>,
    ) -> std::result::Result<(), OutboxError> {
        let ended = match (self.dialect, &changed) {
            // The end of the connection gives it back, too.
            (Dialect::MySql, _) => {
                let sql = "SELECT RELEASE_LOCK('roan_outbox')".to_owned();
                let _ = self.connection.batch(sql).await;
                Ok(())
            }
            (_, Ok(())) => self.commit_durably().await,
            // The first error says more.
            (_, Err(_)) => {
                let _ = self.roll_back().await;
                Ok(())
            }
        };
        changed.and(ended.map_err(OutboxError::of))
    }

    /// The error of a change of the schema.
    pub(super) fn change_error(&self, error: sqlx::Error) -> OutboxError {
        if !Self::is_conflict(&error) || self.dialect == Dialect::Sqlite {
            return OutboxError::of(error);
        }
        let who = match self.dialect {
            Dialect::Postgres => {
                "SELECT pid, query FROM pg_stat_activity WHERE state = 'idle in transaction'"
            }
            _ => "SELECT trx_mysql_thread_id, trx_query FROM information_schema.innodb_trx",
        };
        OutboxError::Database(Cause::new(format!(
            "a transaction has locked a table for {LONGEST_LOCK} s ({error}), and writes to the table would wait, too: \
             try again after its end, or find it by `{who}`"
        )))
    }

    /// Ends a transaction that is not to be lost with a crash.
    async fn commit_durably(&mut self) -> Result<()> {
        let sql = match self.dialect {
            Dialect::Postgres => "SET LOCAL synchronous_commit = on; COMMIT",
            Dialect::MySql | Dialect::Sqlite => "COMMIT",
        };
        self.connection.batch(sql.to_owned()).await
    }

    async fn migrate_locked(&mut self) -> std::result::Result<(), OutboxError> {
        let of = OutboxError::of;
        let has_version = self.is_there("roan_schema").await.map_err(of)?;
        let found = match has_version {
            true => {
                let version = self.version().await;
                let table = || self.sql("roan_schema");
                let version = version.map_err(|error| OutboxError::of_version(error, table()));
                version?.unwrap_or_default()
            }
            false => 0,
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
            (0, true) => Ok(()),
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
                self.connection.batch(sql).await.map_err(of)
            }
            (missing, _) if missing == TABLES.len() => {
                for migration in migrations(self.dialect, &self.prefix) {
                    let drop = if has_version {
                        self.sql("DROP TABLE roan_schema; ")
                    } else {
                        String::new()
                    };
                    // On MySQL table statements are not transactional: its steps can be run again.
                    let up = format!("{drop}{}", migration.up);
                    self.connection.batch(up).await.map_err(of)?;
                }
                Ok(())
            }
            _ => Err(OutboxError::Incomplete(missing.join(", "))),
        }
    }
}

fn code(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error().and_then(|error| error.code())
}

/// The number of an error of MySQL, whose SQLSTATE is `HY000` for most of them.
#[cfg(feature = "mysql")]
fn mysql_number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?;
    let error = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?;
    Some(error.number())
}

#[cfg(not(feature = "mysql"))]
fn mysql_number(_error: &sqlx::Error) -> Option<u16> {
    None
}

/// All but `roan_schema`.
const TABLES: [&str; 8] = [
    "roan_outbox",
    "roan_delivery",
    "roan_relay",
    "roan_node",
    "roan_page",
    "roan_page_key",
    "roan_fence",
    "roan_epoch",
];

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
