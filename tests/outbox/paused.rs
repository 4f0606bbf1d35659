//! Nodes that are paused, for all programs that use the outbox.

use std::time::Duration;

use roan::outbox::{Admin, Filter};
use roan::{Nginx, Roan};
use roan_tests::{Behaviour, Faulty, wait};

use crate::support::{Database, flush, on_each_database, two_nodes};

on_each_database!(
    no_instance_purges_a_paused_node_until_it_is_resumed,
    what_waits_for_a_paused_node_does_not_die_of_age,
    the_next_cache_is_purged_at_once_and_again,
    what_waits_for_a_paused_node_that_was_removed_stays,
    a_program_pauses_its_own_nodes,
);

const WAITING: &str = "SELECT count(*) FROM {}delivery WHERE state = 0";

fn is_paused(roan: &Roan, node: &str) -> bool {
    let stats = roan.stats();
    let found = stats.nodes.iter().find(|known| *known.node == *node);
    found.expect("the node is there").paused.is_some()
}

fn until_paused(roan: &Roan, is: bool) {
    let what = if is { "the pause" } else { "its end" };
    wait::until(wait::LONG, what, || is_paused(roan, "second") == is);
}

async fn status_of(admin: &Admin, node: &str) -> roan::outbox::NodeStatus {
    let status = admin.status().await.unwrap();
    let mut nodes = status.nodes.into_iter();
    nodes
        .find(|known| known.node == node)
        .expect("the node is there")
}

async fn no_instance_purges_a_paused_node_until_it_is_resumed(database: Database) {
    let first = Faulty::start(Behaviour::Purged);
    let second = Faulty::start(Behaviour::Purged);
    let start = async || {
        let outbox = database.outbox().await;
        two_nodes(&first, &second).outbox(outbox).build().unwrap()
    };
    let (one, other) = (start().await, start().await);
    let mut client = database.client().await;
    let admin = database.outbox().await.admin().await.unwrap();
    assert!(status_of(&admin, "second").await.seen.is_some());
    assert_eq!(admin.pause("nginx", "second").await, Ok(true));
    assert_eq!(admin.pause("nginx", "second").await, Ok(false));
    let error = admin
        .pause("nginx", "secund")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("\"nginx secund\"") && error.contains("\"nginx second\""),
        "{error}"
    );
    until_paused(&one, true);
    until_paused(&other, true);
    assert!(!is_paused(&one, &first.addr().to_string()));
    for slug in ["a", "b"] {
        client.save(&one, slug).await;
    }
    client.save(&other, "c").await;
    // In memory, too.
    one.purge("/memory").unwrap();
    first.wait_for(5);
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 4", 3)
        .await;
    // A restart does not end it.
    let left = other.shutdown(Duration::ZERO).await;
    drop(left);
    let other = start().await;
    assert!(is_paused(&other, "second"), "before anything is sent");
    client.save(&other, "d").await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 4", 4)
        .await;
    assert_eq!(second.count(), 0);
    let paused = status_of(&admin, "second").await;
    assert!(paused.paused.is_some() && paused.waiting >= 4, "{paused:?}");
    assert_eq!((paused.dead, paused.last_error), (0, None));
    assert_eq!(one.stats().nodes[1].failed, 0);
    assert_eq!(one.stats().nodes[1].pending, 1);
    let left = one.flush(Duration::from_millis(50)).await;
    assert!(left.nodes[0].paused, "{left}");
    assert!(left.to_string().contains("which is paused"), "{left}");
    let waiting = admin.waiting(Filter::new().node("second")).await.unwrap();
    assert!(
        waiting.iter().all(|purge| purge.attempts == 0),
        "{waiting:?}"
    );

    assert_eq!(admin.resume("nginx", "second").await, Ok(true));
    assert_eq!(admin.resume("nginx", "second").await, Ok(false));
    until_paused(&one, false);
    flush(&one).await;
    flush(&other).await;
    client
        .wait_for_count("SELECT count(*) FROM {}delivery", 0)
        .await;
    let mut purged: Vec<_> = second
        .requests()
        .iter()
        .map(|request| request.target.clone())
        .collect();
    purged.sort();
    purged.dedup();
    assert_eq!(
        purged,
        [
            "/purge/memory",
            "/purge/posts",
            "/purge/posts/a",
            "/purge/posts/b",
            "/purge/posts/c",
            "/purge/posts/d"
        ]
    );
}

