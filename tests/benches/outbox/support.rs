//! Databases, connections to them, and the numbers.

use std::time::{Duration, Instant};

use roan::orm::sqlx::Purging as _;
use roan::outbox::{Dialect, Outbox};
use roan::{Builder, Cache, Roan, purge_on};
use roan_tests::{HOST, MariaDb, Nginx, Options, Origin, Postgres, SqliteFile};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

pub(crate) const LONG: Duration = Duration::from_secs(1800);

/// The model of all tables.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
pub(crate) struct Post {
    pub(crate) slug: String,
}

#[expect(dead_code, reason = "they are kept for as long as the benchmark runs")]
enum Server {
    Sqlite(SqliteFile),
    Postgres(Postgres),
    MariaDb(MariaDb),
}

pub(crate) struct Database {
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    url: String,
    _server: Server,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let file = SqliteFile::new();
        Self {
            name: "SQLite",
            dialect: Dialect::Sqlite,
            url: file.url(),
            _server: Server::Sqlite(file),
        }
    }

    pub(crate) fn postgres() -> Self {
        let server = Postgres::start();
        Self {
            name: "PostgreSQL",
            dialect: Dialect::Postgres,
            url: server.url(),
            _server: Server::Postgres(server),
        }
    }

    pub(crate) fn mariadb() -> Self {
        let server = MariaDb::start();
        Self {
            name: "MariaDB",
            dialect: Dialect::MySql,
            url: server.url(),
            _server: Server::MariaDb(server),
        }
    }

    /// An outbox with tables of its own, and a table of posts.
    pub(crate) async fn outbox(&self, prefix: &str) -> Outbox {
        let mut connection = self.connect().await;
        connection
            .run("CREATE TABLE IF NOT EXISTS posts (id varchar(100) PRIMARY KEY, slug varchar(100) NOT NULL)")
            .await;
        let outbox = Outbox::at(&self.url).unwrap().prefix(prefix);
        outbox.migrate().await.unwrap();
        outbox
    }

    pub(crate) async fn connect(&self) -> Connection {
        let url = &self.url;
        match self.dialect {
            Dialect::Postgres => {
                Connection::Postgres(sqlx::PgConnection::connect(url).await.unwrap())
            }
            Dialect::MySql => Connection::MySql(sqlx::MySqlConnection::connect(url).await.unwrap()),
            _ => {
                let connection = sqlx::SqliteConnection::connect(url).await.unwrap();
                let mut connection = Connection::Sqlite(connection);
                connection.run("PRAGMA journal_mode = WAL").await;
                connection
            }
        }
    }

    /// The text of a statement whose parameters are `?`, or of PostgreSQL's.
    pub(crate) fn pick(&self, usual: &'static str, postgres: &'static str) -> &'static str {
        match self.dialect {
            Dialect::Postgres => postgres,
            _ => usual,
        }
    }

    pub(crate) fn insert_post(&self) -> &'static str {
        self.pick(
            "INSERT INTO posts (id, slug) VALUES (?, ?)",
            "INSERT INTO posts (id, slug) VALUES ($1, $2)",
        )
    }
}

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
    /// Statements without parameters.
    pub(crate) async fn run(&mut self, sql: &str) {
        let query = sqlx::raw_sql(AssertSqlSafe(sql));
        let done = each!(self, connection => query.execute(connection).await.map(drop));
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// One statement, which is prepared and kept.
    pub(crate) async fn execute(&mut self, sql: &'static str, values: &[&str]) {
        let done = each!(self, connection => {
            let mut query = sqlx::query(sql);
            for value in values {
                query = query.bind(*value);
            }
            query.execute(connection).await.map(drop)
        });
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The numbers in the first column of what a statement, which is prepared and kept, yields.
    pub(crate) async fn numbers(&mut self, sql: &'static str) -> Vec<i64> {
        each!(self, connection => {
            let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
            rows.iter().map(|row| row.get_unchecked(0)).collect()
        })
    }

    pub(crate) async fn save(&mut self, roan: &Roan, post: &Post) {
        let hooks = || roan::saved(post);
        let done = each!(self, connection => connection.purging(Some(roan), hooks).await);
        done.expect("a row of the outbox");
    }
}

/// An nginx that holds a node in memory for each of so many purges of pages that are not cached.
pub(crate) fn nginx(origin: &Origin, purges: usize) -> Nginx {
    let zone = format!("{}m", 64 + purges * 200 / 1_000_000);
    Nginx::start(origin, &Options::default().keys_zone(&zone).one_worker())
}

pub(crate) fn dispatcher(cache: impl Into<Cache>) -> Builder {
    Roan::builder().cache(cache).site(HOST).no_rebound()
}

/// Until nothing waits.
pub(crate) async fn drain(roan: &Roan) {
    let left = roan.flush(LONG).await;
    assert_eq!((left.pending(), left.outbox), (0, 0), "{left}");
}

pub(crate) fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

/// The figure beside its limit.
pub(crate) fn held(figure: f64, limit: f64, is_upper: bool) -> &'static str {
    if (figure <= limit) == is_upper || figure == limit {
        "holds"
    } else {
        "MISSED"
    }
}
