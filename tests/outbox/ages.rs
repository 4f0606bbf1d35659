//! What waited while no program ran is tried before it is given up.

use std::time::Duration;

use roan::Roan;
use roan_tests::{Behaviour, Faulty, wait};

use crate::support::{Database, on_each_database};

on_each_database!(
    what_became_too_old_while_nothing_ran_gets_its_attempts,
    what_is_too_old_after_its_attempts_is_dead,
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
    let short = Duration::from_millis(20);
    Roan::builder()
        .cache(roan::Nginx::at(&node.purge_url()).unwrap())
        .rebound(None)
        .backoff(short, 5 * short)
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
