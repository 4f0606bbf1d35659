//! A start names the rows that the database deletes by itself, unless something sees them.

use roan::outbox::{Dialect, Outbox};
use roan::purge_on;
use roan::testing::Recorder;
use roan::triggers::Triggers;
use roan_tests::Database;
use roan_tests::logged::{self, errors_with};

#[purge_on(delete, url = "/leaves/{id}", table = "leaves")]
#[purge_on(update(title), url = "/titles/{id}")]
#[allow(dead_code, reason = "nobody reads it")]
struct Leaf {
    id: i64,
    title: String,
}

/// By its whole name.
#[purge_on(update, url = "/needles/{id}", table = "public.needles")]
#[allow(dead_code, reason = "nobody reads it")]
struct Needle {
    id: i64,
}

/// Without a rule that the foreign key would have to fire.
#[purge_on(create, url = "/buds/{id}", table = "buds")]
#[allow(dead_code, reason = "nobody reads it")]
struct Bud {
    id: i64,
}

const TABLES: [&str; 4] = [
    "CREATE TABLE trees (id bigint PRIMARY KEY)",
    "CREATE TABLE leaves (id bigint PRIMARY KEY, title varchar(100), tree_id bigint,
        FOREIGN KEY (tree_id) REFERENCES trees (id) ON DELETE CASCADE)",
    "CREATE TABLE needles (id bigint PRIMARY KEY, tree_id bigint,
        FOREIGN KEY (tree_id) REFERENCES trees (id) ON DELETE SET NULL)",
    "CREATE TABLE buds (id bigint PRIMARY KEY, tree_id bigint,
        FOREIGN KEY (tree_id) REFERENCES trees (id) ON DELETE CASCADE)",
];

/// What a start with this outbox says of the table.
async fn told_of(table: &str, outbox: Outbox) -> Vec<String> {
    logged::start();
    let words = format!("rows of {table:?}");
    let before = errors_with(&words).len();
    let builder = roan::Roan::builder().cache(Recorder::new());
    let roan = builder.outbox(outbox).build().expect("it starts");
    assert_eq!(roan.shutdown(super::site::LONG).await.pending(), 0);
    let errors = errors_with(&words).split_off(before);
    let lines = errors.iter().flat_map(|error| error.lines());
    let of_table = lines.filter(|line| line.contains(&words));
    of_table.map(str::to_owned).collect()
}

#[test]
fn rows_that_the_database_deletes_are_told_at_the_start() {
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        crate::suite::block_on(async {
            let database = Database::create(dialect);
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
            let is_there = dialect == Dialect::Postgres;
            let told = told_of("needles", outbox.clone()).await;
            assert_eq!(told.len(), usize::from(is_there), "{dialect}: {told:?}");

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
