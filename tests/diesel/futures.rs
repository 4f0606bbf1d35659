//! What becomes of purges when futures of diesel-async are dropped or run as tasks.

use std::time::Duration;

use diesel::prelude::*;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection as _};
use roan::orm::diesel_async::{PurgeConnection as _, PurgeExt as _, TransactionTracker, update};

use crate::support::{Post, Site, Waiting, posts};

async fn add(conn: &mut AsyncPgConnection, slug: &str) -> QueryResult<Post> {
    diesel::insert_into(posts::table)
        .values((posts::slug.eq(slug), posts::title.eq("T")))
        .get_result_and_purge(conn)
        .await
}

async fn connect(site: &Site<PgConnection>) -> AsyncPgConnection {
    let mut conn = AsyncPgConnection::establish(&site.database.url)
        .await
        .unwrap();
    conn.set_instrumentation(TransactionTracker::new().dispatcher(&site.roan));
    conn
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_future_is_dropped_purges_nothing() {
    for waiting in [Waiting::InTable, Waiting::InMemory] {
        let site = Site::<PgConnection>::new(waiting).await;
        let mut conn = connect(&site).await;
        let written = tokio::sync::Notify::new();
        let work = conn.transaction(async |conn| {
            add(conn, "a").await?;
            written.notify_one();
            std::future::pending::<()>().await;
            Ok::<_, diesel::result::Error>(())
        });
        tokio::select! {
            _ = work => unreachable!("it waits for ever"),
            () = written.notified() => {}
        }
        drop(conn);
        assert!(site.purged().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn purging_calls_run_in_spawned_tasks() {
    let site = Site::<PgConnection>::new(Waiting::InTable).await;
    let mut conn = connect(&site).await;
    let task = async move {
        conn.transaction(async |conn| {
            let post = add(conn, "a").await?;
            let post: Post = update(&post)
                .set(posts::slug.eq("b"))
                .get_result_and_purge(conn)
                .await?;
            post.deleted(conn).await
        })
        .await
    };
    tokio::spawn(task).await.unwrap().unwrap();
    assert_eq!(site.purged().await, ["/posts", "/posts/a", "/posts/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_nobody_waits_for_any_more_hinders_no_purge() {
    let site = Site::<SqliteConnection>::new(Waiting::InMemory).await;
    let mut conn = SyncConnectionWrapper::<SqliteConnection>::establish(&site.database.url)
        .await
        .unwrap();
    let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) \
                SELECT count(*) FROM n";
    let given_up = tokio::time::timeout(Duration::from_millis(1), conn.batch_execute(long)).await;
    assert!(given_up.is_err(), "it takes longer");
    let post = Post {
        id: 1,
        slug: "a".into(),
        title: "T".into(),
    };
    conn.run_hooks(Some(&site.roan), || roan::created(&post))
        .await
        .unwrap();
    assert_eq!(site.purged().await, ["/posts", "/posts/a"]);
}
