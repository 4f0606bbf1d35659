//! What Roan sees of a connection, and leaves to others.

use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::{Instrumentation, InstrumentationEvent, SimpleConnection as _};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use roan::orm::diesel::{PurgeConnection as _, PurgeExt as _, TransactionTracker, install_with};

use crate::support::{Post, Site, Waiting, posts};

static COMMITS: AtomicUsize = AtomicUsize::new(0);

fn count_commits() -> Option<Box<dyn Instrumentation>> {
    let count = |event: InstrumentationEvent<'_>| {
        if matches!(event, InstrumentationEvent::CommitTransaction { .. }) {
            COMMITS.fetch_add(1, Ordering::Relaxed);
        }
    };
    Some(Box::new(count))
}

fn add(conn: &mut SqliteConnection, slug: &str) -> QueryResult<Post> {
    diesel::insert_into(posts::table)
        .values((posts::slug.eq(slug), posts::title.eq("T")))
        .get_result_and_purge(conn)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_own_instrumentation_sees_every_event() {
    let mut site = Site::<SqliteConnection>::new(Waiting::InMemory).await;
    let (told, events) = std::sync::mpsc::channel();
    let tracker = TransactionTracker::new().dispatcher(&site.roan);
    let tell = move |event: InstrumentationEvent<'_>| {
        let _ = told.send(format!("{event:?}"));
    };
    site.conn.set_instrumentation(tracker.and(tell));
    site.conn.transaction(|conn| add(conn, "a")).unwrap();
    assert_eq!(site.purged().await, ["/posts", "/posts/a"]);
    let events: Vec<_> = events.try_iter().collect();
    for name in [
        "BeginTransaction",
        "StartQuery",
        "FinishQuery",
        "CommitTransaction",
    ] {
        let has_come = events.iter().any(|event| event.starts_with(name));
        assert!(has_come, "{name}: {events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_of_a_pool_is_tracked_after_one_line() {
    let site = Site::<SqliteConnection>::new(Waiting::InMemory).await;
    install_with(count_commits).unwrap();
    assert!(install_with(|| None).is_err());
    roan::orm::diesel::install().unwrap();
    let manager = ConnectionManager::<SqliteConnection>::new(&site.database.url);
    let pool = Pool::builder().max_size(1).build(manager).unwrap();
    let mut conn = pool.get().unwrap();
    let before = COMMITS.load(Ordering::Relaxed);
    let mut write = |slug: &str, result: QueryResult<()>| {
        conn.transaction(|conn| {
            diesel::insert_into(posts::table)
                .values((posts::slug.eq(slug), posts::title.eq("T")))
                .execute(conn)?;
            let post = posts::table
                .filter(posts::slug.eq(slug))
                .first::<Post>(conn)?;
            conn.run_hooks(Some(&site.roan), || roan::created(&post))?;
            result
        })
    };
    write("a", Ok(())).unwrap();
    write("b", Err(diesel::result::Error::RollbackTransaction)).unwrap_err();
    assert!(COMMITS.load(Ordering::Relaxed) > before);
    assert_eq!(site.purged().await, ["/posts", "/posts/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_sees_is_waited_for_by_a_second_purge_or_a_scope() {
    let site = Site::<SqliteConnection>::new(Waiting::InMemory).await;
    let mut conn = SqliteConnection::establish(&site.database.url).unwrap();
    conn.set_instrumentation(|_: InstrumentationEvent<'_>| {});
    let mut write = |slug: &str| {
        let post = Post {
            id: 1,
            slug: slug.to_owned(),
            title: "T".to_owned(),
        };
        conn.transaction(|conn| conn.run_hooks(Some(&site.roan), || roan::created(&post)))
            .unwrap();
    };
    write("a");
    // It waits for what is to come later, too.
    assert_eq!(
        site.requests().await,
        ["/posts", "/posts", "/posts/a", "/posts/a"]
    );
    roan::scope_blocking(|| {
        write("b");
        assert!(site.recorded().is_empty());
    });
    assert_eq!(site.requests().await, ["/posts", "/posts/b"]);
}

/// What Roan cannot see: it reads no SQL, so comments and quotes in a text mislead nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_begun_as_text_is_purged_now_and_again() {
    let mut site = Site::<SqliteConnection>::new(Waiting::InMemory).await;
    site.conn
        .batch_execute("BEGIN; -- don't wait\nDELETE FROM posts /* it's empty */;")
        .unwrap();
    let post = Post {
        id: 1,
        slug: "a".to_owned(),
        title: "T".to_owned(),
    };
    post.created(&mut site.conn).unwrap();
    let twice = ["/posts", "/posts", "/posts/a", "/posts/a"];
    assert_eq!(site.requests().await, twice);
    site.conn.batch_execute("COMMIT").unwrap();
    // What Diesel begins is followed as ever.
    site.conn
        .transaction(|conn| {
            post.deleted(conn)?;
            assert!(site.recorder.requests().is_empty());
            QueryResult::Ok(())
        })
        .unwrap();
    assert_eq!(site.requests().await, ["/posts", "/posts/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_begun_as_text_decides_over_the_outbox() {
    let mut site = Site::<SqliteConnection>::new(Waiting::InTable).await;
    let post = Post {
        id: 1,
        slug: "a".to_owned(),
        title: "T".to_owned(),
    };
    for (end, purged) in [
        ("ROLLBACK", &[][..]),
        ("COMMIT", &["/posts", "/posts/a"][..]),
    ] {
        site.conn.batch_execute("BEGIN").unwrap();
        post.created(&mut site.conn).unwrap();
        site.conn.batch_execute(end).unwrap();
        assert_eq!(site.purged().await, purged, "{end}");
    }
}

/// The server refuses the commit, and Diesel rolls nothing back, for nothing is open any more.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_commit_that_fails_the_connection_holds_nothing() {
    let mut site = Site::<PgConnection>::new(Waiting::InMemory).await;
    site.conn
        .batch_execute(
            "ALTER TABLE posts ADD parent int DEFAULT 7
                 REFERENCES posts (id) DEFERRABLE INITIALLY DEFERRED",
        )
        .unwrap();
    let post = Post {
        id: 1,
        slug: "a".to_owned(),
        title: "T".to_owned(),
    };
    let result = site.conn.transaction(|conn| {
        let row = (posts::slug.eq("a"), posts::title.eq("T"));
        diesel::insert_into(posts::table)
            .values(row)
            .execute(conn)?;
        post.created(conn)
    });
    assert!(result.is_err(), "no post 7");
    assert!(site.purged().await.is_empty());
    site.conn.transaction(|conn| post.deleted(conn)).unwrap();
    assert_eq!(site.requests().await, ["/posts", "/posts/a"]);
}
