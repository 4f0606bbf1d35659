//! A connection to whatever database it is, for statements whose values are numbers.

use std::panic::Location;
use std::str::FromStr;
use std::time::{Duration, Instant};

use roan::Roan;
use roan::orm::sqlx::PurgeConnection;
use roan::outbox::Dialect;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

type Result<T> = std::result::Result<T, sqlx::Error>;

/// A server that was suspended or killed in the middle of a handshake would be waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const COUNT_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to one of the databases.
#[derive(Debug)]
pub enum Connection {
    /// To PostgreSQL.
    Postgres(sqlx::PgConnection),
    /// To MariaDB or MySQL.
    MySql(sqlx::MySqlConnection),
    /// To SQLite.
    Sqlite(sqlx::SqliteConnection),
}

/// Runs the same code on the connection, whichever it is.
#[macro_export]
macro_rules! each_connection {
    ($value:expr, $inner:ident => $body:expr) => {
        match $value {
            $crate::Connection::Postgres($inner) => $body,
            $crate::Connection::MySql($inner) => $body,
            $crate::Connection::Sqlite($inner) => $body,
        }
    };
}

impl Connection {
    /// Opens one; SQLite's with a write-ahead log.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached within 5 s.
    pub async fn open(url: &str) -> Result<Self> {
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

    /// What kind of database it is.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::MySql(_) => Dialect::MySql,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Statements without parameters.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn run(&mut self, sql: &str) -> Result<()> {
        let sql = AssertSqlSafe(sql.to_owned());
        each_connection!(self, connection => {
            sqlx::raw_sql(sql).execute(connection).await?;
        });
        Ok(())
    }

    /// The rows of a query for numbers.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn numbers(&mut self, sql: &str) -> Result<Vec<Vec<i64>>> {
        let sql = AssertSqlSafe(sql.to_owned());
        each_connection!(self, connection => {
            let rows = sqlx::raw_sql(sql).fetch_all(connection).await?;
            let row = |row| Self::row(row, sqlx::Row::len(row));
            rows.iter().map(row).collect()
        })
    }

    /// Waits until a query yields a number.
    ///
    /// # Panics
    ///
    /// When it does not yield it within half a minute, and when it fails.
    #[track_caller]
    pub fn wait_for_count(&mut self, sql: &str, wanted: i64) -> impl Future<Output = ()> + use<'_> {
        let place = Location::caller();
        let sql = sql.to_owned();
        async move {
            let start = Instant::now();
            loop {
                let found = self.numbers(&sql).await.expect("a number")[0][0];
                if found == wanted {
                    return;
                }
                assert!(
                    start.elapsed() < COUNT_TIMEOUT,
                    "{place}: {sql} yields {found}, not {wanted}"
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
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
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn texts(&mut self, sql: &str) -> Result<Vec<String>> {
        let sql = AssertSqlSafe(sql.to_owned());
        each_connection!(self, connection => {
            let rows = sqlx::raw_sql(sql).fetch_all(connection).await?;
            rows.iter().map(|row| row.try_get_unchecked(0)).collect()
        })
    }

    /// Closes it, and waits for that: SQLite locks the file once more when it is closed.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn close(self) -> Result<()> {
        each_connection!(self, connection => connection.close().await)
    }

    /// Writes what the hooks purge, as part of the transaction.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn purge(&mut self, roan: &Roan, hooks: impl FnOnce() + Send) -> Result<()> {
        each_connection!(self, connection => connection.run_hooks(Some(roan), hooks).await)
    }
}
