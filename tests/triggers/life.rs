//! A table is copied, rebuilt or changed under its triggers.

use std::time::Duration;

use roan::outbox::{Dialect, Outbox, OutboxError};
use roan::testing::Recorder;
use roan::triggers::TriggerError;
use roan_tests::logged::{self, errors_with};
use roan_tests::{Connection, wait};

use crate::installing::{INSERT, drift, identity};
use crate::support::{LONG, Place, Watched, builder, on_each_database, run};

on_each_database!(
    a_copy_takes_the_name_of_the_table,
    a_column_that_goes_from_under_the_triggers,
    a_table_that_is_not_there,
    triggers_are_not_made_without_the_outbox,
    a_table_that_is_rebuilt_while_the_program_runs,
    triggers_of_another_version_are_not_an_error_while_the_program_runs,
);

/// Why a start in strict mode fails, or the triggers cannot be installed.
async fn errors(place: &Place, outbox: &Outbox) -> [OutboxError; 2] {
    let strict = outbox.clone().triggers(place.wanted().strict());
    let started = builder(&Recorder::new()).outbox(strict).build();
    let Err(roan::ConfigError::Outbox(at_start)) = started else {
        panic!("{started:?}");
    };
    [at_start, outbox.install_triggers().await.unwrap_err()]
}

/// As gh-ost, pt-online-schema-change and people do it. Returns what the old table is called.
async fn copy(client: &mut Connection, number: u8) -> String {
    let old = format!("posts_old{number}");
    let create = match client.dialect() {
        Dialect::Postgres => "CREATE TABLE posts_new (LIKE posts INCLUDING ALL)",
        Dialect::MySql => "CREATE TABLE posts_new LIKE posts",
        _ => {
            "CREATE TABLE posts_new (id bigint PRIMARY KEY, slug text NOT NULL, title text NOT NULL, body text)"
        }
    };
    run(client, create).await;
    run(client, "INSERT INTO posts_new SELECT * FROM posts").await;
    if client.dialect() == Dialect::MySql {
        let rename = format!("RENAME TABLE posts TO {old}, posts_new TO posts");
        run(client, &rename).await;
    } else {
        run(client, &format!("ALTER TABLE posts RENAME TO {old}")).await;
        run(client, "ALTER TABLE posts_new RENAME TO posts").await;
    }
    old
}

/// A trigger of the user's own. It fails each insert of a certain row.
fn trigger_of_the_user(dialect: Dialect, name: &str, table: &str) -> String {
    match dialect {
        Dialect::Postgres => format!(
            "CREATE OR REPLACE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.id = 666 THEN RAISE EXCEPTION 'theirs'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION theirs()"
        ),
        Dialect::MySql => format!(
            "CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW \
             SET NEW.title = IF(NEW.id = 666, NULL, NEW.title)"
        ),
        _ => format!(
            "CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN NEW.id = 666 \
             BEGIN SELECT RAISE(ABORT, 'theirs'); END"
        ),
    }
}

async fn a_copy_takes_the_name_of_the_table(place: Place) {
    let outbox = place.triggered().await;
    let mut client = place.connect().await;
    let theirs = trigger_of_the_user(place.dialect, "theirs", "posts");
    run(&mut client, &theirs).await;
    let watched = Watched::start(outbox.clone().triggers(place.wanted().strict()));
    let mut olds = Vec::new();
    for number in 1..3 {
        let old = copy(&mut client, number).await;
        let told = drift(&place, &outbox);
        for line in [
            format!(
                "trigger \"roan_posts_update\" on table \"posts\" is missing: it is on table {old:?}"
            ),
            format!("trigger \"roan_posts_update\" on table {old:?} no longer belongs to any rule"),
        ] {
            let is_told = told.iter().any(|told| told.starts_with(&line));
            assert!(is_told, "{line}: {told:#?}");
        }
        olds.push(old);
        outbox.install_triggers().await.unwrap();
        let insert = INSERT.replace("(1,", &format!("({number},"));
        let purged = watched.after(&mut client, &insert).await;
        let feed = format!("/feed/{number}");
        assert_eq!(purged, [&*feed, "/posts", "/posts/a"]);
    }
    for old in olds {
        let insert = INSERT.replace("INTO posts ", &format!("INTO {old} "));
        let purged = watched
            .after(&mut client, &insert.replace("(1,", "(7,"))
            .await;
        assert!(purged.is_empty(), "{old}: {purged:?}");
        // What is not Roan's stays.
        let theirs = client.run(&insert.replace("(1,", "(666,")).await;
        assert_eq!(theirs.is_err(), old == "posts_old1", "{old}: {theirs:?}");
    }
    drop(watched);
    assert_eq!(drift(&place, &outbox), [""; 0]);
}

