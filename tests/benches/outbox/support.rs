//! Databases, connections to them, and the numbers.

use std::time::{Duration, Instant};

use roan::outbox::{Dialect, Outbox};
use roan::{Cache, Roan, RoanBuilder, purge_on};
use roan_tests::{Connection, HOST, Nginx, Options, Origin, each_connection, wait};
use sqlx::Row as _;

pub(crate) const LONG: Duration = Duration::from_secs(1800);

/// The model of all tables.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
pub(crate) struct Post {
    pub(crate) slug: String,
}

pub(crate) struct Database {
    pub(crate) name: &'static str,
    database: roan_tests::Database,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self::start("SQLite", Dialect::Sqlite)
    }

    pub(crate) fn postgres() -> Self {
        Self::start("PostgreSQL", Dialect::Postgres)
    }

    pub(crate) fn mariadb() -> Self {
        Self::start("MariaDB", Dialect::MySql)
    }

    fn start(name: &'static str, dialect: Dialect) -> Self {
        let database = roan_tests::Database::start(dialect);
        Self { name, database }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    /// An outbox with tables of its own, and a table of posts.
    pub(crate) async fn outbox(&self, prefix: &str) -> Outbox {
        let mut connection = self.connect().await;
        connection
            .run("CREATE TABLE IF NOT EXISTS posts (id varchar(100) PRIMARY KEY, slug varchar(100) NOT NULL)")
            .await;
        let outbox = Outbox::at(self.database.url()).unwrap().prefix(prefix);
        outbox.migrate().await.unwrap();
        outbox
    }

    pub(crate) async fn connect(&self) -> Client {
        let mut client = Client(self.database.connect().await);
        if self.dialect() == Dialect::Sqlite {
            // Its default, and sqlx's: each commit waits for the disk.
            client.run("PRAGMA synchronous = FULL").await;
        }
        client
    }

    /// The text of a statement whose parameters are `?`, or of PostgreSQL's.
    pub(crate) fn pick(&self, usual: &'static str, postgres: &'static str) -> &'static str {
        match self.dialect() {
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

/// A connection whose statements cannot fail, and are prepared.
pub(crate) struct Client(Connection);

impl Client {
    /// Statements without parameters.
    pub(crate) async fn run(&mut self, sql: &str) {
        let done = self.0.run(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// One statement, which is prepared and kept.
    pub(crate) async fn execute(&mut self, sql: &'static str, values: &[&str]) {
        let done = each_connection!(&mut self.0, connection => {
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
        each_connection!(&mut self.0, connection => {
            let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
            rows.iter().map(|row| row.get_unchecked(0)).collect()
        })
    }

    pub(crate) async fn save(&mut self, roan: &Roan, post: &Post) {
        let done = self.0.purge(roan, || roan::saved(post)).await;
        done.expect("a row of the outbox");
    }
}

/// An nginx that holds a node in memory for each of so many purges of pages that are not cached.
pub(crate) fn nginx(origin: &Origin, purges: usize) -> Nginx {
    let zone = format!("{}m", 64 + purges * 200 / 1_000_000);
    Nginx::start(origin, &Options::default().keys_zone(&zone).one_worker())
}

pub(crate) fn dispatcher(cache: impl Into<Cache>) -> RoanBuilder {
    Roan::builder().cache(cache).site(HOST).rebound(None)
}

/// Until nothing waits.
pub(crate) async fn drain(roan: &Roan) {
    wait::for_purges_within(LONG, roan).await;
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

/// The figure with its limit.
pub(crate) fn held(figure: f64, limit: f64, is_upper: bool) -> &'static str {
    if (figure <= limit) == is_upper || figure == limit {
        "holds"
    } else {
        "MISSED"
    }
}
