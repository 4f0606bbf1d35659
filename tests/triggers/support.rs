//! A database of a test's own, with the tables of all models, triggers and a relay.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Once;
use std::time::Duration;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use roan::outbox::{Dialect, Outbox};
use roan::purger::Limits;
use roan::testing::Recorder;
use roan::triggers::Triggers;
use roan::{Cache, Roan, RoanBuilder, TargetKind};
use roan_tests::{Connection, Database, wait};
use tokio::runtime::Handle;

use crate::models;

pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Makes of each test one for each kind of database.
macro_rules! on_each_database {
    ($($test:ident),* $(,)?) => { roan_tests::on_each_database!($crate::support::Place::new; $($test),*); };
}
pub(crate) use on_each_database;

/// An empty database but for the models' tables.
pub(crate) struct Place {
    pub(crate) dialect: Dialect,
    pub(crate) url: String,
    _database: Database,
}

impl Place {
    pub(crate) async fn new(dialect: Dialect) -> Self {
        static RULE: Once = Once::new();
        // A rule of the whole process: made between another test's triggers and its start, it would be a difference.
        RULE.call_once(|| _ = roan::purge("/bare").on_create::<models::Bare>());
        let database = Database::create(dialect);
        let place = Self {
            dialect,
            url: database.url().to_owned(),
            _database: database,
        };
        run(&mut place.connect().await, &models::tables(dialect)).await;
        place
    }

    pub(crate) async fn connect(&self) -> Connection {
        let opened = Connection::open(&self.url).await;
        opened.unwrap_or_else(|error| panic!("{}: {error}", self.url))
    }

    /// For all tables that are there.
    pub(crate) fn wanted(&self) -> Triggers {
        let triggers = Triggers::new().without("drafts");
        match self.dialect {
            Dialect::Postgres => triggers,
            _ => triggers.without("blog.pages"),
        }
    }

    /// With its own tables, and no triggers yet.
    pub(crate) async fn outbox(&self) -> Outbox {
        let outbox = Outbox::at(&self.url)
            .expect("a URL")
            .poll(Duration::from_millis(20))
            .triggers(self.wanted());
        outbox.migrate().await.expect("tables");
        outbox
    }

    /// With triggers.
    pub(crate) async fn triggered(&self) -> Outbox {
        let outbox = self.outbox().await;
        outbox.install_triggers().await.expect("triggers");
        outbox
    }

    /// A relay, what it purges, and a client that writes.
    pub(crate) async fn start(&self) -> (Watched, Connection) {
        let watched = Watched::start(self.triggered().await.triggers(self.wanted().strict()));
        (watched, self.connect().await)
    }
}

/// A relay and what it purges.
pub(crate) struct Watched {
    pub(crate) roan: Roan,
    /// A cache for each of [`KINDS`]: one that purges several would settle a URL with a host.
    recorders: [Recorder; 3],
}

const KINDS: [&[TargetKind]; 3] = [
    &[TargetKind::Url, TargetKind::Tag],
    &[TargetKind::Prefix],
    &[TargetKind::Host, TargetKind::Everything],
];

impl Watched {
    pub(crate) fn start(outbox: Outbox) -> Self {
        let recorders = [(); 3].map(|()| Recorder::new());
        let caches = KINDS.iter().zip(&recorders).map(|(kinds, recorder)| {
            Cache::new(&format!("{kinds:?}"))
                .purges(*kinds, Limits::new())
                .node("a", recorder.clone())
        });
        let roan = caches
            .fold(settings(), RoanBuilder::cache)
            .outbox(outbox)
            .build()
            .expect("a dispatcher");
        Self { roan, recorders }
    }

    /// What was purged since the last call, sorted, each as often as it was.
    pub(crate) async fn purged(&self) -> Vec<String> {
        wait::for_purges(&self.roan).await;
        let outbox = self.roan.outbox();
        assert_eq!(outbox.current_error(), None);
        let dead = outbox.dead(10).await.expect("a database");
        assert!(dead.is_empty(), "{dead:?}");
        let mut purged = Vec::new();
        for (kinds, recorder) in KINDS.iter().zip(&self.recorders) {
            let mut requests = recorder.requests();
            recorder.clear();
            // Every cache gets the URLs.
            requests.retain(|target| kinds.contains(&target.kind()));
            purged.extend(requests.iter().map(ToString::to_string));
        }
        purged.sort();
        purged
    }

    /// Writes, and what is purged for it.
    pub(crate) async fn after(&self, client: &mut Connection, sql: &str) -> Vec<String> {
        run(client, sql).await;
        self.purged().await
    }
}

/// Runs `agree` with many sets of rows, each in a table without rows. What does not agree is made smaller.
pub(crate) fn for_each_case<T: Debug>(
    (watched, client): (&Watched, &mut Connection),
    table: &str,
    rows: impl Strategy<Value = Vec<T>>,
    agree: &impl AsyncFn(&Watched, &mut Connection, &[T]),
) {
    let mut runner = TestRunner::new(Config {
        cases: 24,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let client = RefCell::new(client);
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&rows, |rows| {
            let mut client = client.borrow_mut();
            Handle::current().block_on(async {
                let _ = client.run("ROLLBACK").await;
                let _ = client.run(&format!("DELETE FROM {table}")).await;
                watched.purged().await;
                agree(watched, &mut client, &rows).await;
            });
            Ok(())
        })
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

pub(crate) fn builder(recorder: &Recorder) -> RoanBuilder {
    settings().cache(recorder.clone())
}

fn settings() -> RoanBuilder {
    let short = Duration::from_millis(20);
    Roan::builder()
        .named_site("shop", "https://shop.example")
        .rebound(None)
        // Hooks are compared with triggers by the URLs that both make.
        .spellings(roan::Spellings::Exact)
        .backoff(short, 10 * short)
}

pub(crate) async fn run(client: &mut Connection, sql: &str) {
    let sql = match client.dialect() {
        Dialect::MySql => sql.replace('"', "`"),
        _ => sql.to_owned(),
    };
    let done = client.run(&sql).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
