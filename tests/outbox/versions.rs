//! Two versions of a program share an outbox, as in every deploy: each row is done by one that has all that it names.

use std::time::Duration;

use roan::outbox::Dialect;
use roan::testing::Recorder;
use roan::triggers::Triggers;
use roan::{Cache, Roan, RoanBuilder};
use roan_tests::{Behaviour, Faulty};

use crate::support::{Client, Database, builder, flush, on_each_database, urls};

on_each_database!(
    a_site_that_only_another_version_has_waits_for_it,
    a_kind_that_only_another_version_can_purge_waits_for_it,
    an_old_version_spoils_nothing_beside_a_new_one,
    what_no_version_understands_is_dead_after_the_grace_period,
    rows_of_other_rules_are_left_after_our_part,
    what_was_left_before_all_versions_were_down_still_waits,
    the_deliveries_of_an_unknown_node_wait_for_another_version,
);

const LEFT: &str = "SELECT count(*) FROM {}outbox WHERE state = 5";
const DONE: &str = "SELECT count(*) FROM {}outbox WHERE state = 2";

fn new_version(recorder: &Recorder) -> RoanBuilder {
    builder(recorder).named_site("shop", "https://shop.test")
}

async fn put(client: &mut Client, payload: &str) {
    client
        .run(&format!(
            "INSERT INTO {{}}outbox (payload) VALUES ('{payload}')"
        ))
        .await;
}

async fn a_site_that_only_another_version_has_waits_for_it(database: Database) {
    let (at_old, at_new) = (Recorder::new(), Recorder::new());
    let outbox = database.outbox().await;
    let old = builder(&at_old).outbox(outbox.clone()).build().unwrap();
    let mut client = database.client().await;
    put(
        &mut client,
        r#"{"v":1,"purge":["/a",{"url":"/x","site":"shop"}]}"#,
    )
    .await;
    client.wait_for_count(LEFT, 1).await;
    // Its own part is not held up, and the program does not wait for the rest.
    flush(&old).await;
    assert_eq!(urls(&at_old), ["/a"]);
    // Another instance of the old version leaves it alone.
    let _other = builder(&at_old).outbox(outbox.clone()).build().unwrap();
    let _new = new_version(&at_new).outbox(outbox).build().unwrap();
    client.wait_for_count(DONE, 1).await;
    assert_eq!(urls(&at_new), ["/a", "/x at site shop"]);
    assert_eq!(urls(&at_old), ["/a"]);
}

/// A cache that purges URLs and tags.
fn without_areas(recorder: &Recorder) -> Cache {
    Cache::new("recorder")
        .purges_tags()
        .node("recorder", recorder.clone())
}

