//! The database's COMMIT and ROLLBACK decide which purges leave.

use roan::outbox::Dialect;
use roan::testing::Recorder;

use crate::support::{Database, builder, flush};

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_leaves_when_its_write_has_committed() {
    let database = Database::start(Dialect::Sqlite);
    let outbox = database.outbox().await;
    let recorder = Recorder::new();
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    let mut client = database.client().await;
    client.run("BEGIN").await;
    client.save(&roan, "a").await;
    client.run("SAVEPOINT s").await;
    client.save(&roan, "b").await;
    client.run("ROLLBACK TO SAVEPOINT s").await;
    client.save(&roan, "c").await;
    flush(&roan).await;
    assert!(recorder.requests().is_empty());
    client.run("COMMIT").await;
    flush(&roan).await;
    roan::assert_purged!(recorder.purges(), "/posts");
    roan::assert_purged!(recorder.purges(), "/posts/a");
    roan::assert_not_purged!(recorder.purges(), "/posts/b");
    roan::assert_purged!(recorder.purges(), "/posts/c");
}
