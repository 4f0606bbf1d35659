//! What can be wrong with an outbox.

use super::dialect::Dialect;
use crate::base::cause::Cause;

/// Why an outbox cannot be used. No message shows a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The URL of the database cannot be used.
    #[error("outbox URL {url:?} {problem}")]
    Url {
        /// The URL, without user name and password.
        url: String,
        /// What is wrong with it, and what to write.
        problem: String,
    },
    /// A setting cannot be used.
    #[error("outbox {setting}: {problem}")]
    Setting {
        /// The name of the method.
        setting: &'static str,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// The database cannot be reached.
    #[error("cannot connect to the outbox's database: {0}")]
    Connect(#[source] Cause),
    /// A table is not there.
    #[error(
        "the outbox has no tables ({0}): call `Outbox::migrate`, or run Roan's migrations with your own tool"
    )]
    Missing(String),
    /// Some tables are there and others are not.
    #[error(
        "the outbox is incomplete, without {0}: restore the table, or drop all of the outbox's tables (which loses what waits in them) and call `Outbox::migrate`"
    )]
    Incomplete(String),
    /// The tables are of another version of Roan.
    #[error(
        "the outbox has schema version {found}, and this version of Roan knows {known}: {}",
        if found > known { "update the program" } else { "call `Outbox::migrate`" }
    )]
    Version {
        /// The version in the database.
        found: i64,
        /// The version that this program was made for.
        known: i64,
    },
    /// The user of the database may not do what Roan has to.
    #[error(
        "the database user lacks the privileges that the outbox needs (SELECT, INSERT, UPDATE and DELETE on its tables): {0}"
    )]
    Rights(String),
    /// The database does not know `SKIP LOCKED`.
    #[error(
        "the database does not know `FOR UPDATE SKIP LOCKED`: use PostgreSQL, MySQL 8.0 or MariaDB 10.6: {0}"
    )]
    SkipLocked(String),
    /// The connection is to another kind of database than the outbox.
    #[error("the outbox is in {outbox}, and the write in {connection}: they must be one database")]
    OtherDatabase {
        /// Where the outbox is.
        outbox: Dialect,
        /// Where the write went.
        connection: Dialect,
    },
    /// Triggers cannot be made, or are others than they should be.
    #[error(transparent)]
    Triggers(#[from] super::trigger_settings::TriggerError),
    /// The database refused a statement.
    #[error("the outbox's database: {0}")]
    Database(String),
    /// The dispatcher has no durable outbox, or has ended.
    #[error("{0}")]
    Unavailable(&'static str),
}

impl OutboxError {
    /// Sorts what the database says.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        let text = error.to_string();
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Self::Connect(Cause::new(text)),
                _ => Self::Database(text),
            };
        };
        let code = database.code();
        let message = database.message();
        match code.as_deref() {
            // PostgreSQL's undefined_table, and the SQLSTATE of MySQL.
            Some("42P01" | "42S02") => Self::Missing(text),
            _ if message.starts_with("no such table") => Self::Missing(text),
            // insufficient_privilege; MySQL's access denied; SQLITE_READONLY and its kin.
            Some("42000") if message.contains("denied") => Self::Rights(text),
            Some("42501" | "8" | "1032" | "1544") => Self::Rights(text),
            Some("42601" | "42000") if message.to_ascii_uppercase().contains("SKIP") => {
                Self::SkipLocked(text)
            }
            _ => Self::Database(text),
        }
    }
}
