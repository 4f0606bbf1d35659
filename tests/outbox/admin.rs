//! Administration of an outbox from outside of the programs that use it.

use std::time::{Duration, SystemTime};

use roan::outbox::{Admin, DeadPurge, Dialect, Filter, OutboxError, Waits};
use roan::testing::Recorder;
use roan::{Nginx, Roan};
use roan_tests::{Behaviour, Faulty};

use crate::support::{Client, Database, flush, on_each_database, urls};

on_each_database!(
    status_counts_what_waits_and_what_is_dead,
    dead_purges_are_picked_by_all_that_a_filter_asks_for,
    dead_purges_are_listed_in_pages,
    thousands_of_dead_purges_are_listed_counted_and_dropped,
    what_is_dead_is_queued_again_once,
    what_dies_again_while_it_is_queued_is_left_out,
    what_waits_is_listed,
    what_was_purged_since_a_time_is_counted_and_sent_again,
    tables_that_cannot_be_used_are_said_to_be_so,
    a_connection_that_was_lost_is_made_again,
);

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn admin(database: &Database) -> (Admin, Client) {
    let outbox = database.outbox().await;
    let admin = outbox.admin().await.unwrap();
    (admin, database.client().await)
}

/// A delivery, written so many hours ago.
async fn delivery(
    client: &mut Client,
    state: i64,
    (cache, node): (&str, &str),
    target: &str,
    error: &str,
    hours: i64,
) {
    let error = match error {
        "" => "NULL".to_owned(),
        error => format!("'{error}'"),
    };
    let created = format!("{} - {hours} * 3600000", now(client.dialect()));
    let sql = format!(
        "INSERT INTO {{}}delivery (purge_id, cache, node, target, created_ms, state, attempts, error) \
         VALUES (1, '{cache}', '{node}', '{target}', {created}, {state}, 2, {error})"
    );
    client.run(&sql).await;
}

/// The row of a write.
async fn row(client: &mut Client, state: i64, payload: &str, error: &str) {
    let ended = i64::from(state != 0);
    let sql = format!(
        "INSERT INTO {{}}outbox (payload, state, error, ended_ms) VALUES ('{payload}', {state}, '{error}', {ended})"
    );
    client.run(&sql).await;
}

/// Milliseconds since 1970, by the database's clock.
fn now(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        Dialect::MySql => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
        _ => "CAST((julianday('now') - 2440587.5) * 86400000 AS integer)",
    }
}

