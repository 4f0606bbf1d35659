//! What waited while no program ran is tried before it is given up; and what is given up says when and why.

use std::time::Duration;

use roan::Roan;
use roan::history::{Filter, PurgeState};
use roan_tests::{Behaviour, Faulty, wait};

use crate::support::{Database, builder_for, on_each_database};

on_each_database!(
    what_became_too_old_while_nothing_ran_gets_its_attempts,
    what_is_too_old_after_its_attempts_is_dead,
    what_was_held_for_a_node_is_as_old_as_its_write,
    a_death_of_age_is_seen_when_it_comes_and_says_why,
);

const DEAD: &str = "SELECT (SELECT count(*) FROM {}outbox WHERE state = 3) \
                    + (SELECT count(*) FROM {}delivery WHERE state = 3)";

/// A write of 1970, and purges of that time that the node has not answered, or was not asked for.
async fn old_purges(database: &Database, node: &Faulty) {
    let mut client = database.client().await;
    let addr = node.addr();
    client
        .run(r#"INSERT INTO {}outbox (payload, created_ms) VALUES ('{"v":1,"purge":["/write"]}', 1000)"#)
        .await;
    for (target, attempts) in [("/failed", 1), ("/unsent", 0)] {
        client
            .run(&format!(
                "INSERT INTO {{}}delivery (purge_id, cache, node, target, created_ms, attempts) \
                 VALUES (0, 'nginx', '{addr}', '\"{target}\"', 1000, {attempts})"
            ))
            .await;
    }
}

async fn start(database: &Database, node: &Faulty, max_age: Duration) -> Roan {
    builder_for(roan::Nginx::at(&node.purge_url()).unwrap())
        .max_age(max_age)
        .outbox(database.outbox().await)
        .build()
        .unwrap()
}

async fn what_became_too_old_while_nothing_ran_gets_its_attempts(database: Database) {
    let node = Faulty::start(Behaviour::Answer(500, Vec::new()));
    let _ = database.outbox().await;
    old_purges(&database, &node).await;
    let _roan = start(&database, &node, Duration::from_secs(3600)).await;
    for target in ["/purge/write", "/purge/failed", "/purge/unsent"] {
        wait::until(wait::LONG, "three attempts", || {
            let requests = node.requests();
            let of_target = requests.iter().filter(|request| request.target == target);
            of_target.count() >= 3
        });
    }
    node.set(Behaviour::Purged);
    let mut client = database.client().await;
    client
        .wait_for_count("SELECT count(*) FROM {}delivery", 0)
        .await;
    assert_eq!(client.count(DEAD).await, 0);
}

async fn what_is_too_old_after_its_attempts_is_dead(database: Database) {
    let node = Faulty::start(Behaviour::Answer(500, Vec::new()));
    let _ = database.outbox().await;
    old_purges(&database, &node).await;
    let _roan = start(&database, &node, Duration::from_secs(1)).await;
    let mut client = database.client().await;
    client.wait_for_count(DEAD, 3).await;
}

async fn what_was_held_for_a_node_is_as_old_as_its_write(database: Database) {
    let node = Faulty::start(Behaviour::Hang);
    let hour = Duration::from_secs(3600);
    let roan = Roan::builder()
        .cache(roan::Nginx::at(&node.purge_url()).unwrap())
        .rebound(None)
        .timeout(hour)
        .backoff(hour, hour)
        .outbox(database.outbox().await)
        .build()
        .unwrap();
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    node.wait_for(2);
    node.set(Behaviour::Answer(500, Vec::new()));
    client
        .wait_for_count("SELECT count(*) FROM {}delivery WHERE attempts = 1", 2)
        .await;
    let younger = "SELECT count(*) FROM {}delivery, {}outbox \
                   WHERE {}delivery.purge_id = {}outbox.id AND {}delivery.created_ms <> {}outbox.created_ms";
    assert_eq!(client.count(younger).await, 0);
}

async fn a_death_of_age_is_seen_when_it_comes_and_says_why(database: Database) {
    let node = Faulty::start(Behaviour::Close);
    let _ = database.outbox().await;
    let mut client = database.client().await;
    client
        .run(r#"INSERT INTO {}outbox (id, payload, state, ended_ms) VALUES (-7, '{"v":1,"purge":["/a"]}', 4, 1000)"#)
        .await;
    // Of a node that no program here has.
    client
        .run(
            "INSERT INTO {}delivery (purge_id, cache, node, target, created_ms) \
             VALUES (-7, 'nginx', 'elsewhere', '\"/a\"', 1000)",
        )
        .await;
    let admin = database.outbox().await.admin().await.unwrap();
    let mut watch = admin.watch(Filter::new()).await.unwrap();
    let _roan = start(&database, &node, Duration::from_secs(1)).await;
    for number in 0..20 {
        client
            .run(&format!(
                r#"INSERT INTO {{}}outbox (payload) VALUES ('{{"v":1,"purge":["/{number}"]}}')"#
            ))
            .await;
    }
    client.wait_for_count(DEAD, 21).await;
    let reasons = client
        .texts("SELECT DISTINCT error FROM {}delivery ORDER BY error")
        .await;
    let (of_strange, of_ours): (Vec<_>, Vec<_>) = reasons
        .iter()
        .partition(|reason| reason.contains("does not have the node"));
    assert_eq!(of_strange.len(), 1, "{reasons:?}");
    for reason in of_ours {
        let is_true = reason.starts_with("failed: ")
            || reason.starts_with("never sent: the node is down, and failed last with: ");
        assert!(is_true, "{reason}");
    }
    let dead = watch.poll().await.unwrap();
    assert_eq!(dead.len(), 21);
    for purge in dead {
        assert_eq!(purge.state, PurgeState::Dead);
        let ended = purge.ended.expect("an end");
        // Not the time of an attempt, and not that of the first look.
        assert!(ended >= purge.asked, "{ended:?} {:?}", purge.asked);
        let text = format!("{:?}", purge.answers);
        assert!(text.contains("Dead"), "{text}");
    }
}
