//! Several programs share an outbox, and die.

use std::time::Duration;

use roan::testing::Recorder;
use roan_tests::wait;

use crate::support::{Database, builder, flush, on_each_database, urls};

on_each_database!(
    what_a_dead_relay_has_taken_is_taken_over,
    a_relay_that_lives_is_not_taken_over,
    what_a_relay_has_taken_and_does_not_know_of_waits_again,
    two_relays_share_the_work,
    a_relay_that_ends_gives_back_what_it_holds,
    rows_of_other_programs_are_found,
);

async fn what_a_dead_relay_has_taken_is_taken_over(database: Database) {
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    client
        .run(r#"INSERT INTO {}outbox (payload, state, relay) VALUES ('{"v":1,"purge":["/a"]}', 1, 77)"#)
        .await;
    // One without a beat of its own, too: it was thought dead in the moment when it took.
    client
        .run(r#"INSERT INTO {}outbox (payload, state, relay) VALUES ('{"v":1,"purge":["/b"]}', 1, 78)"#)
        .await;
    client
        .run("INSERT INTO {}relay (id, beat) VALUES (77, 5)")
        .await;
    let recorder = Recorder::new();
    let _roan = builder(&recorder).outbox(outbox).build().unwrap();
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 2)
        .await;
    assert_eq!(urls(&recorder), ["/a", "/b"]);
    assert_eq!(
        client
            .count("SELECT count(*) FROM {}relay WHERE id = 77")
            .await,
        0
    );
}

async fn a_relay_that_lives_is_not_taken_over(database: Database) {
    // It holds its rows for longer than the lease: the second purge comes late.
    let outbox = database.outbox().await;
    let recorder = Recorder::new();
    let holder = builder(&recorder)
        .rebound(Duration::from_secs(3))
        .outbox(outbox.clone())
        .build()
        .unwrap();
    let mut client = database.client().await;
    client.save(&holder, "a").await;
    flush(&holder).await;
    let other = Recorder::new();
    let _other = builder(&other).outbox(outbox).build().unwrap();
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 1)
        .await;
    assert!(other.requests().is_empty(), "{:?}", other.requests());
    assert_eq!(
        urls(&recorder),
        ["/posts", "/posts", "/posts/a", "/posts/a"]
    );
}

async fn what_a_relay_has_taken_and_does_not_know_of_waits_again(database: Database) {
    let outbox = database.outbox().await.lease(Duration::from_secs(3600));
    let recorder = Recorder::new();
    let roan = builder(&recorder)
        .rebound(Duration::from_secs(3600))
        .outbox(outbox)
        .build()
        .unwrap();
    let mut client = database.client().await;
    client.save(&roan, "held").await;
    flush(&roan).await;
    let relay = client.count("SELECT id FROM {}relay").await;
    // As after a crash of PostgreSQL, which may forget that a row was done, or when the answer to
    // the taking was lost.
    client
        .run(&format!(
            r#"INSERT INTO {{}}outbox (payload, state, relay) VALUES ('{{"v":1,"purge":["/lost"]}}', 1, {relay})"#
        ))
        .await;
    wait::until(wait::LONG, "the purge of a forgotten row", || {
        urls(&recorder).contains(&"/lost".to_owned())
    });
    // The other one was held, and so is not sent again.
    assert_eq!(urls(&recorder), ["/lost", "/posts", "/posts/held"]);
}

async fn two_relays_share_the_work(database: Database) {
    let outbox = database.outbox().await;
    let recorders = [Recorder::new(), Recorder::new()];
    let roans = recorders
        .each_ref()
        .map(|recorder| builder(recorder).outbox(outbox.clone()).build().unwrap());
    let mut client = database.client().await;
    client.run("BEGIN").await;
    for number in 0..4000 {
        let payload = format!(r#"{{"v":1,"purge":["/{number}"]}}"#);
        client
            .run(&format!(
                "INSERT INTO {{}}outbox (payload) VALUES ('{payload}')"
            ))
            .await;
    }
    client.run("COMMIT").await;
    for roan in &roans {
        flush(roan).await;
    }
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 4000)
        .await;
    let mut all: Vec<_> = recorders.iter().flat_map(urls).collect();
    all.sort();
    assert_eq!(all.len(), 4000, "each row is taken by one relay");
    all.dedup();
    assert_eq!(all.len(), 4000);
}

async fn a_relay_that_ends_gives_back_what_it_holds(database: Database) {
    let outbox = database.outbox().await.lease(Duration::from_secs(3600));
    let recorder = Recorder::new();
    let roan = builder(&recorder)
        .rebound(Duration::from_secs(3600))
        .outbox(outbox.clone())
        .build()
        .unwrap();
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    flush(&roan).await;
    assert_eq!(
        client
            .count("SELECT count(*) FROM {}outbox WHERE state = 1")
            .await,
        1
    );
    let _ = roan.shutdown(Duration::ZERO).await;
    assert_eq!(
        client
            .count("SELECT count(*) FROM {}outbox WHERE state = 0")
            .await,
        1
    );
    recorder.clear();
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    flush(&roan).await;
    assert_eq!(urls(&recorder), ["/posts", "/posts/a"]);
}

async fn rows_of_other_programs_are_found(database: Database) {
    let recorder = Recorder::new();
    let _roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    client
        .run(
            r#"INSERT INTO {}outbox (payload) VALUES ('{"v":1,"purge":["/by-hand",{"tag":"t"}]}')"#,
        )
        .await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 1)
        .await;
    assert_eq!(urls(&recorder), ["/by-hand", "tag t"]);
}
