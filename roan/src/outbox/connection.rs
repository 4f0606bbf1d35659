//! A connection to one of the databases, for statements whose values are numbers and texts.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::dialect::Dialect;
#[cfg(feature = "postgres")]
use super::pooled::Pooled;

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

    /// Where the database is, without the name and the password of a user: a server and the name of the database, or a file.
    pub(super) fn location(&self) -> String {
        #[cfg(any(feature = "postgres", feature = "mysql"))]
        let at_server = |host: &str, port: u16, socket: Option<&std::path::PathBuf>, name| {
            let server = match socket {
                Some(socket) => socket.display().to_string(),
                None if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
                None => format!("{host}:{port}"),
            };
            match name {
                Some(name) => format!("{server}/{name}"),
                None => server,
            }
        };
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(options) => at_server(
                options.get_host(),
                options.get_port(),
                options.get_socket(),
                options.get_database(),
            ),
            #[cfg(feature = "mysql")]
            Self::MySql(options) => at_server(
                options.get_host(),
                options.get_port(),
                options.get_socket(),
                options.get_database(),
            ),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(options) => options.get_filename().display().to_string(),
        }
    }
}

/// What a commit is worth when the database's machine loses its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// The last commits may be lost, if the database has a setting for that. The relay can do them again.
    Relaxed,
    /// None is lost. (On MySQL that is for the server's setting `innodb_flush_log_at_trx_commit` to say.)
    Full,
}

/// A longer wait for a connection is a failure.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to one of the databases.
#[derive(Debug)]
pub(super) enum Connection {
    /// To the server itself, whose session is ours alone.
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgConnection),
    #[cfg(feature = "postgres")]
    Pooled(Pooled),
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

