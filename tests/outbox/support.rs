//! What the tests share: a database with a table of posts, clients that write to it, and caches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use roan::outbox::{Dialect, Outbox};
use roan::testing::Recorder;
use roan::{Cache, Nginx, Roan, RoanBuilder, purge_on};
pub(crate) use roan_tests::wait::for_purges as flush;
use roan_tests::{Connection, Faulty, MariaDb, Postgres, wait};

pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Makes of each test one for each kind of database.
macro_rules! on_each_database {
    ($($test:ident),* $(,)?) => { roan_tests::on_each_database!($crate::support::Database::shared; $($test),*); };
}
pub(crate) use on_each_database;

/// The model of all tests.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
pub(crate) struct Post {
    pub(crate) slug: String,
}

/// Tables of a test's own, in a database of one of the three kinds.
pub(crate) struct Database {
    dialect: Dialect,
    url: String,
    /// The names of its tables begin so: a server is shared by all tests.
    pub(crate) prefix: String,
    _server: Option<Arc<roan_tests::Database>>,
}

impl Database {
    pub(crate) async fn shared(dialect: Dialect) -> Self {
        Self::of(dialect)
    }

    pub(crate) fn of(dialect: Dialect) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = roan_tests::Database::shared(dialect);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            dialect,
            url: server.url().to_owned(),
            prefix: format!("t{number}_"),
            _server: Some(server),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A database of PostgreSQL that takes any bytes for a text.
    pub(crate) async fn sql_ascii(&self) -> Option<Self> {
        if self.dialect != Dialect::Postgres {
            return None;
        }
        let name = format!("ascii_{}", self.prefix.trim_end_matches('_'));
        let mut connection = Connection::open(&self.url).await.expect("a database");
        let sql =
            format!("CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
        connection.run(&sql).await.expect("a database");
        let (server, rest) = self.url.rsplit_once('/').expect("a path");
        let query = rest.find('?').map_or("", |at| &rest[at..]);
        Some(self.at(format!("{server}/{name}{query}")))
    }

    /// The same tables, at another URL.
    pub(crate) fn at(&self, url: String) -> Self {
        Self {
            dialect: self.dialect,
            url,
            prefix: self.prefix.clone(),
            _server: None,
        }
    }

    /// A server for one test alone, which may kill it.
    pub(crate) fn own_server(&self) -> Option<OwnServer> {
        let (url, server) = match self.dialect {
            Dialect::Postgres => {
                let server = Postgres::start();
                (server.url(), AnyServer::Postgres(server))
            }
            Dialect::MySql => {
                let server = MariaDb::start();
                (server.url(), AnyServer::MariaDb(server))
            }
            _ => return None,
        };
        Some(OwnServer {
            database: self.at(url),
            server,
        })
    }

    /// Whether a second transaction cannot write before the first one ends.
    pub(crate) fn is_one_writer(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    /// The outbox in it, with short times, and no tables yet.
    pub(crate) fn bare_outbox(&self) -> Outbox {
        Outbox::at(&self.url)
            .expect("a URL")
            .prefix(&self.prefix)
            .lease(Duration::from_secs(1))
            .poll(Duration::from_millis(50))
    }

    /// The outbox in it, with tables.
    pub(crate) async fn outbox(&self) -> Outbox {
        let outbox = self.bare_outbox();
        outbox.migrate().await.expect("tables");
        outbox
    }

    /// A dispatcher for a recorder, with that outbox.
    pub(crate) async fn roan(&self, recorder: &Recorder) -> Roan {
        let builder = builder(recorder).outbox(self.outbox().await);
        builder.build().expect("a dispatcher")
    }

    pub(crate) async fn client(&self) -> Client {
        let mut client = Client {
            connection: Connection::open(&self.url).await.expect("a database"),
            prefix: self.prefix.clone(),
        };
        client
            .run("CREATE TABLE IF NOT EXISTS {}posts (slug varchar(100) NOT NULL)")
            .await;
        client
    }
}

enum AnyServer {
    Postgres(Postgres),
    MariaDb(MariaDb),
}

/// See [`Database::own_server`].
pub(crate) struct OwnServer {
    pub(crate) database: Database,
    server: AnyServer,
}

impl OwnServer {
    pub(crate) fn kill(&mut self) {
        match &mut self.server {
            AnyServer::Postgres(server) => server.kill(),
            AnyServer::MariaDb(server) => server.kill(),
        }
    }

    pub(crate) fn restart(&mut self) {
        match &mut self.server {
            AnyServer::Postgres(server) => server.restart(),
            AnyServer::MariaDb(server) => server.restart(),
        }
    }
}

/// By its SQLSTATE: that of MariaDB, and that of PostgreSQL.
fn is_deadlock(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "40001" | "40P01"))
}

