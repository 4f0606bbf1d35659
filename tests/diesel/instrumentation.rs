//! What Roan sees of a connection, and leaves to others.

use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::{Instrumentation, InstrumentationEvent, SimpleConnection as _};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use roan::orm::diesel::{Purging as _, PurgingDsl as _, PurgingRow as _, Watch, install_with};

use crate::support::{Backend as _, Post, Site, Waiting, posts};

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
        .get_result_purging(conn)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_own_instrumentation_sees_every_event() {
    let mut site = Site::<SqliteConnection>::new(Waiting::InMemory).await;
    let (told, events) = std::sync::mpsc::channel();
    let watch = Watch::new().dispatcher(&site.roan);
    let tell = move |event: InstrumentationEvent<'_>| {
        let _ = told.send(format!("{event:?}"));
    };
    site.conn.set_instrumentation(watch.and(tell));
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
async fn every_connection_of_a_pool_is_watched_after_one_line() {
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
            conn.purging(Some(&site.roan), || roan::created(&post))?;
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
        conn.transaction(|conn| conn.purging(Some(&site.roan), || roan::created(&post)))
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

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_nobody_claims_is_an_error_for_who_asks() {
    let mut site = Site::<SqliteConnection>::new(Waiting::InMemory).await;
    let conn = &mut site.conn;
    let result = conn.transaction(|conn| {
        let post = add(conn, "a")?;
        conn.claimed().expect("the insert purges");
        diesel::update(posts::table.find(post.id))
            .set(posts::title.eq("U"))
            .execute(conn)?;
        let told = conn.claimed().expect_err("nothing purges").to_string();
        assert!(told.contains("UPDATE on `posts`"), "{told}");
        assert!(told.contains("Post at "), "{told}");
        post.updated(&post, conn)?;
        conn.claimed()?;
        // What is rolled back never happened.
        let _ = conn.transaction(|conn| {
            conn.batch_execute("DELETE FROM posts")?;
            assert!(conn.claimed().is_err());
            Err::<(), _>(diesel::result::Error::RollbackTransaction)
        });
        conn.claimed()?;
        conn.batch_execute("DELETE FROM posts")?;
        conn.claimed()
    });
    assert!(result.is_err());
    let count: i64 = posts::table.count().get_result(conn).unwrap();
    assert_eq!(count, 0, "the error has rolled the insert back");
    assert!(site.purged().await.is_empty());

    let database = SqliteConnection::database();
    let mut unwatched = SqliteConnection::establish(&database.url).unwrap();
    unwatched.set_instrumentation(|_: InstrumentationEvent<'_>| {});
    let told = unwatched.claimed().expect_err("nobody watches").to_string();
    assert!(told.contains("install()"), "{told}");
}
