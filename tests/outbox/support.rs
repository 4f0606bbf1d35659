//! What the tests share: a database with a table of posts, and a client that writes to it.

use std::time::Duration;

use roan::orm::sqlx::Purging;
use roan::outbox::{Dialect, Outbox};
use roan::testing::Recorder;
use roan::{Builder, Roan, purge_on};
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;

pub(crate) const LONG: Duration = Duration::from_secs(30);

/// The model of all tests.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
pub(crate) struct Post {
    pub(crate) slug: String,
}

impl Post {
    pub(crate) fn new(slug: &str) -> Self {
        Self {
            slug: slug.to_owned(),
        }
    }
}

/// A database of one of the three kinds.
pub(crate) struct Database {
    url: String,
    _folder: TempDir,
}

impl Database {
    pub(crate) fn start(_dialect: Dialect) -> Self {
        let folder = TempDir::with_prefix("roan-outbox-").expect("a temporary folder");
        let url = format!("sqlite://{}/blog.db?mode=rwc", folder.path().display());
        Self {
            url,
            _folder: folder,
        }
    }

    /// The outbox in it, with tables, and with short times.
    pub(crate) async fn outbox(&self) -> Outbox {
        let outbox = Outbox::at(&self.url)
            .expect("a URL")
            .lease(Duration::from_secs(1))
            .poll(Duration::from_millis(100));
        outbox.migrate().await.expect("tables");
        outbox
    }

    pub(crate) async fn client(&self) -> Client {
        let mut client = Client {
            connection: sqlx::SqliteConnection::connect(&self.url)
                .await
                .expect("a connection"),
        };
        client.run("PRAGMA journal_mode = WAL").await;
        client
            .run("CREATE TABLE IF NOT EXISTS posts (slug text NOT NULL)")
            .await;
        client
    }
}

/// Writes posts.
pub(crate) struct Client {
    connection: sqlx::SqliteConnection,
}

impl Client {
    pub(crate) async fn run(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut self.connection)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub(crate) async fn save(&mut self, roan: &Roan, slug: &str) {
        self.run(&format!("INSERT INTO posts (slug) VALUES ('{slug}')"))
            .await;
        let post = Post::new(slug);
        self.connection
            .purging(Some(roan), || roan::saved(&post))
            .await
            .expect("a row of the outbox");
    }
}

/// A dispatcher for a recorder, without rebound.
pub(crate) fn builder(recorder: &Recorder) -> Builder {
    Roan::builder().cache(recorder.clone()).no_rebound()
}

pub(crate) async fn flush(roan: &Roan) {
    let left = roan.flush(LONG).await;
    assert_eq!((left.pending(), left.outbox), (0, 0), "{left}");
}
