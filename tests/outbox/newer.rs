//! What a newer version of the program has written, and this one cannot read: during a deploy both run.

use std::time::{Duration, SystemTime};

use roan::history::{AnswerKind, Filter, PurgeState};
use roan::outbox::Waits;
use roan::testing::Recorder;
use roan::{Cache, Outcome, Roan, RoanBuilder};
use roan_tests::{Behaviour, Faulty, wait};

use crate::pages::{connect, keys, pages, tag, url};
use crate::support::{Client, Database, LONG, builder, builder_for, flush, on_each_database, urls};

on_each_database!(
    a_delivery_of_a_newer_kind_is_left_to_a_newer_version,
    deliveries_of_a_newer_kind_do_not_keep_a_node_down,
    a_delivery_of_a_newer_kind_is_dead_by_its_age_alone,
    a_delivery_of_a_site_or_kind_that_only_another_version_has_waits_for_it,
    a_page_of_a_newer_kind_is_purged_by_a_newer_version,
    a_page_of_a_newer_kind_is_not_forgotten,
    the_history_shows_what_can_be_read,
);

/// As texts of the column `target`.
const NEWER: [&str; 3] = [
    r#"{"variant":"/b"}"#,
    r#"{"url":"/b","variant":"phone"}"#,
    r#"{"url":"/b","next":[{"variant":"/b"}]}"#,
];

const LEFT: &str =
    "SELECT count(*) FROM {}delivery WHERE state = 0 AND attempts = 1 AND relay <> 0";
const DEAD: &str = "SELECT count(*) FROM {}delivery WHERE state = 3";

async fn put(client: &mut Client, node: &str, target: &str, more: &str) {
    let (columns, values) = more.split_once('=').unwrap_or_default();
    client
        .run(&format!(
            "INSERT INTO {{}}delivery (purge_id, cache, node, target, created_ms{columns}) \
             VALUES (7, {node}, '{target}', 1{values})"
        ))
        .await;
}

/// The row of a write whose deliveries wait.
async fn put_purge(client: &mut Client, payload: &str) {
    client
        .run(&format!(
            "INSERT INTO {{}}outbox (id, payload, state) VALUES (7, '{payload}', 4)"
        ))
        .await;
}

fn with_shop(recorder: &Recorder) -> RoanBuilder {
    builder(recorder).named_site("shop", "https://shop.test")
}

const AT_RECORDER: &str = "'recorder', 'recorder'";

