//! The database's COMMIT and ROLLBACK decide which purges leave.

use std::time::Duration;

use roan::testing::Recorder;

use crate::support::{Database, builder, flush, on_each_database, urls};

on_each_database!(
    a_purge_leaves_when_its_write_has_committed,
    nothing_leaves_for_a_write_that_was_rolled_back,
    a_transaction_that_commits_long_after_a_later_one_is_purged,
    two_open_transactions_purge_one_url_without_waiting,
    equal_purges_that_wait_are_sent_once,
    a_large_write_is_one_statement,
    a_flush_says_when_the_outbox_did_not_answer,
);

async fn a_purge_leaves_when_its_write_has_committed(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    client.run("BEGIN").await;
    client.save(&roan, "a").await;
    client.run("SAVEPOINT s").await;
    client.save(&roan, "b").await;
    client.run("ROLLBACK TO SAVEPOINT s").await;
    client.save(&roan, "c").await;
    flush(&roan).await;
    assert!(recorder.requests().is_empty());
    client.run("COMMIT").await;
    flush(&roan).await;
    assert_eq!(urls(&recorder), ["/posts", "/posts/a", "/posts/c"]);
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 2)
        .await;
}

async fn nothing_leaves_for_a_write_that_was_rolled_back(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    client.run("BEGIN").await;
    client.save(&roan, "a").await;
    client.run("ROLLBACK").await;
    client.save(&roan, "b").await;
    flush(&roan).await;
    assert_eq!(urls(&recorder), ["/posts", "/posts/b"]);
}

async fn a_transaction_that_commits_long_after_a_later_one_is_purged(database: Database) {
    if database.is_one_writer() {
        return; // there can be no such transaction
    }
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let (mut early, mut late) = (database.client().await, database.client().await);
    early.run("BEGIN").await;
    early.save(&roan, "early").await;
    for number in 0..20 {
        late.save(&roan, &format!("late-{number}")).await;
    }
    flush(&roan).await;
    recorder.clear();
    early.run("COMMIT").await;
    flush(&roan).await;
    assert_eq!(urls(&recorder), ["/posts", "/posts/early"]);
}

async fn two_open_transactions_purge_one_url_without_waiting(database: Database) {
    if database.is_one_writer() {
        return;
    }
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let (mut one, mut other) = (database.client().await, database.client().await);
    one.run("BEGIN").await;
    one.save(&roan, "a").await;
    other.run("BEGIN").await;
    // With the relay at work, too.
    database.client().await.save(&roan, "a").await;
    flush(&roan).await;
    let both = async {
        other.save(&roan, "a").await;
        other.run("COMMIT").await;
        one.save(&roan, "a").await;
        one.run("COMMIT").await;
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), both).await;
    assert!(in_time.is_ok(), "the transactions waited for each other");
    flush(&roan).await;
}

async fn equal_purges_that_wait_are_sent_once(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    client.run("BEGIN").await;
    for _ in 0..100 {
        client.save(&roan, "a").await;
    }
    client.run("COMMIT").await;
    flush(&roan).await;
    assert_eq!(urls(&recorder), ["/posts", "/posts/a"]);
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 100)
        .await;
}

async fn a_large_write_is_one_statement(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    let hooks = || {
        for number in 0..1200 {
            roan.purge(format!("/pages/{number}")).unwrap();
        }
    };
    client.purge(&roan, hooks).await.unwrap();
    flush(&roan).await;
    assert_eq!(recorder.purges().targets().len(), 1200);
    assert_eq!(client.count("SELECT count(*) FROM {}outbox").await, 3);
}

async fn a_flush_says_when_the_outbox_did_not_answer(database: Database) {
    if database.is_one_writer() {
        return; // whose readers wait for nobody
    }
    let recorder = Recorder::new();
    let outbox = database.outbox().await;
    let is_postgres = outbox.dialect() == roan::outbox::Dialect::Postgres;
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    let mut client = database.client().await;
    let (lock, unlock) = if is_postgres {
        (
            "BEGIN; LOCK TABLE {}outbox IN ACCESS EXCLUSIVE MODE",
            "COMMIT",
        )
    } else {
        ("LOCK TABLES {}outbox WRITE", "UNLOCK TABLES")
    };
    client.run(lock).await;
    let left = roan.flush(Duration::from_millis(300)).await;
    assert!(left.outbox_unread, "{left}");
    assert!(left.to_string().contains("did not answer"), "{left}");
    client.run(unlock).await;
    flush(&roan).await;
}
