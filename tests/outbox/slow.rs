//! A node that takes its time holds up nobody else: neither new rows nor the deliveries of other nodes.

use std::collections::HashSet;
use std::time::Duration;

use roan::Roan;
use roan_tests::{Behaviour, Faulty};

use crate::pages::{connect, keys, url};
use crate::support::{Client, Database, on_each_database};

on_each_database!(
    a_backlog_of_a_slow_node_does_not_hold_up_new_rows,
    rows_go_to_other_nodes_while_the_queue_of_a_slow_one_is_full,
    the_pages_of_a_tag_go_to_other_nodes_while_the_queue_of_a_slow_one_is_full,
);

/// More than the relay holds of one node with [`MAX_WAITING`].
const MANY: usize = 2500;
const MAX_WAITING: usize = 2000;

/// Requests that hang at the slow node.
const IN_FLIGHT: usize = 8;

async fn start(database: &Database, healthy: &Faulty, slow: &Faulty) -> Roan {
    let nginx = roan::Nginx::at(&healthy.purge_url())
        .unwrap()
        .named_node("slow", &slow.purge_url())
        .unwrap();
    Roan::builder()
        .cache(nginx)
        .rebound(None)
        .concurrency(IN_FLIGHT)
        // Late, and not down.
        .timeout(Duration::from_secs(600))
        .max_waiting(MAX_WAITING)
        .outbox(database.outbox().await)
        .build()
        .unwrap()
}

/// Inserts rows, with the numbers of `0..MANY` in them.
async fn insert(client: &mut Client, into: &str, row: impl Fn(usize) -> String) {
    for from in (0..MANY).step_by(500) {
        let rows: Vec<_> = (from..from + 500).map(&row).collect();
        client
            .run(&format!(
                "INSERT INTO {{}}{into} VALUES {}",
                rows.join(", ")
            ))
            .await;
    }
}

fn paths(node: &Faulty) -> HashSet<String> {
    let requests = node.requests().into_iter();
    requests.map(|request| request.target).collect()
}

/// Lets the slow node answer, and waits until it was asked for all of these.
async fn until_all_is_done(
    client: &mut Client,
    slow: &Faulty,
    wanted: impl Iterator<Item = String>,
) {
    slow.set(Behaviour::Purged);
    client
        .wait_for_count("SELECT count(*) FROM {}delivery", 0)
        .await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state IN (0, 1)", 0)
        .await;
    let paths = paths(slow);
    let missing: Vec<_> = wanted.filter(|path| !paths.contains(path)).collect();
    assert!(
        missing.is_empty(),
        "{} of them: {missing:.5?}",
        missing.len()
    );
}

async fn a_backlog_of_a_slow_node_does_not_hold_up_new_rows(database: Database) {
    let healthy = Faulty::start(Behaviour::Purged);
    let slow = Faulty::start(Behaviour::Hang);
    let _ = database.outbox().await;
    let mut client = database.client().await;
    let columns = "delivery (purge_id, cache, node, target, created_ms)";
    let row = |number| format!("(0, 'nginx', 'slow', '\"/old/{number}\"', 1000)");
    insert(&mut client, columns, row).await;
    let roan = start(&database, &healthy, &slow).await;
    client
        .wait_for_count("SELECT count(*) FROM {}delivery WHERE state = 1", 1000)
        .await;
    client.save(&roan, "new").await;
    // The page, and the list.
    healthy.wait_for(2);
    assert_eq!(slow.count(), IN_FLIGHT, "the slow node has answered");
    let old = (0..MANY).map(|number| format!("/purge/old/{number}"));
    let wanted = old.chain(["/purge/posts/new".to_owned()]);
    until_all_is_done(&mut client, &slow, wanted).await;
    assert_eq!(healthy.count(), 2);
}

async fn rows_go_to_other_nodes_while_the_queue_of_a_slow_one_is_full(database: Database) {
    let healthy = Faulty::start(Behaviour::Purged);
    let slow = Faulty::start(Behaviour::Hang);
    let _roan = start(&database, &healthy, &slow).await;
    let mut client = database.client().await;
    let row = |number| format!(r#"('{{"v":1,"purge":["/new/{number}"]}}')"#);
    insert(&mut client, "outbox (payload)", row).await;
    healthy.wait_for(MANY);
    assert_eq!(slow.count(), IN_FLIGHT, "the slow node has answered");
    let wanted = (0..MANY).map(|number| format!("/purge/new/{number}"));
    until_all_is_done(&mut client, &slow, wanted).await;
    assert_eq!(healthy.count(), MANY);
}

async fn the_pages_of_a_tag_go_to_other_nodes_while_the_queue_of_a_slow_one_is_full(
    database: Database,
) {
    let healthy = Faulty::start(Behaviour::Purged);
    let slow = Faulty::start(Behaviour::Hang);
    let mut client = database.client().await;
    let mut store = connect(&database.outbox().await).await;
    let tags = keys(&["all"]);
    for from in (0..MANY).step_by(500) {
        let pages: Vec<_> = (from..from + 500)
            .map(|number| url(&format!("/page/{number}")))
            .collect();
        let pages: Vec<_> = pages.iter().map(|page| (page, &*tags)).collect();
        store.learn(&pages).await.unwrap();
    }
    client.run("UPDATE {}epoch SET in_use = 1").await;
    let roan = start(&database, &healthy, &slow).await;
    client
        .run(r#"INSERT INTO {}outbox (payload) VALUES ('{"v":1,"purge":[{"tag":"all"}]}')"#)
        .await;
    healthy.wait_for(MANY);
    client.save(&roan, "new").await;
    healthy.wait_for(MANY + 2);
    assert_eq!(slow.count(), IN_FLIGHT, "the slow node has answered");
    let pages = (0..MANY).map(|number| format!("/purge/page/{number}"));
    let wanted = pages.chain(["/purge/posts/new".to_owned()]);
    until_all_is_done(&mut client, &slow, wanted).await;
}
