//! The same calls where purges wait in memory.

use std::time::{Duration, SystemTime};

use roan::outbox::Dialect;
use roan::testing::Recorder;
use roan::{Nginx, Roan};
use roan_tests::{Behaviour, Faulty};

use crate::support::{Database, Post, builder, flush, urls};

#[tokio::test(flavor = "multi_thread")]
async fn a_program_moves_to_memory_by_leaving_one_line_out() {
    let database = Database::of(Dialect::Sqlite);
    let recorder = Recorder::new();
    let roan = builder(&recorder).build().unwrap();
    let mut client = database.client().await;
    roan::scope(async {
        client.run("BEGIN").await;
        client.save(&roan, "a").await;
        flush(&roan).await;
        assert!(recorder.requests().is_empty(), "the scope holds it");
        client.run("COMMIT").await;
    })
    .await;
    flush(&roan).await;
    assert_eq!(urls(&recorder), ["/posts", "/posts/a"]);
    let post = Post {
        slug: "b".to_owned(),
    };
    assert_eq!(roan.outbox().statement(|| roan::saved(&post)), None);
    roan.outbox().committed();
    flush(&roan).await;
    assert!(urls(&recorder).contains(&"/posts/b".to_owned()));
    let backlog = roan.outbox().backlog(10).await.unwrap();
    assert_eq!((backlog.purges, backlog.deliveries), (0, 0));
    let error = roan
        .outbox()
        .purge_since(SystemTime::now())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("durable outbox"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_purges_can_be_queued_again() {
    let node = Faulty::start(Behaviour::Close);
    let short = Duration::from_millis(10);
    let roan = Roan::builder()
        .cache(Nginx::at(&node.purge_url()).unwrap())
        .rebound(None)
        .max_age(short)
        .backoff(short, short)
        .build()
        .unwrap();
    roan.purge("/a").unwrap();
    roan.purge("/b").unwrap();
    flush(&roan).await;
    let dead = roan.outbox().dead(10).await.unwrap();
    assert_eq!(dead.len(), 2);
    node.set(Behaviour::Purged);
    assert_eq!(roan.outbox().discard(&[dead[0].id]).await, Ok(1));
    assert_eq!(roan.outbox().requeue_all().await, Ok(1));
    flush(&roan).await;
    let last = node.requests().pop().unwrap();
    assert_eq!(
        format!("\"{}\"", &last.target["/purge".len()..]),
        dead[1].target
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_node_is_not_purged_and_nothing_is_lost() {
    let (first, second) = (
        Faulty::start(Behaviour::Purged),
        Faulty::start(Behaviour::Purged),
    );
    let nginx = Nginx::at(&first.purge_url()).unwrap();
    let nginx = nginx.named_node("second", &second.purge_url()).unwrap();
    let short = Duration::from_millis(10);
    let roan = Roan::builder()
        .cache(nginx)
        .rebound(None)
        .max_age(short)
        .build()
        .unwrap();
    let error = roan.pause("nginx", "third").unwrap_err().to_string();
    assert!(
        error.contains("\"nginx third\"") && error.contains("\"nginx second\""),
        "{error}"
    );
    assert_eq!(roan.pause("nginx", "second"), Ok(true));
    assert_eq!(roan.outbox().pause("nginx", "second").await, Ok(false));
    roan.purge("/a").unwrap();
    roan.purge("/b").unwrap();
    first.wait_for(2);
    let left = roan.flush(20 * short).await;
    assert_eq!((left.pending(), left.nodes[0].paused), (2, true));
    assert_eq!(second.count(), 0);
    let status = roan.outbox().status().await.unwrap();
    let paused = &status.nodes[1];
    assert_eq!((&*paused.node, paused.waiting), ("second", 2));
    assert!(paused.paused.is_some());
    assert_eq!((status.schema, status.all_dead()), (None, 0));
    assert_eq!(roan.outbox().resume("nginx", "second").await, Ok(true));
    assert_eq!(roan.resume("nginx", "second"), Ok(false));
    flush(&roan).await;
    second.wait_for(2);
    assert_eq!(roan.stats().nodes[1].dead, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_paused_node_is_reported_when_the_last_handle_goes() {
    let node = Faulty::start(Behaviour::Purged);
    let roan = Roan::builder()
        .cache(
            Nginx::at(&node.purge_url())
                .unwrap()
                .named_node("b", &node.purge_url())
                .unwrap(),
        )
        .rebound(None)
        .build()
        .unwrap();
    assert_eq!(roan.pause("nginx", "b"), Ok(true));
    let mut reports = roan.subscribe();
    roan.purge("/a").unwrap();
    drop(roan);
    let mut outcomes = Vec::new();
    while let Some(report) = reports.next().await {
        outcomes.push((report.node.to_string(), report.outcome));
    }
    outcomes.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(outcomes[0].1, roan::Outcome::Purged);
    assert_eq!(outcomes[1], ("b".to_owned(), roan::Outcome::Abandoned));
}
