//! Rows that the database deletes by itself are told at the start, unless something sees them.

use std::fmt;
use std::sync::{Mutex, Once, PoisonError};

use roan::outbox::{Dialect, Outbox};
use roan::purge_on;
use roan::testing::Recorder;
use roan::triggers::Triggers;
use roan_tests::Database;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

#[purge_on(delete, url = "/leaves/{id}", table = "leaves")]
#[purge_on(update(title), url = "/titles/{id}")]
#[allow(dead_code, reason = "nobody reads it")]
struct Leaf {
    id: i64,
    title: String,
}

/// Without a rule that the foreign key would have to fire.
#[purge_on(create, url = "/buds/{id}", table = "buds")]
#[allow(dead_code, reason = "nobody reads it")]
struct Bud {
    id: i64,
}

pub(super) const TABLES: [&str; 3] = [
    "CREATE TABLE trees (id bigint PRIMARY KEY)",
    "CREATE TABLE leaves (id bigint PRIMARY KEY, title varchar(100), tree_id bigint,
        FOREIGN KEY (tree_id) REFERENCES trees (id) ON DELETE CASCADE)",
    "CREATE TABLE buds (id bigint PRIMARY KEY, tree_id bigint,
        FOREIGN KEY (tree_id) REFERENCES trees (id) ON DELETE CASCADE)",
];

static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Told;

impl<S: tracing::Subscriber> Layer<S> for Told {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        event.record(&mut Message(&mut told));
    }
}

struct Message<'a>(&'a mut Vec<String>);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.push(format!("{value:?}"));
        }
    }
}

/// What a start with this outbox says of the table.
async fn told_of(table: &str, outbox: Outbox) -> Vec<String> {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| tracing_subscriber::registry().with(Told).init());
    let builder = roan::Roan::builder().cache(Recorder::new());
    let roan = builder.outbox(outbox).build().expect("it starts");
    assert_eq!(roan.shutdown(super::site::LONG).await.pending(), 0);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = told.iter().flat_map(|told| told.lines());
    let of_table = lines.filter(|line| line.contains(&format!("rows of {table:?}")));
    let of_table = of_table.map(str::to_owned).collect();
    told.clear();
    of_table
}

#[test]
fn rows_that_the_database_deletes_are_told_at_the_start() {
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        crate::suite::block_on(async {
            let database = Database::start(dialect);
            let mut connection = database.connect().await;
            for table in TABLES {
                connection.run(table).await.unwrap();
            }
            let outbox = Outbox::at(database.url()).unwrap();
            outbox.migrate().await.unwrap();

            let told = told_of("leaves", outbox.clone()).await;
            assert_eq!(told.len(), 1, "{dialect}: {told:?}");
            let wanted =
                "(tree_id) to \"trees\", ON DELETE CASCADE: Leaf (delete): url = \"/leaves/{id}\"";
            assert!(told[0].contains(wanted), "{dialect}: {told:?}");
            assert!(!told[0].contains("/titles"), "{told:?}");
            assert!(told_of("buds", outbox.clone()).await.is_empty());

            let accepted = outbox.clone().accept_cascades("leaves");
            assert!(told_of("leaves", accepted).await.is_empty());
            let triggers = Triggers::new().leave_to_hooks();
            let seen = outbox.clone().triggers(triggers.clone());
            assert!(told_of("leaves", seen).await.is_empty());
            let without = outbox.clone().triggers(triggers.without("leaves"));
            assert_eq!(told_of("leaves", without).await.len(), 1);
        });
    }
}
