//! Every node gets every purge: at once, later, or it is dead and told.

use std::time::{Duration, SystemTime};

use roan::outbox::BacklogAlarm;
use roan::purger::{Answer, Limits};
use roan::testing::Recorder;
use roan::{Failure, Outcome, Roan};
use roan_tests::{Batching, Behaviour, Faulty, wait};

use crate::support::{
    Database, LONG, builder, builder_for, flush, on_each_database, two_nodes, until_recorded, urls,
};

on_each_database!(
    a_node_that_is_down_gets_its_purges_when_it_is_back,
    purges_that_fail_hold_up_no_others,
    what_a_node_has_not_answered_outlives_the_program,
    the_purges_of_a_node_that_was_removed_end,
    a_purge_that_fails_too_often_is_dead_until_it_is_queued_again,
    a_refused_purge_is_dead_with_its_reason,
    one_target_fails_or_is_refused_for_itself_in_a_batch,
    a_payload_that_is_not_valid_is_dead_with_its_reason,
    done_purges_are_deleted_after_their_retention,
    what_was_purged_since_a_time_is_sent_again,
    many_are_queued_again_and_discarded,
    a_backlog_is_told_when_it_begins_and_when_it_is_over,
    a_later_cache_is_purged_after_an_earlier_one_that_was_down,
);

const NONE_LEFT: &str = "SELECT count(*) FROM {}delivery";

async fn a_node_that_is_down_gets_its_purges_when_it_is_back(database: Database) {
    let up = Faulty::start(Behaviour::Purged);
    let down = Faulty::start(Behaviour::Answer(500, Vec::new()));
    let roan = two_nodes(&up, &down)
        .outbox(database.outbox().await)
        .build()
        .unwrap();
    let mut client = database.client().await;
    for number in 0..50 {
        client.save(&roan, &number.to_string()).await;
    }
    // Each of 50 pages, and the list at least once.
    up.wait_for(51);
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state IN (2, 4)", 50)
        .await;
    let at_up = up.count();
    down.set(Behaviour::Purged);
    flush(&roan).await;
    client.wait_for_count(NONE_LEFT, 0).await;
    assert_eq!(up.count(), at_up, "the living node was asked again");
    let requests = down.requests();
    for number in 0..50 {
        let path = format!("/purge/posts/{number}");
        let last = requests.iter().rev().find(|request| request.target == path);
        assert!(last.is_some(), "{path} was never sent");
    }
}

async fn purges_that_fail_hold_up_no_others(database: Database) {
    const BAD: usize = 300;
    for status in [500, 502] {
        // Of its own, since purges would wait there for the node of the round before.
        let database = Database::of(database.dialect());
        let node = Faulty::start(Behaviour::AnswerSome("/posts/bad".to_owned(), status));
        let never = Duration::from_secs(3600);
        let roan = builder_for(roan::Nginx::at(&node.purge_url()).unwrap())
            .backoff(never, never)
            .outbox(database.outbox().await)
            .build()
            .unwrap();
        let mut client = database.client().await;
        for number in 0..BAD {
            client.save(&roan, &format!("bad{number}")).await;
        }
        for number in 0..20 {
            let slug = format!("good{number}");
            client.save(&roan, &slug).await;
            let target = format!("/purge/posts/{slug}");
            wait::until(LONG, "a good purge to arrive", || {
                node.requests().iter().any(|one| one.target == target)
            });
        }
        client
            .wait_for_count(
                "SELECT count(*) FROM {}delivery WHERE attempts > 0",
                BAD as i64,
            )
            .await;
        // Nothing is lost.
        node.set(Behaviour::Purged);
        wait::until_async(LONG, "all purges to be delivered", async || {
            // More than once: what had just failed may be written down after the first time.
            client
                .run_beside_a_relay("UPDATE {}delivery SET due_ms = 0")
                .await;
            client.count(NONE_LEFT).await == 0
        })
        .await;
        let requests = node.requests();
        for number in 0..BAD {
            let target = format!("/purge/posts/bad{number}");
            let count = requests.iter().filter(|one| one.target == target).count();
            assert!(count >= 2, "{target} was sent {count} times");
        }
        let _ = roan.shutdown(LONG).await;
    }
}

