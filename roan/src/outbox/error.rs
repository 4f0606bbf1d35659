//! Errors of the outbox.

use std::fmt;

use super::dialect::Dialect;
use crate::base::cause::Cause;

/// Why an outbox cannot be used. Messages do not show passwords.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The URL of the database is invalid.
    #[error("outbox URL {url:?} {problem}")]
    Url {
        /// The URL, without user name and password.
        url: String,
        /// What is wrong with it, and what to write.
        problem: String,
    },
    /// A setting is invalid.
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
    /// A table is missing.
    #[error(
        "the tables of the outbox are missing ({0}): call `Outbox::migrate`, or run Roan's migrations with your own tool"
    )]
    Missing(#[source] Cause),
    /// The table with the version of the outbox is not Roan's.
    #[error(
        "the table {table} is not Roan's ({source}): this is another program's database, or the prefix of the tables is another"
    )]
    NotOurs {
        /// The table.
        table: String,
        /// What the database said.
        source: Cause,
    },
    /// Some tables exist and others are missing.
    #[error(
        "the tables of the outbox are incomplete: {0} is missing; restore it, or drop all tables of the outbox (which loses their purges) and call `Outbox::migrate`"
    )]
    Incomplete(String),
    /// The tables belong to another version of Roan.
    #[error(
        "the outbox has schema version {found}, and this version of Roan supports {known}: {}",
        if found > known { "update the program" } else { "call `Outbox::migrate`" }
    )]
    Version {
        /// The version in the database.
        found: i64,
        /// The version that this program supports.
        known: i64,
    },
    /// The database user lacks a privilege.
    #[error(
        "the database user lacks privileges the outbox needs (SELECT, INSERT, UPDATE and DELETE on its tables): {0}"
    )]
    Rights(#[source] Cause),
    /// The database does not support `SKIP LOCKED`.
    #[error(
        "the database does not support `FOR UPDATE SKIP LOCKED` (use PostgreSQL, MySQL 8.0 or MariaDB 10.6): {0}"
    )]
    SkipLocked(#[source] Cause),
    /// The connection is to another kind of database than the outbox.
    #[error(
        "the outbox is in {outbox}, but this connection is to {connection}: both must be the same database"
    )]
    OtherDatabase {
        /// The kind of database of the outbox.
        outbox: Dialect,
        /// The kind of database of the connection.
        connection: Dialect,
    },
    /// Triggers cannot be created, or differ from the rules.
    #[error(transparent)]
    Triggers(#[from] super::trigger_settings::TriggerError),
    /// No program with this outbox has that node.
    #[error(
        "no program with this outbox has a node called {name:?}, or had one in the last week: the nodes are {known}"
    )]
    UnknownNode {
        /// The names of the cache and the node that were asked for.
        name: String,
        /// The names of the nodes.
        known: String,
    },
    /// The database refused a statement.
    #[error("the outbox's database: {0}")]
    Database(#[source] Cause),
    /// The dispatcher has no durable outbox, or has ended.
    #[error("{0}")]
    Unavailable(&'static str),
}

impl OutboxError {
    /// Classifies an error of the database, which becomes the source.
    pub(crate) fn of(error: sqlx::Error) -> Self {
        Self::kind(&error)(Cause::described(words(&error), error))
    }

    /// The same for an error that is needed elsewhere, too: the source has only its words.
    pub(crate) fn in_words(error: &sqlx::Error) -> Self {
        Self::kind(error)(Cause::new(words(error)))
    }

    /// Whether a table does not exist.
    pub(crate) fn is_missing(error: &sqlx::Error) -> bool {
        matches!(Self::in_words(error), Self::Missing(_))
    }

    /// The same for an error of connecting to a database, which the message names.
    pub(crate) fn of_connecting(error: sqlx::Error, place: &str) -> Self {
        let kind = Self::kind(&error);
        let cause = Cause::described(format!("{place}: {}", words(&error)), error);
        match kind(cause) {
            Self::Database(cause) => Self::Connect(cause),
            other => other,
        }
    }

    /// The error of reading the version in a table, which may be of another program.
    pub(crate) fn of_version(error: sqlx::Error, table: String) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        // PostgreSQL's undefined_column and undefined_function (`max` of what has no order), the SQLSTATE of MySQL.
        let is_other = matches!(code.as_deref(), Some("42703" | "42883" | "42S22"))
            || matches!(
                error,
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)
            )
            || words(&error).contains("no such column");
        match is_other {
            true => Self::NotOurs {
                table,
                source: Cause::described(words(&error), error),
            },
            false => Self::of(error),
        }
    }

    fn kind(error: &sqlx::Error) -> fn(Cause) -> Self {
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Self::Connect,
                _ => Self::Database,
            };
        };
        let code = database.code();
        let message = database.message();
        match code.as_deref() {
            // connection_exception, and PostgreSQL's operator_intervention: its server ends, or has not begun.
            Some(code) if code.starts_with("08") || code.starts_with("57P") => Self::Connect,
            // PostgreSQL's undefined_table, and the SQLSTATE of MySQL.
            Some("42P01" | "42S02") => Self::Missing,
            _ if message.starts_with("no such table") => Self::Missing,
            // insufficient_privilege; MySQL's access denied; SQLITE_READONLY and its kin.
            Some("42000") if message.contains("denied") => Self::Rights,
            Some("42501" | "8" | "1032" | "1544") => Self::Rights,
            Some("42601" | "42000") if message.to_ascii_uppercase().contains("SKIP") => {
                Self::SkipLocked
            }
            _ => Self::Database,
        }
    }
}

/// What the database said. PostgreSQL's errors end with a line of its own source, which helps nobody.
fn words(error: &sqlx::Error) -> String {
    let words = error.to_string();
    #[cfg(feature = "postgres")]
    if let Some(error) = error.as_database_error()
        && let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        && let Some(line) = error.line()
        && let Some(rest) = words.strip_suffix(&format!(" at line {line}"))
    {
        return rest.to_owned();
    }
    words
}

/// The message: a `main` that returns an error prints it so.
impl fmt::Debug for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