async fn a_delivery_of_a_newer_kind_is_left_to_a_newer_version(database: Database) {
    let (at_old, at_new) = (Recorder::new(), Recorder::new());
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    put_purge(&mut client, r#"{"v":1,"purge":["/b"]}"#).await;
    for target in NEWER {
        put(&mut client, AT_RECORDER, target, "").await;
    }
    // Nobody can read these.
    for target in ["{", r#"{"url":1}"#, r#"{"url":"/a","next":1}"#, "{}", "7"] {
        put(&mut client, AT_RECORDER, target, "").await;
    }
    put(&mut client, AT_RECORDER, r#""/new""#, "").await;
    put(&mut client, AT_RECORDER, r#""/failed""#, ", attempts=, 2").await;
    let old = builder(&at_old).outbox(outbox.clone()).build().unwrap();
    client.wait_for_count(LEFT, NEWER.len() as i64).await;
    client.wait_for_count(DEAD, 5).await;
    // It does not wait for them, and others are not held up.
    flush(&old).await;
    assert_eq!(urls(&at_old), ["/failed", "/new"]);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let soon = now + 5 * 60 * 1000;
    let due = format!("{LEFT} AND due_ms > 0 AND due_ms <= {soon}");
    client.wait_for_count(&due, NEWER.len() as i64).await;
    let status = old.outbox().status().await.unwrap();
    assert_eq!(status.nodes[0].left, NEWER.len() as u64, "{status:?}");
    let waiting = old.outbox().waiting(10).await.unwrap();
    for (waiting, target) in waiting.iter().zip(NEWER) {
        assert_eq!((waiting.state, &*waiting.target), (Waits::Left, target));
        let error = waiting.error.as_deref().unwrap();
        assert!(error.contains(r#"the key "variant""#), "{error}");
    }

    // It is not looked at again and again, due or not.
    client
        .run_beside_a_relay("UPDATE {}delivery SET error = 'untouched', due_ms = 0 WHERE state = 0")
        .await;
    for number in 0..3 {
        let target = format!(r#""/later/{number}""#);
        put(&mut client, AT_RECORDER, &target, ", attempts=, 1").await;
        let later = "SELECT count(*) FROM {}delivery WHERE target LIKE '%later%'";
        client.wait_for_count(later, 0).await;
    }
    let untouched = "SELECT count(*) FROM {}delivery WHERE error = 'untouched'";
    assert_eq!(client.count(untouched).await, NEWER.len() as i64);

    // What a newer version can read.
    client
        .run_beside_a_relay(
            r#"UPDATE {}delivery SET target = '"/b"' WHERE target = '{"variant":"/b"}'"#,
        )
        .await;
    let new = with_shop(&at_new).outbox(outbox).build().unwrap();
    client.wait_for_count(LEFT, NEWER.len() as i64 - 1).await;
    client.wait_for_count(untouched, 0).await;
    assert_eq!(urls(&at_new), ["/b"]);
    // A person who queues dead ones again does not lose what was left.
    client
        .run_beside_a_relay("UPDATE {}delivery SET state = 3")
        .await;
    assert_eq!(new.outbox().requeue_all().await, Ok(7));
    client.wait_for_count(LEFT, NEWER.len() as i64 - 1).await;
}

async fn deliveries_of_a_newer_kind_do_not_keep_a_node_down(database: Database) {
    const MANY: usize = 100;
    let node = Faulty::start(Behaviour::Close);
    let outbox = database.outbox().await.poll(Duration::from_secs(1));
    let mut client = database.client().await;
    put_purge(&mut client, r#"{"v":1,"purge":["/a"]}"#).await;
    let roan = builder_for(roan::Nginx::at(&node.purge_url()).unwrap())
        .outbox(outbox)
        .build()
        .unwrap();
    let name = format!("'nginx', '{}'", node.addr());
    for number in 0..10 {
        client.save(&roan, &number.to_string()).await;
    }
    wait::until(LONG, "the node to be down", || roan.stats().nodes[0].down);
    let mut rows = Vec::new();
    for number in 0..MANY {
        rows.push(format!(r#"(7, {name}, '{{"variant":"/{number}"}}', 1)"#));
    }
    client
        .run(&format!(
            "INSERT INTO {{}}delivery (purge_id, cache, node, target, created_ms) VALUES {}",
            rows.join(", ")
        ))
        .await;
    node.set(Behaviour::Purged);
    // One of them at each look, which is once a second, would take longer than this waits.
    client.wait_for_count(LEFT, MANY as i64).await;
    client
        .wait_for_count("SELECT count(*) FROM {}delivery", MANY as i64)
        .await;
}

async fn a_delivery_of_a_newer_kind_is_dead_by_its_age_alone(database: Database) {
    let recorder = Recorder::new();
    // No version is waited for, and one attempt is enough.
    let outbox = database.outbox().await.grace_period(Duration::ZERO);
    let outbox = outbox.max_attempts(1);
    let mut client = database.client().await;
    put_purge(&mut client, r#"{"v":1,"purge":["/b"]}"#).await;
    put(&mut client, AT_RECORDER, NEWER[0], "").await;
    let site = r#"{"site":"shop","url":"/b"}"#;
    put(&mut client, AT_RECORDER, site, "").await;
    let build = |max_age| builder(&recorder).max_age(max_age).outbox(outbox.clone());
    let day = Duration::from_secs(86_400);
    let roan = build(day).build().unwrap();
    client.wait_for_count(LEFT, 2).await;
    let _ = roan.shutdown(LONG).await;
    assert_eq!(client.count(DEAD).await, 0);

    let roan = build(Duration::from_millis(1)).build().unwrap();
    let mut reports = roan.subscribe();
    client.wait_for_count(DEAD, 2).await;
    let dead = roan.outbox().dead(10).await.unwrap();
    let errors: Vec<_> = dead.iter().map(|dead| &*dead.error).collect();
    assert!(errors[0].contains(r#"the key "variant""#), "{errors:?}");
    assert!(errors[1].contains(r#"site "shop""#), "{errors:?}");
    let report = reports.next().await.unwrap();
    assert!(matches!(report.outcome, Outcome::Refused(_)), "{report:?}");
}

async fn a_delivery_of_a_site_or_kind_that_only_another_version_has_waits_for_it(
    database: Database,
) {
    let (at_old, at_new) = (Recorder::new(), Recorder::new());
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    put_purge(&mut client, r#"{"v":2,"purge":[{"host":true}]}"#).await;
    for target in [r#"{"site":"shop","url":"/a"}"#, r#"{"host":true}"#] {
        put(&mut client, AT_RECORDER, target, "").await;
    }
    let cache = Cache::new("recorder").node("recorder", at_old.clone());
    let _old = Roan::builder()
        .cache(cache)
        .outbox(outbox.clone())
        .build()
        .unwrap();
    client.wait_for_count(LEFT, 2).await;
    let errors = client
        .texts("SELECT error FROM {}delivery ORDER BY id")
        .await;
    assert!(errors[0].contains(r#"site "shop""#), "{errors:?}");
    assert!(errors[1].contains("cannot now"), "{errors:?}");
    client
        .run_beside_a_relay("UPDATE {}delivery SET due_ms = 0")
        .await;
    let _new = with_shop(&at_new).outbox(outbox).build().unwrap();
    client
        .wait_for_count("SELECT count(*) FROM {}delivery", 0)
        .await;
    assert_eq!(urls(&at_new), ["/a at site shop", "host"]);
    assert_eq!(urls(&at_old), [""; 0]);
}

async fn a_page_of_a_newer_kind_is_purged_by_a_newer_version(database: Database) {
    let recorder = Recorder::new();
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    let mut store = connect(&outbox).await;
    let carried = keys(&["x"]);
    let (readable, other) = (url("/a"), url("/b"));
    for page in [&readable, &other] {
        assert_eq!(store.learn(&[(page, &carried)]).await.unwrap(), [true]);
    }
    let rename =
        r#"UPDATE {}page SET target = '{"url":"/b","variant":"phone"}' WHERE target = '"/b"'"#;
    client.run(rename).await;
    client.run("UPDATE {}epoch SET in_use = 1").await;
    client
        .run(r#"INSERT INTO {}outbox (payload) VALUES ('{"v":1,"purge":[{"tag":"x"}]}')"#)
        .await;
    let build = |grace| {
        let cache = Cache::new("recorder").node("recorder", recorder.clone());
        let outbox = outbox.clone().grace_period(grace);
        let builder = Roan::builder().cache(cache).rebound(None).outbox(outbox);
        builder.build().unwrap()
    };
    let roan = build(Duration::from_secs(600));
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 5", 1)
        .await;
    assert_eq!(urls(&recorder), ["/a"]);
    let _ = roan.shutdown(LONG).await;
    // Nobody comes.
    let roan = build(Duration::from_millis(1));
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 3", 1)
        .await;
    let dead = roan.outbox().dead(10).await.unwrap();
    assert!(dead[0].error.contains(r#"the key "variant""#), "{dead:?}");
}

async fn a_page_of_a_newer_kind_is_not_forgotten(database: Database) {
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    let mut store = connect(&outbox).await;
    let carried = keys(&["x"]);
    for number in 0..6 {
        let page = url(&format!("/{number}"));
        assert_eq!(store.learn(&[(&page, &carried)]).await.unwrap(), [true]);
        let kind = if number < 2 || number == 5 {
            "url"
        } else {
            "variant"
        };
        client
            .run(&format!(
                r#"UPDATE {{}}page SET target = '{{"{kind}":"/{number}"}}', seen_ms = {number} WHERE target = '"/{number}"'"#
            ))
            .await;
    }
    // The newest is kept; the next three cannot be read, and are not in the way of the two behind them.
    let forgotten =
        async |store: &mut roan::__private::index::Store| store.forget(1, 2).await.unwrap();
    assert_eq!(forgotten(&mut store).await, 1);
    assert_eq!(forgotten(&mut store).await, 1);
    assert_eq!(forgotten(&mut store).await, 0);
    let left = client
        .texts("SELECT target FROM {}page ORDER BY seen_ms")
        .await;
    assert_eq!(
        left,
        [
            r#"{"variant":"/2"}"#,
            r#"{"variant":"/3"}"#,
            r#"{"variant":"/4"}"#,
            r#"{"url":"/5"}"#
        ]
    );
    assert_eq!(pages(&mut store, &tag("x")).await, ["/5"]);
    let purged = "SELECT count(*) FROM {}outbox WHERE payload LIKE '%/0%' OR payload LIKE '%/1%'";
    assert_eq!(client.count(purged).await, 2);
}

async fn the_history_shows_what_can_be_read(database: Database) {
    let recorder = Recorder::new();
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    let payload = r#"{"v":9,"purge":[{"variant":"/b"},"/a","/c"],"by":[
        {"call":"src/a.rs:1","of":[0]},{"call":"src/b.rs:2","of":[1]},{"schedule":"nightly","event":"update","of":[2]}]}"#;
    let history = [
        r#"{"cache":"nginx","node":"n","result":"purged","of":[1]}"#,
        r#"{"cache":"nginx","node":"n","result":"failed","problem":"status 500","of":[0]}"#,
    ];
    client
        .run(&format!(
            "INSERT INTO {{}}outbox (payload, state, ended_ms, history) VALUES ('{payload}', 2, 99999999999999, '{}')",
            history.join("\n")
        ))
        .await;
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    let filter = Filter::new().target(url("/a"));
    let found = roan.outbox().history(&filter).await.unwrap();
    let [purge] = &*found else {
        panic!("{found:?}");
    };
    assert_eq!(purge.state, PurgeState::Done);
    assert_eq!(purge.targets, [url("/a"), url("/c")]);
    let problem = purge.error.as_deref().unwrap();
    assert!(problem.contains("version 9"), "{problem}");
    let causes: Vec<_> = purge
        .causes
        .iter()
        .map(|one| (one.file(), one.targets()))
        .collect();
    let expected: [(_, &[usize]); 2] = [("src/b.rs", &[0]), ("", &[1])];
    assert_eq!(causes, expected);
    let [purged, failed] = &*purge.answers else {
        panic!("{purge:?}");
    };
    assert_eq!(
        (purged.result, &*purged.targets),
        (AnswerKind::Purged, &[0][..])
    );
    assert!(
        failed.other_urls,
        "it is not about what was read: {failed:?}"
    );
}