async fn what_a_node_has_not_answered_outlives_the_program(database: Database) {
    let up = Faulty::start(Behaviour::Purged);
    let down = Faulty::start(Behaviour::Close);
    let start = async || {
        let outbox = database.outbox().await;
        two_nodes(&up, &down).outbox(outbox).build().unwrap()
    };
    let roan = start().await;
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    client.wait_for_count(NONE_LEFT, 2).await;
    let left = roan.shutdown(Duration::ZERO).await;
    assert_eq!(left.pending(), 0, "{left}");
    drop(roan);
    let (at_up, at_down) = (up.count(), down.count());
    down.set(Behaviour::Purged);
    let roan = start().await;
    flush(&roan).await;
    client.wait_for_count(NONE_LEFT, 0).await;
    assert_eq!(up.count(), at_up, "the living node was asked again");
    let mut sent: Vec<_> = down.requests()[at_down..]
        .iter()
        .map(|request| request.target.clone())
        .collect();
    sent.sort();
    sent.dedup();
    assert_eq!(sent, ["/purge/posts", "/purge/posts/a"]);
}

async fn the_purges_of_a_node_that_was_removed_end(database: Database) {
    let up = Faulty::start(Behaviour::Purged);
    let down = Faulty::start(Behaviour::Close);
    let outbox = database.outbox().await;
    let roan = two_nodes(&up, &down).outbox(outbox).build().unwrap();
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    client.wait_for_count(NONE_LEFT, 2).await;
    let _ = roan.shutdown(Duration::ZERO).await;
    let outbox = database.outbox().await.grace_period(Duration::ZERO);
    let nginx = roan::Nginx::at(&up.purge_url()).unwrap();
    let roan = Roan::builder().cache(nginx).outbox(outbox).build().unwrap();
    flush(&roan).await;
    client.wait_for_count(NONE_LEFT, 0).await;
}

async fn a_purge_that_fails_too_often_is_dead_until_it_is_queued_again(database: Database) {
    let up = Faulty::start(Behaviour::Purged);
    let down = Faulty::start(Behaviour::Answer(503, Vec::new()));
    let outbox = database.outbox().await.max_attempts(3);
    let roan = two_nodes(&up, &down).outbox(outbox).build().unwrap();
    let mut reports = roan.subscribe();
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    client
        .wait_for_count("SELECT count(*) FROM {}delivery WHERE state = 3", 2)
        .await;
    let dead = roan.outbox().dead(10).await.unwrap();
    assert_eq!(dead.len(), 2);
    assert!(dead.iter().all(|dead| dead.attempts == 3), "{dead:?}");
    assert!(dead.iter().all(|dead| dead.node == "second"), "{dead:?}");
    assert!(
        dead.iter().all(|dead| dead.error == "failed: status 503"),
        "{dead:?}"
    );
    let mut told = 0;
    while told < 2 {
        let report = reports.next().await.unwrap();
        told += u32::from(matches!(report.outcome, Outcome::Dead(_)));
    }
    down.set(Behaviour::Purged);
    assert_eq!(roan.outbox().discard(&[dead[0].id]).await, Ok(1));
    assert_eq!(
        roan.outbox().requeue(&[dead[0].id, dead[1].id]).await,
        Ok(1)
    );
    flush(&roan).await;
    assert_eq!(roan.outbox().dead(10).await, Ok(Vec::new()));
    let last = down.requests().pop().unwrap();
    assert_eq!(
        format!("\"{}\"", &last.target["/purge".len()..]),
        dead[1].target
    );
}

async fn a_refused_purge_is_dead_with_its_reason(database: Database) {
    let up = Faulty::start(Behaviour::Purged);
    let refusing = Faulty::start(Behaviour::Answer(403, Vec::new()));
    let outbox = database.outbox().await;
    let roan = two_nodes(&up, &refusing).outbox(outbox).build().unwrap();
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    client
        .wait_for_count("SELECT count(*) FROM {}delivery WHERE state = 3", 2)
        .await;
    let dead = roan.outbox().dead(10).await.unwrap();
    assert!(dead[0].error.contains("403"), "{dead:?}");
    refusing.set(Behaviour::Purged);
    assert_eq!(roan.outbox().requeue_all().await, Ok(2));
    flush(&roan).await;
    client.wait_for_count(NONE_LEFT, 0).await;
}

