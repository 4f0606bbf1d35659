// Included once for each kind of connection.

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::prelude::*;
use diesel::result::Error;
use roan::orm::diesel::{PurgeExt, delete, update};

use crate::support::{Post, Site, Waiting, posts};

fn add(conn: &mut Conn, slug: &str) -> QueryResult<Post> {
    insert!(conn, slug)
}

async fn each_way(test: impl AsyncFn(Site<Conn>)) {
    for waiting in [Waiting::InTable, Waiting::InMemory] {
        test(Site::new(waiting).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn single_rows() {
    each_way(async |mut site| {
        let post = add(&mut site.conn, "a").unwrap();
        assert_eq!(site.purged().await, ["/posts", "/posts/a"]);

        // The URL stays; the title changes.
        let post: Post = update(posts::table.find(post.id))
            .set(posts::title.eq("U"))
            .get_result_and_purge(&mut site.conn)
            .unwrap();
        assert_eq!(post.title, "U");
        assert_eq!(site.purged().await, ["/posts", "/posts/a", "/titles"]);

        // The URL moves.
        update(&post)
            .set(posts::slug.eq("b"))
            .execute_and_purge::<Post>(&mut site.conn)
            .unwrap();
        assert_eq!(site.purged().await, ["/posts", "/posts/a", "/posts/b"]);

        let post = Post { slug: "c".into(), ..post };
        let saved = post.save_changes_and_purge::<Post>(&mut site.conn).unwrap();
        assert_eq!(saved, post);
        assert_eq!(site.purged().await, ["/posts", "/posts/b", "/posts/c"]);

        delete(&post).execute_and_purge::<Post>(&mut site.conn).unwrap();
        assert_eq!(site.purged().await, ["/posts", "/posts/c"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows() {
    each_way(async |mut site| {
        for slug in ["a", "b", "c"] {
            add(&mut site.conn, slug).unwrap();
        }
        site.purged().await;
        let some = posts::table.filter(posts::slug.ne("c"));
        let changed = update(some)
            .set(posts::slug.eq("d"))
            .get_results_and_purge::<Post>(&mut site.conn)
            .unwrap();
        assert_eq!(changed.len(), 2);
        assert_eq!(
            site.purged().await,
            ["/posts", "/posts/a", "/posts/b", "/posts/d"]
        );
        let gone = delete(posts::table)
            .get_results_and_purge::<Post>(&mut site.conn)
            .unwrap();
        assert_eq!(gone.len(), 3);
        assert_eq!(site.purged().await, ["/posts", "/posts/c", "/posts/d"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transaction_decides() {
    each_way(async |mut site| {
        let result = site.conn.transaction(|conn| {
            add(conn, "a")?;
            let inner = conn.transaction(|conn| {
                add(conn, "b")?;
                Err::<(), _>(Error::RollbackTransaction)
            });
            assert_eq!(inner, Err(Error::RollbackTransaction));
            conn.transaction(|conn| add(conn, "c"))?;
            Ok::<_, Error>(())
        });
        assert_eq!(result, Ok(()));
        assert_eq!(site.purged().await, ["/posts", "/posts/a", "/posts/c"]);

        let result = site.conn.transaction(|conn| {
            conn.transaction(|conn| add(conn, "d"))?;
            Err::<(), _>(Error::RollbackTransaction)
        });
        assert_eq!(result, Err(Error::RollbackTransaction));
        assert!(site.purged().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_before_the_commit() {
    each_way(async |mut site| {
        AnsiTransactionManager::begin_transaction(&mut site.conn).unwrap();
        let post = Post { id: 1, slug: "a".into(), title: "T".into() };
        post.created(&mut site.conn).unwrap();
        assert!(site.purged().await.is_empty());
        AnsiTransactionManager::begin_transaction(&mut site.conn).unwrap();
        Post { slug: "b".into(), ..post.clone() }.created(&mut site.conn).unwrap();
        AnsiTransactionManager::rollback_transaction(&mut site.conn).unwrap();
        AnsiTransactionManager::commit_transaction(&mut site.conn).unwrap();
        assert_eq!(site.purged().await, ["/posts", "/posts/a"]);
        AnsiTransactionManager::begin_transaction(&mut site.conn).unwrap();
        post.created(&mut site.conn).unwrap();
        AnsiTransactionManager::rollback_transaction(&mut site.conn).unwrap();
        assert!(site.purged().await.is_empty());
    })
    .await;
}
