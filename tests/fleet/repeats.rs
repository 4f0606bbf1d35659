//! Repeats are dropped, and nothing else is.

use std::collections::HashSet;
use std::fs;

use roan::{Fleet, Roan};
use roan_tests::{Nats, NatsOptions, wait};

use crate::support::{Rows, builder, client, stored, targets};

fn sender(server: &Nats, rows: &Rows) -> Roan {
    let fleet = Fleet::nats(&server.url()).unwrap();
    builder(fleet).outbox(rows.outbox.clone()).build().unwrap()
}

/// Whether it dies before or after the stream has the message: the row is not done.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_published_by_a_second_program_is_dropped() {
    let server = Nats::start(&NatsOptions::default());
    let mut rows = Rows::new().await;
    let first = sender(&server, &rows);
    rows.insert(r#""/a","/b""#).await;
    rows.insert(r#""/c""#).await;
    rows.until_done().await;
    drop(first);
    rows.forget_that_they_are_done().await;

    let second = sender(&server, &rows);
    rows.until_done().await;
    assert_eq!(second.stats().nodes[0].purged, 3);
    let client = client(&server.url()).await;
    let mut seen = targets(&client).await;
    seen.sort_by_key(ToString::to_string);
    assert_eq!(seen, ["/a", "/b", "/c"]);
    assert!(
        stored(&client)
            .await
            .iter()
            .all(|stored| stored.id.starts_with("r-"))
    );
}

/// The acknowledgement comes too late, so the row is a delivery that is published again.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_whose_acknowledgement_is_lost_is_published_once() {
    let server = Nats::start(&NatsOptions::default());
    let mut rows = Rows::new().await;
    let roan = sender(&server, &rows);
    let memory = builder(Fleet::nats(&server.url()).unwrap())
        .build()
        .unwrap();
    rows.insert(r#""/before""#).await;
    memory.purge("/before-from-memory").unwrap();
    rows.until_done().await;
    wait::for_purges(&memory).await;

    // It takes what is sent, and reads it when it goes on.
    server.suspend();
    rows.insert(r#""/a""#).await;
    memory.purge("/from-memory").unwrap();
    for sender in [&roan, &memory] {
        wait::until(wait::LONG, "two attempts to fail", || {
            sender.stats().nodes[0].failed >= 2
        });
    }
    server.resume();
    wait::for_purges(&roan).await;
    wait::for_purges(&memory).await;
    let mut seen = targets(&client(&server.url()).await).await;
    seen.sort_by_key(ToString::to_string);
    assert_eq!(
        seen,
        ["/a", "/before", "/before-from-memory", "/from-memory"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_before_it_answers_gets_the_purge_again() {
    let mut server = Nats::start(&NatsOptions::default());
    let mut rows = Rows::new().await;
    let roan = sender(&server, &rows);
    rows.insert(r#""/before""#).await;
    rows.until_done().await;
    for number in 0..5 {
        server.suspend();
        let failed = roan.stats().nodes[0].failed;
        rows.insert(&format!(r#""/{number}""#)).await;
        wait::until(wait::LONG, "the purge to be under way", || {
            let node = &roan.stats().nodes[0];
            node.in_flight > 0 || node.failed > failed
        });
        server.kill();
        server.restart();
        rows.until_done().await;
    }
    let seen = targets(&client(&server.url()).await).await;
    assert_eq!(seen, ["/before", "/0", "/1", "/2", "/3", "/4"]);
}

/// Both rows have the number 1, and the same target.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_two_databases_are_not_taken_for_each_other() {
    let server = Nats::start(&NatsOptions::default());
    let (mut one, mut other) = (Rows::new().await, Rows::new().await);
    let senders = [sender(&server, &one), sender(&server, &other)];
    for rows in [&mut one, &mut other] {
        // As written in the same millisecond.
        rows.run(
            r#"INSERT INTO roan_outbox (payload, created_ms) VALUES ('{"v":1,"purge":["/a"]}', 1795665105175)"#,
        )
        .await;
        rows.until_done().await;
    }
    assert_eq!(targets(&client(&server.url()).await).await, ["/a", "/a"]);
    drop(senders);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_restored_database_are_not_taken_for_those_before() {
    let server = Nats::start(&NatsOptions::default());
    let mut rows = Rows::new().await;
    rows.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let file = rows.file.folder().join("roan.db");
    let backup = fs::read(&file).unwrap();
    let before = sender(&server, &rows);
    rows.insert(r#""/a""#).await;
    rows.until_done().await;
    drop(before);

    for beside in fs::read_dir(rows.file.folder()).unwrap() {
        fs::remove_file(beside.unwrap().path()).unwrap();
    }
    fs::write(&file, backup).unwrap();
    let mut restored = rows.reopened().await;
    let after = sender(&server, &restored);
    restored.insert(r#""/a""#).await;
    restored.until_done().await;
    assert_eq!(targets(&client(&server.url()).await).await, ["/a", "/a"]);
    drop(after);
}

/// Of two rows for one target, the second may be committed after the first was published.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_joins_one_that_was_published_is_not_dropped_with_it() {
    const PAIRS: u64 = 8;
    let server = Nats::start(&NatsOptions::default());
    let mut rows = Rows::new().await;
    let first = sender(&server, &rows);
    for number in 1..=PAIRS {
        rows.insert(&format!(r#""/{number}""#)).await;
    }
    rows.until_done().await;
    drop(first);
    rows.run("BEGIN").await;
    rows.forget_that_they_are_done().await;
    for number in 1..=PAIRS {
        // Smaller numbers, as of transactions that began earlier.
        let payload = format!(r#"{{"v":1,"purge":["/{number}"]}}"#);
        rows.run(&format!(
            "INSERT INTO roan_outbox (id, payload) VALUES (-{number}, '{payload}')"
        ))
        .await;
    }
    rows.run("COMMIT").await;
    let second = sender(&server, &rows);
    rows.until_done().await;
    assert_eq!(
        second.stats().nodes[0].purged,
        PAIRS,
        "both rows of a pair leave together"
    );
    let stored = stored(&client(&server.url()).await).await;
    let ids: HashSet<_> = stored.iter().map(|stored| &stored.id).collect();
    assert_eq!(ids.len(), 2 * PAIRS as usize, "{stored:?}");
}