/// Runs the same code with each driver, except through a pooler.
macro_rules! each {
    ($kind:ident, $value:expr, $inner:ident => $body:expr $(, $pooled:ident => $other:expr)?) => {
        match $value {
            #[cfg(feature = "postgres")]
            $kind::Postgres($inner) => $body,
            $(
                #[cfg(feature = "postgres")]
                $kind::Pooled($pooled) => $other,
            )?
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
        let bytes: Option<Vec<u8>> = match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => postgres_bytes(row, column),
            #[cfg(feature = "mysql")]
            Self::MySql(row) => row.try_get_unchecked(column),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => row.try_get_unchecked(column),
        }?;
        Ok(String::from_utf8(bytes.unwrap_or_default()).map_err(|error| error.into_bytes()))
    }

    /// A text for people: bytes that are not UTF-8 become `\u{fffd}`.
    pub(super) fn shown(&self, column: usize) -> Result<String, sqlx::Error> {
        let text = self.text(column)?;
        Ok(text.unwrap_or_else(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// The bytes of a text or of a `bytea`. The answer to a simple query is in text, where sqlx takes every value for a
/// `bytea` that it is asked the bytes of.
#[cfg(feature = "postgres")]
fn postgres_bytes(
    row: &sqlx::postgres::PgRow,
    column: usize,
) -> Result<Option<Vec<u8>>, sqlx::Error> {
    use sqlx::{TypeInfo as _, ValueRef as _};
    let value = row.try_get_raw(column)?;
    let is_text = value.format() == sqlx::postgres::PgValueFormat::Text;
    if value.is_null() || !is_text || value.type_info().name() == "BYTEA" {
        return row.try_get_unchecked(column);
    }
    let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
    Ok(Some(bytes.to_vec()))
}

impl Connection {
    /// Connects, with the settings of the relay. The database ends a connection that is silent in a transaction for
    /// longer than `silence`.
    #[cfg_attr(
        not(any(feature = "postgres", all(feature = "mysql", feature = "sqlite"))),
        expect(
            unused_variables,
            reason = "a file has no session, and MySQL's durability is a setting of the server"
        )
    )]
    pub(super) async fn open(
        options: &Options,
        silence: Duration,
        durability: Durability,
    ) -> Result<Self, sqlx::Error> {
        let opening = async {
            match options {
                #[cfg(feature = "postgres")]
                Options::Postgres(options) => {
                    Self::open_postgres(options, silence, durability).await
                }
                #[cfg(feature = "mysql")]
                Options::MySql(options) => {
                    use sqlx::ConnectOptions as _;
                    let mut connection = options.connect().await?;
                    // Stricter levels lock the gaps between rows, and so delay the program's own writes. A server may
                    // have `autocommit` off: then the end of the connection would roll each statement back.
                    let session = format!(
                        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                         SET SESSION autocommit = 1, SESSION wait_timeout = {}",
                        silence.as_millis().div_ceil(1000)
                    );
                    let session = sqlx::raw_sql(AssertSqlSafe(session));
                    session.execute(&mut connection).await?;
                    Ok(Self::MySql(connection))
                }
                // The options contain it.
                #[cfg(feature = "sqlite")]
                Options::Sqlite(options) => {
                    use sqlx::ConnectOptions as _;
                    let synchronous = match durability {
                        // Sufficient in WAL mode. Less could corrupt the database.
                        Durability::Relaxed => sqlx::sqlite::SqliteSynchronous::Normal,
                        // In WAL mode the same as `Full`, which without WAL may lose the last commit.
                        Durability::Full => sqlx::sqlite::SqliteSynchronous::Extra,
                    };
                    let options = (**options).clone().synchronous(synchronous);
                    Ok(Self::Sqlite(options.connect().await?))
                }
            }
        };
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, opening).await;
        opened.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
    }

    /// The startup packet contains the settings of the session. A `SET` would stay on the backend, which a pooler gives to
    /// other clients. A pooler refuses such a packet, or drops unknown settings; so a setting of our own shows whether the
    /// server has started the backend for this connection.
    #[cfg(feature = "postgres")]
    async fn open_postgres(
        options: &sqlx::postgres::PgConnectOptions,
        silence: Duration,
        durability: Durability,
    ) -> Result<Self, sqlx::Error> {
        use sqlx::ConnectOptions as _;
        let synchronous_commit = match durability {
            Durability::Relaxed => "off",
            Durability::Full => "on",
        };
        let mark = fastrand::u64(..).to_string();
        let session = options.clone().options([
            ("synchronous_commit", synchronous_commit),
            (
                "idle_in_transaction_session_timeout",
                &silence.as_millis().to_string(),
            ),
            // Under stricter levels a row that another relay takes is an error.
            ("default_transaction_isolation", "read committed"),
            ("roan.connection", &mark),
        ]);
        let mut connection = match session.connect().await {
            Err(error) if may_be_of_a_pooler(&error) => {
                let connection = options.connect().await?;
                return Ok(Self::Pooled(Pooled::new(
                    connection,
                    silence,
                    synchronous_commit,
                )));
            }
            connected => connected?,
        };
        let sql = "SELECT coalesce(current_setting('roan.connection', true), '')";
        let found: String = sqlx::raw_sql(sql)
            .fetch_one(&mut connection)
            .await?
            .try_get(0)?;
        Ok(if found == mark {
            Self::Postgres(connection)
        } else {
            Self::Pooled(Pooled::new(connection, silence, synchronous_commit))
        })
    }

    /// Whether others use the same session.
    pub(super) fn is_pooled(&self) -> bool {
        each!(Self, self, _session => false, _pooled => true)
    }

    /// Runs one statement, which is prepared and kept, and says how many rows it touched.
    pub(super) async fn execute(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        each!(Self, self, connection => {
            let done = bound!(sql, values).execute(connection).await?;
            Ok(done.rows_affected())
        }, pooled => pooled.execute(sql, values).await)
    }

    /// Runs one statement and returns its rows.
    pub(super) async fn rows(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        self.fetch(sql, values, true).await
    }

    /// Runs a statement, and returns the number in the first column of its first row.
    pub(super) async fn int(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Option<i64>, sqlx::Error> {
        let rows = self.rows(sql, values).await?;
        rows.first().map(|row| row.int(0)).transpose()
    }

    /// Runs a statement whose text will not occur again, and returns its rows.
    pub(super) async fn rows_once(&mut self, sql: &str) -> Result<Vec<Row>, sqlx::Error> {
        self.fetch(sql, &[], false).await
    }

    async fn fetch(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        is_kept: bool,
    ) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                let query = bound!(sql, values).persistent(is_kept);
                let rows = query.fetch_all(connection).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
            #[cfg(feature = "postgres")]
            Self::Pooled(pooled) => {
                let rows = pooled.rows(sql, values).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
            #[cfg(feature = "mysql")]
            Self::MySql(connection) => {
                let query = bound!(sql, values).persistent(is_kept);
                let rows = query.fetch_all(connection).await?;
                rows.into_iter().map(Row::MySql).collect()
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => {
                let query = bound!(sql, values).persistent(is_kept);
                let rows = query.fetch_all(connection).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
        })
    }

    /// Runs statements without values, in one round trip.
    pub(super) async fn batch(&mut self, sql: String) -> Result<(), sqlx::Error> {
        each!(Self, self, connection => {
            let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
            done.map(drop)
        }, pooled => pooled.batch(&sql).await)
    }

    pub(super) async fn roll_back(&mut self) -> Result<(), sqlx::Error> {
        each!(Self, self, connection => {
            sqlx::raw_sql("ROLLBACK").execute(connection).await.map(drop)
        }, pooled => pooled.roll_back().await)
    }

    /// Closes the connection. It does not wait for a database that does not answer.
    pub(super) async fn close(self) {
        let closing = async {
            // It is of no use any more, whatever it says.
            each!(
                Self, self,
                connection => drop(connection.close().await),
                pooled => drop(pooled.close().await)
            );
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), closing).await;
    }
}

/// Whether a pooler may have refused the settings in the startup packet: PgBouncer says 08P01, RDS Proxy 0A000. It is
/// another matter when the user (class 28), the database (3D), a free place (53) or the server (57) is missing.
#[cfg(feature = "postgres")]
fn may_be_of_a_pooler(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| !["28", "3D", "53", "57"].contains(&code.get(..2).unwrap_or_default()))
}