async fn one_target_fails_or_is_refused_for_itself_in_a_batch(database: Database) {
    let node = Batching::closed(|targets| {
        let has = |url: &str| targets.iter().any(|target| target == url);
        match () {
            () if has("/refused") => Answer::refused("no such page"),
            () if has("/fails") && targets.len() > 1 => Answer::failed(Failure::Status(500)),
            () => Answer::purged(),
        }
    });
    let short = Duration::from_millis(20);
    let roan = Roan::builder()
        .cache(node.cache(Limits::new().batch(16)))
        .rebound(Some(short))
        .backoff(short, 5 * short)
        .outbox(database.outbox().await)
        .build()
        .unwrap();
    let mut client = database.client().await;
    let urls: Vec<_> = (0..40).map(|number| format!(r#""/{number}""#)).collect();
    let payload = |urls: &str| format!(r#"{{"v":1,"purge":[{urls}]}}"#);
    for payload in [
        payload(&urls.join(",")),
        payload(r#""/fails""#),
        payload(r#""/refused""#),
    ] {
        client
            .run(&format!(
                "INSERT INTO {{}}outbox (payload) VALUES ('{payload}')"
            ))
            .await;
    }
    node.open();
    flush(&roan).await;
    client
        .wait_for_count("SELECT count(*) FROM {}delivery WHERE state <> 3", 0)
        .await;
    let dead = roan.outbox().dead(10).await.unwrap();
    let shown: Vec<_> = dead.iter().map(|dead| dead.error.clone()).collect();
    assert_eq!(dead.len(), 1, "{shown:?}");
    assert!(shown[0].contains("no such page"), "{shown:?}");
    let requests = node.requests();
    assert!(requests.iter().any(|targets| targets.len() == 16));
    for url in ["/0", "/39", "/fails"] {
        let is_served = |targets: &Vec<String>| {
            let is_bad = |other: &String| other == "/refused" || other == "/fails";
            targets.iter().any(|target| target == url)
                && (targets.len() == 1 || !targets.iter().any(is_bad))
        };
        assert!(requests.iter().any(is_served), "{url}");
    }
}

async fn a_payload_that_is_not_valid_is_dead_with_its_reason(database: Database) {
    let recorder = Recorder::new();
    let roan = builder(&recorder)
        .outbox(database.outbox().await.grace_period(Duration::ZERO))
        .build()
        .unwrap();
    let mut client = database.client().await;
    for payload in [
        "{",
        r#"{"v":3,"purge":["/a"]}"#,
        r#"{"v":1,"purge":["/a b"]}"#,
    ] {
        client
            .run(&format!(
                "INSERT INTO {{}}outbox (payload) VALUES ('{payload}')"
            ))
            .await;
    }
    client
        .run(r#"INSERT INTO {}outbox (payload) VALUES ('{"v":1,"purge":["/good",{"url":"/x","site":"no"}]}')"#)
        .await;
    client
        .run(r#"INSERT INTO {}outbox (payload) VALUES ('{"v":1,"purge":["/other"]}')"#)
        .await;
    flush(&roan).await;
    assert_eq!(urls(&recorder), ["/good", "/other"]);
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 3", 4)
        .await;
    let dead = roan.outbox().dead(10).await.unwrap();
    let mut errors: Vec<_> = dead.iter().map(|dead| dead.error.clone()).collect();
    errors.sort();
    for (error, words) in errors.iter().zip([
        "site \"no\" is not configured",
        "payload has version 3",
        "payload is not valid JSON",
        "purge[0]: URL \"/a b\"",
    ]) {
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(roan.outbox().discard_all().await, Ok(4));
}

async fn done_purges_are_deleted_after_their_retention(database: Database) {
    let recorder = Recorder::new();
    let outbox = database.outbox().await.retention(Duration::from_millis(1));
    let mut client = database.client().await;
    // What ended long ago, in batches, goes at the first cleaning.
    let old = "INSERT INTO {}outbox (payload, state, ended_ms) VALUES ('', 2, 1)";
    client
        .run(&format!("{old}{}", ", ('', 2, 1)".repeat(2499)))
        .await;
    client
        .run("INSERT INTO {}outbox (payload, state, ended_ms) VALUES ('kept', 2, 99999999999999)")
        .await;
    let _roan = builder(&recorder).outbox(outbox).build().unwrap();
    client
        .wait_for_count("SELECT count(*) FROM {}outbox", 1)
        .await;
}

async fn what_was_purged_since_a_time_is_sent_again(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    client.save(&roan, "a").await;
    flush(&roan).await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 2)
        .await;
    client
        .run_beside_a_relay("UPDATE {}outbox SET ended_ms = 1000 WHERE id = 1")
        .await;
    client.save(&roan, "b").await;
    flush(&roan).await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 3)
        .await;
    recorder.clear();
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    assert_eq!(roan.outbox().purge_since(an_hour_ago).await, Ok(2));
    flush(&roan).await;
    assert_eq!(recorder.purges().targets().len(), 3);
    let tomorrow = SystemTime::now() + Duration::from_secs(86400);
    assert_eq!(roan.outbox().purge_since(tomorrow).await, Ok(0));
}

async fn many_are_queued_again_and_discarded(database: Database) {
    const MANY: usize = 2500;
    let recorder = Recorder::new();
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    let rows: Vec<_> = (0..MANY)
        .map(|number| format!(r#"('{{"v":1,"purge":["/{number}"]}}', 3)"#))
        .collect();
    let sql = format!(
        "INSERT INTO {{}}outbox (payload, state) VALUES {}",
        rows.join(", ")
    );
    client.run(&sql).await;
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    let outbox = roan.outbox();
    assert_eq!(outbox.requeue_all().await, Ok(MANY as u64));
    flush(&roan).await;
    assert_eq!(recorder.purges().targets().len(), MANY);
    let done = "SELECT count(*) FROM {}outbox WHERE state = 2";
    client.wait_for_count(done, MANY as i64).await;
    let long_ago = SystemTime::UNIX_EPOCH;
    assert_eq!(outbox.purge_since(long_ago).await, Ok(MANY as u64));
    client.wait_for_count(done, 2 * MANY as i64).await;
    client
        .run_beside_a_relay("UPDATE {}outbox SET state = 3")
        .await;
    assert_eq!(outbox.discard_all().await, Ok(2 * MANY as u64));
    assert_eq!(client.count("SELECT count(*) FROM {}outbox").await, 0);
}

async fn a_backlog_is_told_when_it_begins_and_when_it_is_over(database: Database) {
    let node = Faulty::start(Behaviour::Close);
    let (send, mut alarms) = tokio::sync::mpsc::unbounded_channel();
    let outbox = database.outbox().await.on_backlog(3, move |alarm| {
        let _ = send.send(matches!(alarm, BacklogAlarm::Raised(_)));
    });
    let nginx = roan::Nginx::at(&node.purge_url()).unwrap();
    let roan = builder_for(nginx).outbox(outbox).build().unwrap();
    let mut client = database.client().await;
    for number in 0..5 {
        client.save(&roan, &number.to_string()).await;
    }
    assert!(until_recorded(&mut alarms).await);
    node.set(Behaviour::Purged);
    assert!(!until_recorded(&mut alarms).await);
}

async fn a_later_cache_is_purged_after_an_earlier_one_that_was_down(database: Database) {
    let first = Faulty::start(Behaviour::Close);
    let later = Recorder::new();
    let roan = builder_for(roan::Nginx::at(&first.purge_url()).unwrap())
        .cache(later.clone())
        .outbox(database.outbox().await)
        .build()
        .unwrap();
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    client.wait_for_count(NONE_LEFT, 2).await;
    // It was not waited for.
    assert_eq!(later.purges().targets().len(), 2);
    first.set(Behaviour::Purged);
    first.wait_for(first.count() + 2);
    let before = later.requests().len();
    flush(&roan).await;
    client.wait_for_count(NONE_LEFT, 0).await;
    assert!(
        later.requests().len() >= before,
        "purged again after the first"
    );
    let last_of_first = first.requests().pop().unwrap().target;
    assert!(last_of_first.starts_with("/purge/posts"));
}