async fn dead_ones(client: &mut Client) {
    let (a, b, cdn) = (("nginx", "a"), ("nginx", "b"), ("cdn", "zone"));
    delivery(client, 3, a, r#""/posts/1""#, "timed out", 30).await;
    delivery(client, 3, a, r#""/posts/2""#, "failed: status 503", 20).await;
    delivery(client, 3, b, r#""/posts/1""#, "timed out", 10).await;
    delivery(client, 3, cdn, r#"{"tag":"news"}"#, "refused: token", 1).await;
    row(client, 3, "nonsense /posts/", "expected value").await;
}

fn targets(dead: &[DeadPurge]) -> Vec<String> {
    dead.iter()
        .map(|purge| format!("{} {}", purge.node, purge.target))
        .collect()
}

async fn status_counts_what_waits_and_what_is_dead(database: Database) {
    let (admin, mut client) = admin(&database).await;
    let empty = admin.status().await.unwrap();
    assert_eq!((empty.schema, empty.nodes.len()), (Some(1), 0));
    assert_eq!((empty.oldest, empty.kept, empty.relays), (None, None, 0));
    dead_ones(&mut client).await;
    delivery(&mut client, 0, ("nginx", "a"), r#""/a""#, "", 5).await;
    delivery(&mut client, 1, ("nginx", "a"), r#""/b""#, "newest", 2).await;
    for state in [0, 0, 1, 2, 4, 5] {
        row(&mut client, state, "{}", "").await;
    }
    let status = admin.status().await.unwrap();
    let counts = (status.waiting, status.taken, status.left, status.dead);
    assert_eq!(counts, (2, 1, 1, 1));
    assert_eq!((status.deliveries(), status.all_dead()), (2, 5));
    assert!(status.kept.unwrap() > 1000 * HOUR, "since 1970");
    assert!(status.oldest.unwrap() < HOUR);
    let nodes: Vec<_> = status
        .nodes
        .iter()
        .map(|node| (&*node.cache, &*node.node, node.waiting, node.dead))
        .collect();
    assert_eq!(
        nodes,
        [
            ("cdn", "zone", 0, 1),
            ("nginx", "a", 2, 2),
            ("nginx", "b", 0, 1)
        ]
    );
    let a = &status.nodes[1];
    assert_eq!(a.last_error.as_deref(), Some("newest"));
    assert_eq!(a.oldest.unwrap().as_secs() / 3600, 5);
    assert_eq!((a.paused, a.seen), (None, None));
    let last = status.nodes[0].last_error.as_deref();
    assert_eq!(last, Some("refused: token"));
}

async fn dead_purges_are_picked_by_all_that_a_filter_asks_for(database: Database) {
    let (admin, mut client) = admin(&database).await;
    dead_ones(&mut client).await;
    let all = Filter::new;
    for (filter, count) in [
        (all(), 5),
        (all().cache("nginx"), 3),
        (all().cache("nginx").node("b"), 1),
        (all().cache("Nginx"), 0),
        (all().target("/posts/"), 4),
        (all().target("/Posts/"), 0),
        (all().target("%"), 0),
        (all().error("timed out").target("/posts/1"), 2),
        (all().older_than(15 * HOUR), 2),
        (all().newer_than(15 * HOUR), 3),
        (all().newer_than(15 * HOUR).older_than(5 * HOUR), 1),
        (all().ids([]), 0),
        (all().error("'; DROP TABLE x; --"), 0),
    ] {
        let dead = admin.dead(&filter).await.unwrap();
        assert_eq!(dead.len(), count, "{filter:?}: {:?}", targets(&dead));
        assert!(
            dead.iter()
                .all(|purge| purge.attempts == if purge.id > 0 { 2 } else { 0 })
        );
        assert_eq!(
            admin.count_dead(&filter).await,
            Ok(count as u64),
            "{filter:?}"
        );
        let ids: Vec<_> = dead.iter().map(|purge| purge.id).collect();
        assert_eq!(admin.count_dead(all().ids(ids)).await, Ok(count as u64));
    }
    // What the filter does not pick stays.
    assert_eq!(
        admin.discard(all().error("timed out").node("a")).await,
        Ok(1)
    );
    assert_eq!(admin.requeue(all().cache("cdn")).await, Ok(1));
    let left = admin.dead(all()).await.unwrap();
    let left = targets(&left);
    assert_eq!(
        left,
        ["a \"/posts/2\"", "b \"/posts/1\"", " nonsense /posts/"]
    );
    assert_eq!(admin.discard(all().limit(2)).await, Ok(2));
    assert_eq!(admin.count_dead(all()).await, Ok(1));
}

async fn dead_purges_are_listed_in_pages(database: Database) {
    let (admin, mut client) = admin(&database).await;
    for number in 0..7 {
        delivery(
            &mut client,
            3,
            ("nginx", "a"),
            &format!("\"/{number}\""),
            "x",
            1,
        )
        .await;
    }
    for number in 7..10 {
        row(&mut client, 3, &format!("\"/{number}\""), "x").await;
    }
    for newest_first in [false, true] {
        let mut filter = Filter::new().limit(3);
        if newest_first {
            filter = filter.newest_first();
        }
        let mut seen = Vec::new();
        loop {
            let page = admin.dead(&filter).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= 3);
            filter = filter.after(last.id);
            seen.extend(
                page.iter()
                    .map(|purge| purge.target.replace(['"', '/'], "")),
            );
        }
        let expected = if newest_first {
            "6543210987"
        } else {
            "0123456789"
        };
        assert_eq!(seen.concat(), expected);
    }
}

async fn thousands_of_dead_purges_are_listed_counted_and_dropped(database: Database) {
    let (admin, mut client) = admin(&database).await;
    delivery(&mut client, 3, ("nginx", "a"), "\"/x\"", "x", 1).await;
    // Many times what one statement drops.
    for _ in 0..14 {
        client
            .run(
                "INSERT INTO {}delivery (purge_id, cache, node, target, created_ms, state, attempts, error) \
                 SELECT purge_id, cache, node, target, created_ms, state, attempts, error FROM {}delivery",
            )
            .await;
    }
    let all = 1 << 14;
    assert_eq!(admin.count_dead(Filter::new()).await, Ok(all));
    let last = admin
        .dead(Filter::new().newest_first().limit(50))
        .await
        .unwrap();
    assert_eq!(last.len(), 50);
    let next = Filter::new().limit(50).after(last[49].id - 1000);
    assert_eq!(admin.dead(next).await.unwrap().len(), 50);
    // The first half by age, while the program saves.
    let older = Filter::new().ids(last.iter().map(|purge| purge.id));
    assert_eq!(admin.requeue(older).await, Ok(50));
    let dropping = admin.discard(Filter::new());
    let saving = async {
        for number in 0..20 {
            client
                .run(&format!(
                    "INSERT INTO {{}}outbox (payload) VALUES ('{number}')"
                ))
                .await;
        }
    };
    let (dropped, ()) = tokio::join!(dropping, saving);
    assert_eq!(dropped, Ok(all - 50));
    assert_eq!(admin.count_dead(Filter::new()).await, Ok(0));
    client
        .wait_for_count("SELECT count(*) FROM {}outbox", 20)
        .await;
}

async fn what_is_dead_is_queued_again_once(database: Database) {
    let recorder = Recorder::new();
    let (admin, mut client) = admin(&database).await;
    let roan = database.roan(&recorder).await;
    let node = roan.stats().nodes[0].clone();
    let place = (&*node.cache, &*node.node);
    for target in ["\"/a\"", "\"/b\"", "\"/a b\""] {
        delivery(&mut client, 3, place, target, "x", 1).await;
    }
    // Those that cannot be read die again, with the same ids.
    for number in 0..3 {
        row(&mut client, 3, &format!("nonsense {number}"), "x").await;
    }
    assert_eq!(admin.requeue(Filter::new()).await, Ok(6));
    client
        .wait_for_count(
            "SELECT (SELECT count(*) FROM {}outbox WHERE state = 3) \
             + (SELECT count(*) FROM {}delivery WHERE state = 3)",
            4,
        )
        .await;
    flush(&roan).await;
    assert_eq!(urls(&recorder), ["/a", "/b"]);
}

async fn what_dies_again_while_it_is_queued_is_left_out(database: Database) {
    let node = Faulty::start(Behaviour::Answer(403, Vec::new()));
    let (admin, mut client) = admin(&database).await;
    let _roan = Roan::builder()
        .cache(Nginx::at(&node.purge_url()).unwrap())
        .outbox(database.outbox().await)
        .build()
        .unwrap();
    let addr = node.addr();
    let values: Vec<_> = (0..3500)
        .map(|number| format!("(1, 'nginx', '{addr}', '\"/{number}\"', 1, 3)"))
        .collect();
    client
        .run(&format!(
            "INSERT INTO {{}}delivery (purge_id, cache, node, target, created_ms, state) VALUES {}",
            values.join(", ")
        ))
        .await;
    assert_eq!(admin.requeue(Filter::new()).await, Ok(3500));
    client
        .wait_for_count("SELECT count(*) FROM {}delivery WHERE state = 3", 3500)
        .await;
}

async fn what_waits_is_listed(database: Database) {
    let (admin, mut client) = admin(&database).await;
    delivery(&mut client, 0, ("nginx", "a"), r#""/a""#, "timed out", 2).await;
    delivery(&mut client, 1, ("nginx", "b"), r#""/b""#, "", 1).await;
    delivery(&mut client, 3, ("nginx", "b"), r#""/c""#, "dead", 1).await;
    row(&mut client, 0, r#"{"v":1,"purge":["/d"]}"#, "").await;
    row(&mut client, 5, "left", "an unknown site").await;
    row(&mut client, 2, "{}", "").await;
    let waiting = admin.waiting(Filter::new()).await.unwrap();
    let shown: Vec<_> = waiting
        .iter()
        .map(|purge| {
            (
                &*purge.node,
                &*purge.target,
                purge.state,
                purge.error.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("a", r#""/a""#, Waits::Waiting, Some("timed out")),
            ("b", r#""/b""#, Waits::Taken, None),
            ("", r#"{"v":1,"purge":["/d"]}"#, Waits::Waiting, None),
            ("", "left", Waits::Left, Some("an unknown site")),
        ]
    );
    assert_eq!(waiting[0].age.as_secs() / 3600, 2);
    assert_eq!((waiting[0].attempts, waiting[2].attempts), (2, 0));
    assert!(waiting[2].id < 0);
    let next = Filter::new().after(waiting[1].id).limit(1);
    let next = admin.waiting(next).await.unwrap();
    assert_eq!((next.len(), next[0].id), (1, waiting[2].id));
    let of_node = admin.waiting(Filter::new().node("b")).await.unwrap();
    assert_eq!(of_node.len(), 1);
}

async fn what_was_purged_since_a_time_is_counted_and_sent_again(database: Database) {
    let recorder = Recorder::new();
    let (admin, mut client) = admin(&database).await;
    let roan = database.roan(&recorder).await;
    for slug in ["a", "b", "a"] {
        client.save(&roan, slug).await;
    }
    flush(&roan).await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 3)
        .await;
    let before = recorder.requests().len();
    let an_hour_ago = SystemTime::now() - HOUR;
    assert_eq!(admin.count_since(an_hour_ago).await, Ok(2));
    assert_eq!(roan.outbox().count_since(an_hour_ago).await, Ok(2));
    assert!(admin.status().await.unwrap().kept.unwrap() < HOUR);
    assert_eq!(admin.purge_since(an_hour_ago).await, Ok(2));
    flush(&roan).await;
    assert!(recorder.requests().len() > before);
}

async fn tables_that_cannot_be_used_are_said_to_be_so(database: Database) {
    let bare = database.bare_outbox();
    let _ = database.client().await;
    let error = bare.admin().await.unwrap_err();
    assert!(matches!(error, OutboxError::Missing(_)), "{error}");
    let (admin, mut client) = admin(&database).await;
    let error = admin.pause("nginx", "a").await.unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("\"nginx a\"") && words.contains("none"),
        "{words}"
    );
    assert!(bare.clone().prefix("no prefix").admin().await.is_err());
    client.run("UPDATE {}schema SET version = 99").await;
    let error = bare.admin().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the outbox has schema version 99, and this version of Roan supports 1: update the program"
    );
}

async fn a_connection_that_was_lost_is_made_again(database: Database) {
    let Some(mut server) = database.own_server() else {
        return;
    };
    let outbox = server.database.outbox().await;
    let admin = outbox.admin().await.unwrap();
    server.kill();
    let error = admin.status().await.unwrap_err();
    assert!(!error.to_string().is_empty());
    assert!(admin.status().await.is_err());
    server.restart();
    roan_tests::wait::until_async(roan_tests::wait::LONG, "a connection", async || {
        admin.status().await.is_ok()
    })
    .await;
}