/// The foreign keys of its children, and the triggers for them, stay with the old table.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_parent_while_the_program_runs() {
    let place = Place::new(Dialect::MySql).await;
    let (outbox, watched) = looking(&place, "parent_").await;
    let mut client = place.connect().await;
    copy(&mut client, 1).await;
    let is_seen = |told: &str| told.contains("is missing: it is on table \"posts_old1\"");
    found(&watched, "the copy", is_seen);
    outbox.install_triggers().await.unwrap();
    found(&watched, "peace", str::is_empty);
    let key =
        "ALTER TABLE comments ADD FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE CASCADE";
    run(&mut client, key).await;
    let is_seen = |told: &str| told.contains("on table \"posts\" is missing");
    found(&watched, "the new key", is_seen);
}

/// A trigger with a name that Roan needs, on another table: not in PostgreSQL, where a name belongs to its table.
async fn a_name_that_is_taken(dialect: Dialect) {
    let place = Place::new(dialect).await;
    let outbox = place.outbox().await;
    let mut client = place.connect().await;
    let table = "CREATE TABLE theirs (id bigint PRIMARY KEY, title varchar(9) NOT NULL)";
    run(&mut client, table).await;
    let theirs = trigger_of_the_user(dialect, "roan_posts_insert", "theirs");
    run(&mut client, &theirs).await;
    for error in errors(&place, &outbox).await {
        let OutboxError::Triggers(TriggerError::Name { name, .. }) = error else {
            panic!("{error}");
        };
        assert_eq!(name, "roan_posts_insert");
    }
    let insert = "INSERT INTO theirs VALUES (666, 'A')";
    assert!(client.run(insert).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_on_sqlite() {
    a_name_that_is_taken(Dialect::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_on_mariadb() {
    a_name_that_is_taken(Dialect::MySql).await;
}

/// Another program, with an outbox and triggers of the same names, has its own database on the same server.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_in_another_database() {
    let (place, other) = (
        Place::new(Dialect::MySql).await,
        Place::new(Dialect::MySql).await,
    );
    let theirs = other.triggered().await;
    let database = place.url.rsplit_once('/').unwrap().1;
    let outbox = place.outbox().await.prefix(format!("{database}.roan_"));
    outbox.install_triggers().await.unwrap();
    assert_eq!(drift(&place, &outbox), [""; 0]);
    assert_eq!(drift(&other, &theirs), [""; 0]);
    run(&mut place.connect().await, INSERT).await;
    run(&mut other.connect().await, INSERT).await;
}

async fn a_column_that_goes_from_under_the_triggers(place: Place) {
    let outbox = place.triggered().await;
    let mut client = place.connect().await;
    run(&mut client, "ALTER TABLE posts RENAME COLUMN slug TO path").await;
    let before = identity(&mut client).await;
    for error in errors(&place, &outbox).await {
        let OutboxError::Triggers(TriggerError::Tables(told)) = error else {
            panic!("{error}");
        };
        let [told] = &told[..] else {
            panic!("{told:#?}");
        };
        let wanted = "table \"posts\" does not have the column \"slug\" of the field `slug`, in the rule \
                      Post (save, delete): url = \"/posts/{slug}\" at tests/triggers/models.rs:";
        assert!(told.starts_with(wanted), "{told}");
    }
    let [error, _] = errors(&place, &outbox).await;
    let error = error.to_string();
    for way_out in ["Triggers::without(", "`Outbox::drop_triggers`"] {
        assert!(error.contains(way_out), "{error}");
    }
    // Nothing has changed.
    assert_eq!(identity(&mut client).await, before);
    let written = client.run(&INSERT.replace("slug", "path")).await;
    // SQLite renames it in the triggers, too.
    assert_eq!(written.is_ok(), place.dialect == Dialect::Sqlite);
    // A column that is only watched, and the key.
    run(&mut client, "ALTER TABLE posts RENAME COLUMN path TO slug").await;
    let rename = "ALTER TABLE posts RENAME COLUMN title TO name";
    run(&mut client, rename).await;
    let [error, _] = errors(&place, &outbox).await;
    let error = error.to_string();
    assert!(
        error.contains("of the field `title`, in the rule"),
        "{error}"
    );
    run(&mut client, "ALTER TABLE posts RENAME COLUMN name TO title").await;
    let rename = "ALTER TABLE kinds RENAME COLUMN id TO no";
    run(&mut client, rename).await;
    if place.dialect != Dialect::MySql {
        let [error, _] = errors(&place, &outbox).await;
        let error = error.to_string();
        let wanted =
            "does not have the column \"id\" of the model Kinds (tests/triggers/models.rs:";
        assert!(error.contains(wanted), "{error}");
    }
}

async fn a_table_that_is_not_there(place: Place) {
    let outbox = place.outbox().await;
    let mut client = place.connect().await;
    run(&mut client, "DROP TABLE notes").await;
    for error in errors(&place, &outbox).await {
        let said = error.to_string();
        assert!(!said.contains("tables of the outbox"), "{said}");
        let wanted = "table \"notes\" of the model Note (tests/triggers/models.rs:";
        assert!(said.contains(wanted), "{said}");
        assert!(said.contains("Triggers::without(\"notes\")"), "{said}");
        let OutboxError::Triggers(TriggerError::Tables(told)) = error else {
            panic!("{error}");
        };
        assert_eq!(told.len(), 1, "{told:?}");
    }
    let without = place.wanted().without("notes");
    let outbox = outbox.triggers(without);
    outbox.install_triggers().await.unwrap();
}

/// Its triggers go with it, and writes still purge.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_moves_to_another_schema() {
    let place = Place::new(Dialect::Postgres).await;
    let (watched, mut client) = place.start().await;
    let sql = "CREATE SCHEMA archive; ALTER TABLE notes SET SCHEMA archive";
    run(&mut client, sql).await;
    for error in errors(&place, &place.outbox().await).await {
        let said = error.to_string();
        assert!(said.contains("write `table = \"archive.notes\"`"), "{said}");
        assert!(!said.contains("create it"), "{said}");
    }
    run(&mut client, "INSERT INTO archive.notes VALUES (1, 'A')").await;
    let update = "UPDATE archive.notes SET text = 'B'";
    assert_eq!(watched.after(&mut client, update).await, ["/notes/1"]);
}

async fn triggers_are_not_made_without_the_outbox(place: Place) {
    let outbox = Outbox::at(&place.url).unwrap().triggers(place.wanted());
    let error = outbox.install_triggers().await.unwrap_err();
    assert!(matches!(error, OutboxError::Missing(_)), "{error}");
    run(&mut place.connect().await, INSERT).await;
}

/// A program that looks at its triggers all the time, and whose triggers have names of their own.
async fn looking(place: &Place, prefix: &str) -> (Outbox, Watched) {
    let wanted = place.wanted().check_every(Duration::from_millis(20));
    let outbox = place.outbox().await.prefix(prefix);
    let outbox = outbox.triggers(wanted.clone());
    outbox.migrate().await.unwrap();
    outbox.install_triggers().await.unwrap();
    logged::start();
    let strict = outbox.clone().triggers(wanted.strict());
    (outbox, Watched::start(strict))
}

fn found(watched: &Watched, what: &str, is_it: impl Fn(&str) -> bool) -> String {
    wait::until_some(LONG, what, || {
        let errors = watched.roan.outbox().trigger_errors();
        let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let told = told.join("\n");
        is_it(&told).then_some(told)
    })
}

async fn a_table_that_is_rebuilt_while_the_program_runs(place: Place) {
    let prefix = format!("rebuilt_{}_", place.dialect).to_lowercase();
    let (outbox, watched) = looking(&place, &prefix).await;
    assert!(watched.roan.outbox().trigger_errors().is_empty());
    let mut client = place.connect().await;
    let name = format!("{prefix}notes_update");
    let rebuild = |client: Connection, column: &'static str| async move {
        let mut client = client;
        run(&mut client, "DROP TABLE notes").await;
        let create = format!(
            "CREATE TABLE notes (id bigint PRIMARY KEY, {column} varchar(200), pinned boolean)"
        );
        run(&mut client, &create).await;
        client
    };
    client = rebuild(client, "text").await;
    let told = found(&watched, "the loss", |told| told.contains(&name));
    let line = format!("trigger {name:?} on table \"notes\" is missing");
    assert!(told.contains(&line), "{told}");
    assert!(told.contains("`Outbox::install_triggers`"), "{told}");
    // Another change is logged; the first one is not logged again.
    client = rebuild(client, "body").await;
    let column = |told: &str| told.contains("\"notes\" does not have the column \"text\"");
    found(&watched, "the column", column);
    client = rebuild(client, "text").await;
    found(&watched, "the column's return", |told| !column(told));
    outbox.install_triggers().await.unwrap();
    found(&watched, "the triggers' return", str::is_empty);
    let (first, second) = (
        "INSERT INTO notes VALUES (1, 'A', true)",
        "UPDATE notes SET text = 'B'",
    );
    run(&mut client, first).await;
    assert_eq!(watched.after(&mut client, second).await, ["/notes/1"]);
    let logged = errors_with(&line);
    assert_eq!(logged.len(), 1, "{logged:#?}");
}

/// The text as another version of the program would have made it, with other rules.
fn of_other_version(statement: &str, body_from: &str) -> String {
    let hash = |text: &str| {
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
    };
    let other = statement.replace("\"rules\":\"", "\"rules\":\"0");
    let (mark, digits) = ("roan triggers 1 ", 8);
    let stamp_at = other.find(mark).unwrap();
    let stamp = &other[stamp_at..stamp_at + mark.len() + digits];
    let body_at = other.find(body_from).unwrap();
    let body_end = other
        .rfind("$roan$")
        .filter(|_| body_from.starts_with('\n'));
    let body = other[body_at..body_end.unwrap_or(other.len())].replace(stamp, "{stamp}");
    other.replace(stamp, &format!("{mark}{:08x}", hash(&body)))
}

async fn triggers_of_another_version_are_not_an_error_while_the_program_runs(place: Place) {
    let prefix = format!("version_{}_", place.dialect).to_lowercase();
    let (outbox, watched) = looking(&place, &prefix).await;
    let mut client = place.connect().await;
    let sql = place.wanted().prefix(&prefix).sql(place.dialect).unwrap();
    let name = format!("{prefix}posts_insert");
    let starts = match place.dialect {
        Dialect::Postgres => format!("CREATE OR REPLACE FUNCTION \"{name}\""),
        Dialect::MySql => format!("CREATE TRIGGER `{name}`"),
        _ => format!("CREATE TRIGGER \"{name}\""),
    };
    let mut statements = sql.split(";\n\n");
    let create = statements.find(|sql| sql.starts_with(&starts)).unwrap();
    let body_from = match place.dialect {
        Dialect::Postgres => "\nBEGIN".to_owned(),
        Dialect::MySql => "INSERT INTO".to_owned(),
        _ => format!("\"{name}\""),
    };
    if place.dialect != Dialect::Postgres {
        run(&mut client, &format!("DROP TRIGGER {name}")).await;
        // Its loss may have been seen.
        found(&watched, "the loss", |told| told.contains(&name));
    }
    let mut other = of_other_version(create, &body_from);
    if place.dialect == Dialect::Postgres {
        // Its `search_path` is a statement of its own.
        other = format!("{other};{}", statements.next().unwrap());
    }
    client.run(&other).await.unwrap();
    // It is a difference at the start, and what cannot be of a version is one while the program runs.
    let told = drift(&place, &outbox);
    assert_eq!(
        told,
        [format!(
            "trigger {name:?} on table \"posts\" differs from the rules"
        )]
    );
    found(&watched, "peace", str::is_empty);
    run(&mut client, "ALTER TABLE notes RENAME TO notes_old").await;
    let create = "CREATE TABLE notes (id bigint PRIMARY KEY, text varchar(200), pinned boolean)";
    run(&mut client, create).await;
    let missing = "notes_update\" on table \"notes\" is missing: it is on table \"notes_old\"";
    let told = found(&watched, "the copy", |told| told.contains(missing));
    assert!(!told.contains("no longer belongs"), "{told}");
    assert!(!told.contains(&name), "{told}");
}

/// Purges must not wait for a look, and a look not for a lock that a program or a migration holds on a table.
async fn a_look_waits_for_no_lock(place: Place, lock: &str, drop: &str) {
    let prefix = format!("lock_{}_", place.dialect).to_lowercase();
    let (_, watched) = looking(&place, &prefix).await;
    let (mut client, mut holder) = (place.connect().await, place.connect().await);
    run(&mut holder, lock).await;
    run(&mut client, &drop.replace("{prefix}", &prefix)).await;
    found(&watched, "the loss", |told| told.contains("notes_update"));
    let insert = "INSERT INTO bare VALUES (1)";
    assert_eq!(watched.after(&mut client, insert).await, ["/bare"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_waits_for_no_lock_of_postgres() {
    let place = Place::new(Dialect::Postgres).await;
    let lock = "BEGIN; LOCK TABLE posts IN ACCESS EXCLUSIVE MODE; ALTER TABLE posts ADD x int";
    let drop = "DROP TRIGGER {prefix}notes_update ON notes";
    a_look_waits_for_no_lock(place, lock, drop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_waits_for_no_lock_of_mariadb() {
    let place = Place::new(Dialect::MySql).await;
    let drop = "DROP TRIGGER {prefix}notes_update";
    a_look_waits_for_no_lock(place, "LOCK TABLES posts WRITE", drop).await;
}
