//! What is wrong with an outbox is said at the start.

use std::time::Duration;

use roan::ConfigError;
use roan::outbox::{Dialect, Outbox, OutboxError};
use roan::testing::Recorder;
use roan_tests::wait;

use crate::support::{Database, LONG, builder, flush, on_each_database, urls};

on_each_database!(
    tables_that_are_missing_are_named,
    tables_of_a_newer_version_are_refused,
    tables_are_made_once_however_often_they_are_asked_for,
    the_migrations_may_be_run_by_hand_and_taken_back,
    a_write_of_this_program_is_found_though_looks_are_rare,
    a_commit_that_is_told_is_found_at_once,
    a_database_that_is_gone_is_found_again,
    a_conflict_of_transactions_is_no_trouble,
    a_lock_that_is_held_for_long_is_no_trouble,
);

fn refused(outbox: Outbox) -> OutboxError {
    match builder(&Recorder::new()).outbox(outbox).build() {
        Err(ConfigError::Outbox(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it starts"),
    }
}

async fn tables_that_are_missing_are_named(database: Database) {
    // An SQLite file that nobody has made is made by the client.
    let _client = database.client().await;
    let error = refused(database.bare_outbox());
    assert!(matches!(error, OutboxError::Missing(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("_schema"), "{text}");
    assert!(text.contains("Outbox::migrate"), "{text}");
}

async fn tables_of_a_newer_version_are_refused(database: Database) {
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    client.run("UPDATE {}schema SET version = 2").await;
    let newer = OutboxError::Version { found: 2, known: 1 };
    assert_eq!(refused(outbox.clone()), newer);
    assert_eq!(outbox.migrate().await, Err(newer.clone()));
    assert!(newer.to_string().contains("update the program"));
}

async fn tables_are_made_once_however_often_they_are_asked_for(database: Database) {
    let outbox = database.bare_outbox();
    let all = (0..4).map(|_| {
        let outbox = outbox.clone();
        tokio::spawn(async move { outbox.migrate().await })
    });
    for migrated in all.collect::<Vec<_>>() {
        assert_eq!(migrated.await.unwrap(), Ok(()));
    }
    let mut client = database.client().await;
    assert_eq!(client.count("SELECT count(*) FROM {}schema").await, 1);
    let _roan = builder(&Recorder::new()).outbox(outbox).build().unwrap();
}

async fn the_migrations_may_be_run_by_hand_and_taken_back(database: Database) {
    let outbox = database.bare_outbox();
    let mut client = database.client().await;
    for _ in 0..2 {
        for migration in outbox.migrations() {
            client.run(&migration.up).await;
        }
        drop(
            builder(&Recorder::new())
                .outbox(outbox.clone())
                .build()
                .unwrap(),
        );
        for migration in outbox.migrations() {
            client.run(&migration.down).await;
        }
    }
}

async fn a_write_of_this_program_is_found_though_looks_are_rare(database: Database) {
    let recorder = Recorder::new();
    let outbox = database.outbox().await.poll(Duration::from_secs(3600));
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    let mut reports = roan.subscribe();
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    let report = tokio::time::timeout(LONG, reports.next()).await;
    assert!(report.is_ok_and(|report| report.is_some()));
}

async fn a_commit_that_is_told_is_found_at_once(database: Database) {
    let recorder = Recorder::new();
    let outbox = database.outbox().await.poll(Duration::from_secs(3600));
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    let mut reports = roan.subscribe();
    let mut client = database.client().await;
    // Only this reports it.
    client
        .run(r#"INSERT INTO {}outbox (payload) VALUES ('{"v":1,"purge":["/a"]}')"#)
        .await;
    roan.outbox().committed();
    let report = tokio::time::timeout(LONG, reports.next()).await;
    assert!(report.is_ok_and(|report| report.is_some()));
}

async fn a_database_that_is_gone_is_found_again(database: Database) {
    let Some(mut server) = database.own_server() else {
        return; // a file is never gone
    };
    let recorder = Recorder::new();
    let roan = builder(&recorder)
        .outbox(server.database.outbox().await)
        .build()
        .unwrap();
    server.database.client().await.save(&roan, "a").await;
    flush(&roan).await;
    server.kill();
    let gone = async {
        while roan.outbox().current_error().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, gone)
        .await
        .expect("it is noticed");
    assert!(roan.outbox().dead(1).await.is_err());
    server.restart();
    let mut client = server.database.client().await;
    client.save(&roan, "b").await;
    flush(&roan).await;
    assert!(urls(&recorder).contains(&"/posts/b".to_owned()));
    assert_eq!(roan.outbox().current_error(), None);
}

async fn a_conflict_of_transactions_is_no_trouble(database: Database) {
    let fails = match database.dialect() {
        // What rolls back takes back no number of a sequence.
        Dialect::Postgres => {
            "CREATE SEQUENCE {}tries; \
             CREATE FUNCTION {}conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF nextval('{}tries') < 5 THEN \
                     RAISE 'try again' USING ERRCODE = 'serialization_failure'; \
                 END IF; \
                 RETURN NEW; \
             END $$; \
             CREATE TRIGGER {}conflict BEFORE UPDATE ON {}outbox \
                 FOR EACH ROW EXECUTE FUNCTION {}conflict()"
        }
        Dialect::MySql => {
            "CREATE TABLE {}tries (n int) ENGINE = MyISAM; INSERT INTO {}tries VALUES (0); \
             CREATE TRIGGER {}conflict BEFORE UPDATE ON {}outbox FOR EACH ROW BEGIN \
                 UPDATE {}tries SET n = n + 1; \
                 IF (SELECT n FROM {}tries) < 5 THEN \
                     SIGNAL SQLSTATE '40001' SET MESSAGE_TEXT = 'try again'; \
                 END IF; \
             END"
        }
        _ => return, // one writer at a time
    };
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    client.run(fails).await;
    client.save(&roan, "a").await;
    let done = async {
        while urls(&recorder).len() < 2 {
            assert_eq!(roan.outbox().current_error(), None);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, done).await.expect("it is done");
    flush(&roan).await;
}

async fn a_lock_that_is_held_for_long_is_no_trouble(database: Database) {
    let Some(server) = database.own_server() else {
        return; // a file has no such setting
    };
    let database = &server.database;
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    let (limit, failed) = match database.dialect() {
        Dialect::Postgres => (
            "ALTER DATABASE roan SET lock_timeout = '100ms'",
            "SELECT xact_rollback FROM pg_stat_database WHERE datname = 'roan'",
        ),
        _ => (
            "SET GLOBAL innodb_lock_wait_timeout = 1",
            "SELECT CAST(variable_value AS signed) FROM information_schema.global_status \
             WHERE variable_name = 'Innodb_row_lock_waits'",
        ),
    };
    client.run(limit).await;
    let recorder = Recorder::new();
    // Of longer than it takes to lock the row.
    let rebound = Duration::from_millis(500);
    let roan = builder(&recorder).rebound(rebound).outbox(outbox).build();
    let roan = roan.unwrap();
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 1", 1)
        .await;
    let mut holder = database.client().await;
    holder
        .run("BEGIN; UPDATE {}outbox SET payload = payload")
        .await;
    let before = client.count(failed).await;
    wait::until_async(LONG, "the relay gives up the lock", async || {
        assert_eq!(roan.outbox().current_error(), None);
        client.count(failed).await >= before + 3
    })
    .await;
    holder.run("COMMIT").await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 1)
        .await;
    assert_eq!(roan.outbox().current_error(), None);
}

#[test]
fn a_setting_that_cannot_be_used_is_named() {
    let at = |url: &str| Outbox::at(url).expect_err("it is refused").to_string();
    assert_eq!(
        at("oracle://scott:tiger@db/x"),
        "outbox URL \"oracle://***@db/x\" must begin with postgres://, mysql:// or sqlite://"
    );
    assert!(at("sqlite::memory:").contains("in memory"));
    assert!(at("sqlite://x?mode=memory&cache=shared").contains("in memory"));
    assert!(at("postgres://u:pw@host:notaport/db").contains("cannot be read"));
    assert!(!at("postgres://u:pw@host:notaport/db").contains("pw"));

    let outbox = || Outbox::at("sqlite:///nowhere/x.db").unwrap();
    for (outbox, words) in [
        (outbox().prefix("a b"), "prefix"),
        (outbox().prefix("x; DROP TABLE posts; --"), "prefix"),
        (outbox().prefix(""), "prefix"),
        (outbox().prefix("1a"), "prefix"),
        (outbox().prefix("a.b.c"), "prefix"),
        (outbox().poll(Duration::ZERO), "poll"),
        (outbox().lease(Duration::ZERO), "lease"),
        (outbox().retention(Duration::MAX), "retention"),
        (outbox().max_attempts(0), "max_attempts"),
        (outbox().notify(), "notify"),
        (outbox(), "cannot connect"),
    ] {
        let text = refused(outbox).to_string();
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_is_told() {
    let database = Database::of(Dialect::Postgres);
    let _ = database.outbox().await;
    let mut client = database.client().await;
    client
        .run("CREATE ROLE reader LOGIN; GRANT SELECT ON {}schema, {}outbox TO reader")
        .await;
    let url = database.url().replace("//roan@", "//reader@");
    let outbox = Outbox::at(&url).unwrap().prefix(&database.prefix);
    let error = refused(outbox);
    assert!(matches!(error, OutboxError::Rights(_)), "{error:?}");

    let database = Database::of(Dialect::Sqlite);
    let _ = database.outbox().await;
    let url = database.url().replace("mode=rwc", "mode=ro");
    let outbox = Outbox::at(&url).unwrap().prefix(&database.prefix);
    let error = refused(outbox);
    assert!(matches!(error, OutboxError::Rights(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_to_another_kind_of_database_is_purged_from_memory() {
    let database = Database::of(Dialect::Sqlite);
    let outbox = database.outbox().await;
    let recorder = Recorder::new();
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    let mut client = Database::of(Dialect::Postgres).client().await;
    client.save(&roan, "a").await;
    flush(&roan).await;
    // Twice: Roan does not know when the write commits.
    let mut purged = urls(&recorder);
    purged.dedup();
    assert_eq!(purged, ["/posts", "/posts/a"]);
    assert_eq!(roan.stats().not_stored, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notify_wakes_the_relay_of_another_program() {
    let database = Database::of(Dialect::Postgres);
    let outbox = database
        .outbox()
        .await
        .poll(Duration::from_secs(3600))
        .notify();
    let recorder = Recorder::new();
    let listener = builder(&recorder).outbox(outbox.clone()).build().unwrap();
    let mut reports = listener.subscribe();
    // This one ends before it could find the row by itself.
    let writer = builder(&Recorder::new()).outbox(outbox).build().unwrap();
    let mut client = database.client().await;
    client.run("BEGIN").await;
    client.save(&writer, "a").await;
    let _ = writer.shutdown(Duration::ZERO).await;
    client.run("COMMIT").await;
    let report = tokio::time::timeout(LONG, reports.next()).await;
    assert!(report.is_ok_and(|report| report.is_some()));
}