/// Writes posts.
pub(crate) struct Client {
    connection: Connection,
    prefix: String,
}

impl Client {
    /// `{}` becomes the prefix.
    pub(crate) async fn try_run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sql.replace("{}", &self.prefix);
        self.connection.run(&sql).await
    }

    pub(crate) async fn run(&mut self, sql: &str) {
        self.try_run(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs a statement of its own on rows that a relay writes meanwhile. A database that finds the two in a deadlock makes one of
    /// them begin again.
    pub(crate) async fn run_beside_a_relay(&mut self, sql: &str) {
        wait::until_ok_async(LONG, sql, async || match self.try_run(sql).await {
            Err(error) if is_deadlock(&error) => Err(error),
            outcome => Ok(outcome),
        })
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Purges through the connection.
    pub(crate) async fn purge(
        &mut self,
        roan: &Roan,
        hooks: impl FnOnce() + Send,
    ) -> Result<(), sqlx::Error> {
        self.connection.purge(roan, hooks).await
    }

    /// Inserts a post, and purges what shows it.
    pub(crate) async fn save(&mut self, roan: &Roan, slug: &str) {
        self.run(&format!("INSERT INTO {{}}posts (slug) VALUES ('{slug}')"))
            .await;
        let slug = slug.to_owned();
        let hooks = || roan::saved(&Post { slug });
        self.purge(roan, hooks).await.expect("a row of the outbox");
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.connection.dialect()
    }

    /// A number that a query yields.
    pub(crate) async fn count(&mut self, sql: &str) -> i64 {
        let sql = sql.replace("{}", &self.prefix);
        let rows = self.connection.numbers(&sql).await.expect("a number");
        rows[0][0]
    }

    /// The texts that a query yields.
    pub(crate) async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = sql.replace("{}", &self.prefix);
        let texts = self.connection.texts(&sql).await;
        texts.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Waits until a query yields a number.
    #[track_caller]
    pub(crate) fn wait_for_count(
        &mut self,
        sql: &str,
        wanted: i64,
    ) -> impl Future<Output = ()> + use<'_> {
        let sql = sql.replace("{}", &self.prefix);
        self.connection.wait_for_count(&sql, wanted)
    }
}

/// A dispatcher for a recorder, without rebound.
pub(crate) fn builder(recorder: &Recorder) -> RoanBuilder {
    builder_for(recorder.clone())
}

/// The same for another cache.
pub(crate) fn builder_for(cache: impl Into<Cache>) -> RoanBuilder {
    let short = Duration::from_millis(20);
    Roan::builder()
        .cache(cache)
        .rebound(None)
        .backoff(short, 10 * short)
}

/// The same for a cache of two nodes; the name of the second one is `second`.
pub(crate) fn two_nodes(first: &Faulty, second: &Faulty) -> RoanBuilder {
    let nginx = Nginx::at(&first.purge_url()).expect("a purge URL");
    let nginx = nginx.named_node("second", &second.purge_url());
    builder_for(nginx.expect("a purge URL"))
}

/// The URLs that a recorder was asked for, in order, each as often as it was.
pub(crate) fn urls(recorder: &Recorder) -> Vec<String> {
    let mut urls: Vec<String> = recorder
        .requests()
        .iter()
        .map(ToString::to_string)
        .collect();
    urls.sort();
    urls
}

/// The next of what is told.
pub(crate) async fn until_recorded<T>(told: &mut tokio::sync::mpsc::UnboundedReceiver<T>) -> T {
    let next = tokio::time::timeout(LONG, told.recv()).await;
    next.expect("a report comes within the deadline")
        .expect("the sender is alive")
}