async fn a_kind_that_only_another_version_can_purge_waits_for_it(database: Database) {
    let (at_old, at_new) = (Recorder::new(), Recorder::new());
    let outbox = database.outbox().await;
    let _old = Roan::builder()
        .cache(without_areas(&at_old))
        .rebound(None)
        .outbox(outbox.clone())
        .build()
        .unwrap();
    let mut client = database.client().await;
    for target in [
        r#"{"prefix":"/docs/v1/"}"#,
        r#"{"host":true}"#,
        r#"{"everything":true}"#,
    ] {
        put(
            &mut client,
            &format!(r#"{{"v":2,"purge":["/a",{target}]}}"#),
        )
        .await;
    }
    client.wait_for_count(LEFT, 3).await;
    let _new = builder(&at_new).outbox(outbox).build().unwrap();
    client.wait_for_count(DONE, 3).await;
    let mut found = urls(&at_new);
    found.retain(|url| url != "/a");
    found.sort();
    assert_eq!(found, ["everything", "host", "prefix /docs/v1/"]);
    let mut at_old = urls(&at_old);
    at_old.dedup();
    assert_eq!(at_old, ["/a"]);
}

async fn an_old_version_spoils_nothing_beside_a_new_one(database: Database) {
    let (at_old, at_new) = (Recorder::new(), Recorder::new());
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    let new = new_version(&at_new).outbox(outbox.clone()).build().unwrap();
    let old = builder(&at_old).outbox(outbox).build().unwrap();
    for number in 0..40 {
        let payload = format!(r#"{{"v":1,"purge":[{{"url":"/{number}","site":"shop"}}]}}"#);
        put(&mut client, &payload).await;
        // Each is to get its share.
        let committed: &Roan = if number % 2 == 0 { &old } else { &new };
        committed.outbox().committed();
    }
    client.wait_for_count(DONE, 40).await;
    let mut found = urls(&at_new);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 40);
    assert_eq!(urls(&at_old), [""; 0]);
}

async fn what_no_version_understands_is_dead_after_the_grace_period(database: Database) {
    let recorder = Recorder::new();
    let grace = Duration::from_millis(700);
    let outbox = database.outbox().await.grace_period(grace);
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    let mut client = database.client().await;
    for payload in [
        r#"{"v":3,"purge":["/a"]}"#,
        r#"{"v":1,"table":"nothing","event":"create","rows":[{"a":"1"}]}"#,
        r#"{"v":1,"purge":["/b",{"url":"/x","site":"shop"}]}"#,
    ] {
        put(&mut client, payload).await;
    }
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 3", 3)
        .await;
    let sql = "SELECT count(*) FROM {}outbox WHERE ended_ms - created_ms >= 700";
    assert_eq!(client.count(sql).await, 3);
    let dead = roan.outbox().dead(10).await.unwrap();
    let errors: Vec<_> = dead.iter().map(|dead| &*dead.error).collect();
    for words in ["version 3", r#"table "nothing""#, r#"site "shop""#] {
        assert!(
            errors.iter().any(|error| error.contains(words)),
            "{errors:?}"
        );
    }
    // When it is left, and when it is given up.
    assert_eq!(urls(&recorder), ["/b", "/b"]);
}

async fn what_was_left_before_all_versions_were_down_still_waits(database: Database) {
    let (at_old, at_new) = (Recorder::new(), Recorder::new());
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    let payload = r#"{"v":1,"purge":[{"url":"/x","site":"shop"}]}"#;
    client
        .run(&format!(
            "INSERT INTO {{}}outbox (payload, state, relay, created_ms, ended_ms) \
             VALUES ('{payload}', 5, 7, 1000, 1000)"
        ))
        .await;
    let _old = builder(&at_old).outbox(outbox.clone()).build().unwrap();
    // It has looked at the row, and left it, too.
    client
        .wait_for_count(
            "SELECT count(*) FROM {}outbox WHERE state = 5 AND relay <> 7",
            1,
        )
        .await;
    let _new = new_version(&at_new).outbox(outbox).build().unwrap();
    client.wait_for_count(DONE, 1).await;
    assert_eq!(urls(&at_new), ["/x at site shop"]);
}

/// The hash of this program's rules for posts, as its triggers write it.
fn rules(dialect: Dialect) -> String {
    let triggers = Triggers::new()
        .without("pooled_posts")
        .sql(dialect)
        .unwrap();
    let (_, rest) = triggers.split_once(r#""rules":""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

async fn rows_of_other_rules_are_left_after_our_part(database: Database) {
    let recorder = Recorder::new();
    let outbox = database.outbox().await;
    let roan = builder(&recorder).outbox(outbox.clone()).build().unwrap();
    let mut client = database.client().await;
    let payload = |rules: &str, slug: &str| {
        format!(
            r#"{{"v":1,"rules":"{rules}","table":"posts","event":"create","rows":[{{"slug":"{slug}"}}]}}"#
        )
    };
    put(&mut client, &payload(&rules(database.dialect()), "same")).await;
    client.wait_for_count(DONE, 1).await;
    put(&mut client, &payload("00000000", "other")).await;
    client.wait_for_count(LEFT, 1).await;
    let found = urls(&recorder);
    assert!(found.contains(&"/posts/other".to_owned()), "{found:?}");
    let _ = roan.shutdown(Duration::from_secs(5)).await;
    // Nobody comes who has the other rules.
    let outbox = outbox.grace_period(Duration::from_millis(1));
    let _roan = builder(&recorder).outbox(outbox).build().unwrap();
    client.wait_for_count(DONE, 2).await;
}

async fn the_deliveries_of_an_unknown_node_wait_for_another_version(database: Database) {
    let up = Faulty::start(Behaviour::Purged);
    let down = Faulty::start(Behaviour::Close);
    let start = async |new: bool| {
        let mut nginx = roan::Nginx::at(&up.purge_url()).unwrap();
        if new {
            nginx = nginx.named_node("second", &down.purge_url()).unwrap();
        }
        let outbox = database.outbox().await;
        let short = Duration::from_millis(20);
        let roan = Roan::builder()
            .cache(nginx)
            .rebound(None)
            .backoff(short, 5 * short);
        roan.outbox(outbox).build().unwrap()
    };
    let new = start(true).await;
    let mut client = database.client().await;
    let deliveries = "SELECT count(*) FROM {}delivery";
    client.save(&new, "a").await;
    client.wait_for_count(deliveries, 2).await;
    let _ = new.shutdown(Duration::ZERO).await;
    // Rolled back, and deployed again.
    let old = start(false).await;
    client.save(&old, "b").await;
    flush(&old).await;
    assert_eq!(client.count(deliveries).await, 2);
    down.set(Behaviour::Purged);
    let _new = start(true).await;
    client.wait_for_count(deliveries, 0).await;
}
