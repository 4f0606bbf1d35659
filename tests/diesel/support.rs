//! What the tests share: a database of each test's own with a table of posts, and caches.

use std::time::Duration;

use diesel::prelude::*;
use roan::outbox::{Dialect, Outbox};
use roan::testing::Recorder;
use roan::{Roan, purge_on};
use roan_tests::wait;

pub(crate) const LONG: Duration = Duration::from_secs(30);

diesel::table! {
    posts (id) {
        id -> Integer,
        slug -> VarChar,
        title -> VarChar,
    }
}

/// The model of all tests.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
#[purge_on(update(title), url = "/titles")]
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, AsChangeset)]
#[diesel(table_name = posts)]
pub(crate) struct Post {
    pub(crate) id: i32,
    pub(crate) slug: String,
    pub(crate) title: String,
}

/// A database of one test.
pub(crate) struct Database {
    /// For Diesel.
    pub(crate) url: String,
    /// For the outbox.
    database: roan_tests::Database,
}

/// What a test writes with: one of the three.
pub(crate) trait Backend: Connection + 'static {
    const DIALECT: Dialect;
    const TABLE: &'static str;

    fn database() -> Database {
        let database = roan_tests::Database::create(Self::DIALECT);
        // Diesel takes the path of a file.
        let url = database.url().trim_start_matches("sqlite://");
        Database {
            url: url.trim_end_matches("?mode=rwc").to_owned(),
            database,
        }
    }
}

impl Backend for PgConnection {
    const DIALECT: Dialect = Dialect::Postgres;
    const TABLE: &'static str = "CREATE TABLE posts (id serial PRIMARY KEY, slug varchar(100) NOT NULL, title varchar(100) NOT NULL)";
}

impl Backend for MysqlConnection {
    const DIALECT: Dialect = Dialect::MySql;
    const TABLE: &'static str = "CREATE TABLE posts (id int PRIMARY KEY AUTO_INCREMENT, slug varchar(100) NOT NULL, title varchar(100) NOT NULL)";
}

impl Backend for SqliteConnection {
    const DIALECT: Dialect = Dialect::Sqlite;
    const TABLE: &'static str = "PRAGMA journal_mode = WAL; CREATE TABLE posts (id integer PRIMARY KEY, slug varchar(100) NOT NULL, title varchar(100) NOT NULL)";
}

/// Where purges wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    InTable,
    InMemory,
}

/// One connection, and what its purges reach.
pub(crate) struct Site<C> {
    pub(crate) roan: Roan,
    pub(crate) recorder: Recorder,
    pub(crate) conn: C,
    pub(crate) database: Database,
}

impl<C: Backend> Site<C> {
    pub(crate) async fn new(waiting: Waiting) -> Self {
        let database = C::database();
        let mut conn = C::establish(&database.url).expect("a connection");
        conn.batch_execute(C::TABLE).expect("a table");
        let recorder = Recorder::new();
        let mut builder = Roan::builder().cache(recorder.clone()).rebound(None);
        if waiting == Waiting::InTable {
            let outbox = Outbox::at(database.database.url())
                .expect("a URL")
                .poll(Duration::from_millis(50));
            outbox.migrate_blocking().expect("tables");
            builder = builder.outbox(outbox);
        }
        let roan = builder.build().expect("a dispatcher");
        let tracker = roan::orm::diesel::TransactionTracker::new().dispatcher(&roan);
        conn.set_instrumentation(tracker);
        Self {
            roan,
            recorder,
            conn,
            database,
        }
    }

    /// What was purged since the last look.
    pub(crate) async fn purged(&self) -> Vec<String> {
        let mut urls = self.requests().await;
        urls.dedup();
        urls
    }

    /// Each request since the last look.
    pub(crate) async fn requests(&self) -> Vec<String> {
        wait::for_purges(&self.roan).await;
        let mut urls = self.recorded();
        self.recorder.clear();
        urls.sort();
        urls
    }

    /// The requests so far.
    pub(crate) fn recorded(&self) -> Vec<String> {
        let requests = self.recorder.requests();
        requests.iter().map(ToString::to_string).collect()
    }
}

macro_rules! insert_returning {
    ($conn:expr, $slug:expr) => {
        diesel::insert_into(posts::table)
            .values((posts::slug.eq($slug), posts::title.eq("T")))
            .get_result_and_purge::<Post>($conn)
    };
}
macro_rules! insert_and_read {
    ($conn:expr, $slug:expr) => {{
        $conn.transaction(|conn| {
            diesel::insert_into(posts::table)
                .values((posts::slug.eq($slug), posts::title.eq("T")))
                .execute(conn)?;
            let post: Post = posts::table.order(posts::id.desc()).first(conn)?;
            post.created(conn)?;
            Ok(post)
        })
    }};
}
pub(crate) use {insert_and_read, insert_returning};
