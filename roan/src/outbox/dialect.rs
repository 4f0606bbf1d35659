//! The SQL of each kind of database.

use std::fmt;
use std::sync::Arc;

/// A kind of database that can hold an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL 12 and later.
    Postgres,
    /// MySQL 8.0.13 and later, MariaDB 10.6 and later.
    MySql,
    /// SQLite 3.35 and later.
    Sqlite,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::Sqlite => "SQLite",
        })
    }
}

impl Dialect {
    /// Milliseconds since 1970, by the database's clock.
    pub(super) fn now(self) -> &'static str {
        match self {
            Self::Postgres => "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
            Self::MySql => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
            Self::Sqlite => "CAST((julianday('now') - 2440587.5) * 86400000 AS integer)",
        }
    }

    /// A statement written for the tables of the default prefix, with `?` for its parameters.
    pub(super) fn statement(self, sql: &str, prefix: &str) -> String {
        let sql = sql
            .replace("roan_", prefix)
            .replace("{now}", self.now())
            .replace("{skip locked}", self.skip_locked());
        if self != Self::Postgres {
            return sql;
        }
        let mut numbered = String::with_capacity(sql.len() + 8);
        for (number, piece) in sql.split('?').enumerate() {
            if number > 0 {
                numbered.push_str(&format!("${number}"));
            }
            numbered.push_str(piece);
        }
        numbered
    }

    /// A column of texts, as the bytes that are stored. PostgreSQL would check and convert a text on its way to the
    /// client, and fail the whole statement for one that is not in the encoding that it claims.
    pub(super) fn bytes(self, column: &str) -> String {
        match self {
            Self::Postgres => format!("convert_to({column}, getdatabaseencoding())"),
            Self::MySql | Self::Sqlite => column.to_owned(),
        }
    }

    /// Whether the text in a column contains that of the next place, byte for byte.
    pub(super) fn contains(self, column: &str) -> String {
        match self {
            Self::Postgres => format!("strpos({column}, ?) > 0"),
            // The collation may ignore the case of letters.
            Self::MySql => format!("instr(CAST({column} AS BINARY), CAST(? AS BINARY)) > 0"),
            Self::Sqlite => format!("instr({column}, ?) > 0"),
        }
    }

    fn skip_locked(self) -> &'static str {
        match self {
            Self::Postgres | Self::MySql => "FOR UPDATE SKIP LOCKED",
            // SQLite has one writer at a time.
            Self::Sqlite => "",
        }
    }

    /// The statement that inserts `rows` payloads into `table`, and notifies the channel.
    pub(super) fn insert(self, table: &str, rows: usize, channel: Option<&str>) -> Arc<str> {
        let place = |row: usize| match self {
            Self::Postgres => format!("(${row})"),
            Self::MySql | Self::Sqlite => "(?)".to_owned(),
        };
        let places: Vec<_> = (1..=rows).map(place).collect();
        let mut sql = format!("INSERT INTO {table} (payload) VALUES {}", places.join(", "));
        if let Some(channel) = channel {
            sql = format!("WITH put AS ({sql}) SELECT pg_notify('{channel}', '')");
        }
        sql.into()
    }

    /// The function that returns the greatest of its arguments.
    pub(super) fn greatest(self) -> &'static str {
        match self {
            Self::Postgres | Self::MySql => "greatest",
            Self::Sqlite => "max",
        }
    }

    pub(super) fn bigint(self) -> &'static str {
        match self {
            Self::Postgres => "bigint",
            Self::MySql => "signed",
            Self::Sqlite => "integer",
        }
    }
}
