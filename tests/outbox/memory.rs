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
