//! A connection to one of the databases, for statements whose values are numbers and texts.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::dialect::Dialect;

/// The database to connect to, with options.
#[derive(Debug, Clone)]
pub(super) enum Options {
    #[cfg(feature = "postgres")]
    Postgres(Box<sqlx::postgres::PgConnectOptions>),
    #[cfg(feature = "mysql")]
    MySql(Box<sqlx::mysql::MySqlConnectOptions>),
    #[cfg(feature = "sqlite")]
    Sqlite(Box<sqlx::sqlite::SqliteConnectOptions>),
}

impl Options {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Dialect::Postgres,
            #[cfg(feature = "mysql")]
            Self::MySql(_) => Dialect::MySql,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }
}

/// A longer wait for a connection is a failure.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to one of the databases.
#[derive(Debug)]
pub(super) enum Connection {
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgConnection),
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlConnection),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqliteConnection),
}

/// The value of a `?`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Int(i64),
    Text(&'a str),
    Maybe(Option<&'a str>),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// The text of a column, or its bytes where those are not UTF-8.
pub(super) type Text = Result<String, Vec<u8>>;

/// One row of an answer.
#[derive(Debug)]
pub(super) enum Row {
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
    #[cfg(feature = "mysql")]
    MySql(sqlx::mysql::MySqlRow),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow),
}

/// Runs the same code with each driver.
macro_rules! each {
    ($kind:ident, $value:expr, $inner:ident => $body:expr) => {
        match $value {
            #[cfg(feature = "postgres")]
            $kind::Postgres($inner) => $body,
            #[cfg(feature = "mysql")]
            $kind::MySql($inner) => $body,
            #[cfg(feature = "sqlite")]
            $kind::Sqlite($inner) => $body,
        }
    };
}

macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($sql));
        for value in $values {
            query = match *value {
                Value::Int(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
                Value::Maybe(text) => query.bind(text),
            };
        }
        query
    }};
}

impl Row {
    /// The columns belong to Roan's own tables, so their types are known. SQLite stores any value in a column of
    /// integers: a value that is not a number is read as 0.
    pub(super) fn int(&self, column: usize) -> Result<i64, sqlx::Error> {
        let number: Option<i64> = each!(Self, self, row => row.try_get_unchecked(column))?;
        Ok(number.unwrap_or_default())
    }

    /// A text as bytes: SQLite, and PostgreSQL with the encoding `SQL_ASCII`, store texts that are not UTF-8. PostgreSQL
    /// sends such a text only if the statement uses [`Dialect::bytes`].
    pub(super) fn text(&self, column: usize) -> Result<Text, sqlx::Error> {
        let bytes: Option<Vec<u8>> = each!(Self, self, row => row.try_get_unchecked(column))?;
        Ok(String::from_utf8(bytes.unwrap_or_default()).map_err(|error| error.into_bytes()))
    }

    /// A text for people: bytes that are not UTF-8 become `\u{fffd}`.
    pub(super) fn shown(&self, column: usize) -> Result<String, sqlx::Error> {
        let text = self.text(column)?;
        Ok(text.unwrap_or_else(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

impl Connection {
    pub(super) async fn open(options: &Options) -> Result<Self, sqlx::Error> {
        use sqlx::ConnectOptions as _;
        let opening = async {
            Ok(match options {
                #[cfg(feature = "postgres")]
                Options::Postgres(options) => Self::Postgres(options.connect().await?),
                #[cfg(feature = "mysql")]
                Options::MySql(options) => Self::MySql(options.connect().await?),
                #[cfg(feature = "sqlite")]
                Options::Sqlite(options) => Self::Sqlite(options.connect().await?),
            })
        };
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, opening).await;
        opened.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
    }

    /// Runs one statement, which is prepared and kept, and returns the number of rows it changed.
    pub(super) async fn execute(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        each!(Self, self, connection => {
            let done = bound!(sql, values).execute(connection).await?;
            Ok(done.rows_affected())
        })
    }

    /// Runs one statement and returns its rows.
    pub(super) async fn rows(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                let rows = bound!(sql, values).fetch_all(connection).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
            #[cfg(feature = "mysql")]
            Self::MySql(connection) => {
                let rows = bound!(sql, values).fetch_all(connection).await?;
                rows.into_iter().map(Row::MySql).collect()
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => {
                let rows = bound!(sql, values).fetch_all(connection).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
        })
    }

    /// Runs statements without values, in one round trip.
    pub(super) async fn batch(&mut self, sql: String) -> Result<(), sqlx::Error> {
        each!(Self, self, connection => {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
        });
        Ok(())
    }

    /// Closes the connection. It does not wait for a database that does not answer.
    pub(super) async fn close(self) {
        let closing = async {
            // The connection is not used any more, so an error does not matter.
            each!(Self, self, connection => drop(connection.close().await));
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), closing).await;
    }
}