async fn what_waits_for_a_paused_node_does_not_die_of_age(database: Database) {
    let first = Faulty::start(Behaviour::Purged);
    let second = Faulty::start(Behaviour::Purged);
    let mut client = {
        let _ = database.outbox().await;
        database.client().await
    };
    // It is known from before, and is paused before this program starts.
    client
        .run("INSERT INTO {}node (cache, node, seen_ms) VALUES ('nginx', 'second', 0)")
        .await;
    let admin = database.outbox().await.admin().await.unwrap();
    assert_eq!(admin.pause("nginx", "second").await, Ok(true));
    for node in ["second", "elsewhere"] {
        client
            .run(&format!(
                "INSERT INTO {{}}delivery (purge_id, cache, node, target, created_ms) \
                 VALUES (0, 'nginx', '{node}', '\"/{node}\"', 1000)"
            ))
            .await;
    }
    let roan = two_nodes(&first, &second)
        .max_age(Duration::from_millis(1))
        .outbox(database.outbox().await)
        .build()
        .unwrap();
    // The one for a node that is not paused becomes dead by the same statement.
    client
        .wait_for_count(
            "SELECT count(*) FROM {}delivery WHERE node = 'elsewhere' AND state = 3",
            1,
        )
        .await;
    client.wait_for_count(WAITING, 1).await;
    let before = status_of(&admin, "second").await.oldest.unwrap();
    // As if it had been paused for a year.
    client
        .run_beside_a_relay(
            "UPDATE {}node SET paused_ms = paused_ms - 31536000000 WHERE node = 'second'",
        )
        .await;
    assert_eq!(second.count(), 0);
    second.set(Behaviour::Hang);
    assert_eq!(admin.resume("nginx", "second").await, Ok(true));
    second.wait_for(1);
    let after = client
        .count("SELECT max(created_ms) FROM {}delivery WHERE node = 'second'")
        .await;
    let year = Duration::from_millis(u64::try_from(after - 1000).unwrap());
    assert!(
        before > year && year >= Duration::from_secs(365 * 86400),
        "{year:?} of {before:?}"
    );
    second.set(Behaviour::Purged);
    flush(&roan).await;
}

async fn the_next_cache_is_purged_at_once_and_again(database: Database) {
    let origin = Faulty::start(Behaviour::Purged);
    let edge = Faulty::start(Behaviour::Purged);
    let cache = |name: &str, node: &Faulty| Nginx::at(&node.purge_url()).unwrap().name(name);
    let roan = Roan::builder()
        .cache(cache("origin", &origin))
        .cache(cache("edge", &edge))
        .rebound(None)
        .outbox(database.outbox().await)
        .build()
        .unwrap();
    let outbox = roan.outbox();
    let node = origin.addr().to_string();
    assert_eq!(outbox.pause("origin", &node).await, Ok(true));
    wait::until(wait::LONG, "the pause", || is_paused(&roan, &node));
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    edge.wait_for(2);
    client.wait_for_count(WAITING, 2).await;
    assert_eq!(origin.count(), 0);
    assert_eq!(outbox.resume("origin", &node).await, Ok(true));
    origin.wait_for(2);
    // It may have got its pages from the stale origin meanwhile.
    edge.wait_for(4);
    flush(&roan).await;
}

async fn what_waits_for_a_paused_node_that_was_removed_stays(database: Database) {
    let first = Faulty::start(Behaviour::Purged);
    let mut client = {
        let _ = database.outbox().await;
        database.client().await
    };
    let deliver = |node: &str| {
        format!(
            "INSERT INTO {{}}delivery (purge_id, cache, node, target, created_ms) \
             VALUES (0, 'nginx', '{node}', '\"/a\"', 4000000000000)"
        )
    };
    for node in ["second", "removed"] {
        client.run(&deliver(node)).await;
    }
    client
        .run(
            "INSERT INTO {}node (cache, node, seen_ms, paused_ms) VALUES ('nginx', 'second', 1, 1)",
        )
        .await;
    let roan = Roan::builder()
        .cache(Nginx::at(&first.purge_url()).unwrap())
        .outbox(database.outbox().await.grace_period(Duration::ZERO))
        .build()
        .unwrap();
    // Twice, so that a whole look has seen both.
    let left = "SELECT count(*) FROM {}delivery WHERE node = 'removed'";
    client.wait_for_count(left, 0).await;
    client.run(&deliver("removed")).await;
    client.wait_for_count(left, 0).await;
    client.wait_for_count(WAITING, 1).await;
    assert_eq!(roan.outbox().resume("nginx", "second").await, Ok(true));
    client.wait_for_count(WAITING, 0).await;
}

async fn a_program_pauses_its_own_nodes(database: Database) {
    let first = Faulty::start(Behaviour::Purged);
    let second = Faulty::start(Behaviour::Purged);
    let outbox = database.outbox().await.poll(Duration::from_secs(3600));
    let roan = two_nodes(&first, &second).outbox(outbox).build().unwrap();
    let error = roan.pause("nginx", "second").unwrap_err();
    assert!(error.to_string().contains("roan.outbox().pause"), "{error}");
    assert_eq!(roan.outbox().pause("nginx", "second").await, Ok(true));
    // It does not wait for the next look, which would come in an hour.
    until_paused(&roan, true);
    let status = roan.outbox().status().await.unwrap();
    assert!(status.nodes.iter().any(|node| node.paused.is_some()));
    assert_eq!(roan.outbox().resume("nginx", "second").await, Ok(true));
    until_paused(&roan, false);
}
