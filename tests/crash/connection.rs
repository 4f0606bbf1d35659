//! A connection to whatever database it is, for statements whose values are numbers.

use std::str::FromStr;
use std::time::Duration;

use roan::Roan;
use roan::orm::sqlx::Purging;
use roan::outbox::Dialect;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

type Result<T> = std::result::Result<T, sqlx::Error>;

/// A server that was suspended or killed in the middle of a handshake would be waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) enum Connection {
    Postgres(sqlx::PgConnection),
    MySql(sqlx::MySqlConnection),
    Sqlite(sqlx::SqliteConnection),
}

macro_rules! each {
    ($value:expr, $inner:ident => $body:expr) => {
        match $value {
            Connection::Postgres($inner) => $body,
            Connection::MySql($inner) => $body,
            Connection::Sqlite($inner) => $body,
        }
    };
}

impl Connection {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let opening = async {
            Ok(match url.split(':').next() {
                Some("postgres") => Self::Postgres(sqlx::PgConnection::connect(url).await?),
                Some("mysql") => Self::MySql(sqlx::MySqlConnection::connect(url).await?),
                _ => {
                    let options = SqliteConnectOptions::from_str(url)?
                        .journal_mode(SqliteJournalMode::Wal)
                        .synchronous(SqliteSynchronous::Normal);
                    Self::Sqlite(sqlx::SqliteConnection::connect_with(&options).await?)
                }
            })
        };
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, opening).await;
        opened.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::MySql(_) => Dialect::MySql,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    pub(crate) async fn run(&mut self, sql: &str) -> Result<()> {
        let sql = AssertSqlSafe(sql.to_owned());
        each!(self, connection => {
            sqlx::raw_sql(sql).execute(connection).await?;
        });
        Ok(())
    }

    /// The rows of a query for numbers.
    pub(crate) async fn numbers(&mut self, sql: &str) -> Result<Vec<Vec<i64>>> {
        let sql = AssertSqlSafe(sql.to_owned());
        each!(self, connection => {
            let rows = sqlx::raw_sql(sql).fetch_all(connection).await?;
            let row = |row| Self::row(row, sqlx::Row::len(row));
            rows.iter().map(row).collect()
        })
    }

    fn row<'r, R>(row: &'r R, columns: usize) -> Result<Vec<i64>>
    where
        R: sqlx::Row,
        usize: sqlx::ColumnIndex<R>,
        i64: sqlx::Decode<'r, R::Database>,
    {
        (0..columns)
            .map(|column| row.try_get_unchecked(column))
            .collect()
    }

    /// The first column of a query for texts.
    pub(crate) async fn texts(&mut self, sql: &str) -> Result<Vec<String>> {
        let sql = AssertSqlSafe(sql.to_owned());
        each!(self, connection => {
            let rows = sqlx::raw_sql(sql).fetch_all(connection).await?;
            rows.iter().map(|row| row.try_get_unchecked(0)).collect()
        })
    }

    /// Writes what the hooks purge, as part of the transaction.
    pub(crate) async fn purge(&mut self, roan: &Roan, hooks: impl FnOnce() + Send) -> Result<()> {
        each!(self, connection => connection.purging(Some(roan), hooks).await)
    }
}
