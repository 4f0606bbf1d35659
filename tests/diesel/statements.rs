//! Statements of all shapes.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::upsert::excluded;
use roan::orm::diesel::{PurgeConnection as _, PurgeExt as _, delete, update, upsert};
use roan::purge_on;
use roan_tests::wait;

use crate::support::{Backend, LONG, Post, Site, Waiting, posts};

/// A model without some columns of its table, which renames one.
#[purge_on(save, delete, url = "/names/{name}")]
#[derive(Debug, Queryable, Selectable, Identifiable)]
#[diesel(table_name = posts)]
struct Name {
    id: i32,
    #[diesel(column_name = slug)]
    name: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_may_leave_out_columns() {
    let mut site = Site::<PgConnection>::new(Waiting::InTable).await;
    let conn = &mut site.conn;
    let name = diesel::insert_into(posts::table)
        .values((posts::slug.eq("a"), posts::title.eq("T")))
        .returning(Name::as_returning())
        .get_result_and_purge::<Name>(conn)
        .unwrap();
    update(posts::table.find(name.id))
        .set(posts::slug.eq("b"))
        .execute_and_purge::<Name>(conn)
        .unwrap();
    diesel::delete(posts::table)
        .returning(Name::as_returning())
        .get_results_and_purge::<Name>(conn)
        .unwrap();
    assert_eq!(site.purged().await, ["/names/a", "/names/b"]);
}

/// It purges too much rather than too little: nobody has named the rows that it may change.
#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_fires_the_rules_for_updates_too() {
    let mut site = Site::<SqliteConnection>::new(Waiting::InTable).await;
    let insert = || {
        let row = (posts::id.eq(1), posts::slug.eq("a"), posts::title.eq("T"));
        diesel::insert_into(posts::table).values(row)
    };
    insert()
        .get_result_and_purge::<Post>(&mut site.conn)
        .unwrap();
    assert_eq!(site.purged().await, ["/posts", "/posts/a"]);
    insert()
        .on_conflict(posts::id)
        .do_update()
        .set(posts::title.eq("U"))
        .get_result_and_purge::<Post>(&mut site.conn)
        .unwrap();
    assert_eq!(site.purged().await, ["/posts", "/posts/a", "/titles"]);
    let many = [(1, "b"), (2, "c")];
    let many =
        many.map(|(id, slug)| (posts::id.eq(id), posts::slug.eq(slug), posts::title.eq("T")));
    diesel::insert_into(posts::table)
        .values(many.to_vec())
        .on_conflict(posts::id)
        .do_update()
        .set(posts::slug.eq(excluded(posts::slug)))
        .execute_and_purge::<Post>(&mut site.conn)
        .unwrap();
    assert_eq!(
        site.purged().await,
        ["/posts", "/posts/b", "/posts/c", "/titles"]
    );
    diesel::replace_into(posts::table)
        .values((posts::id.eq(1), posts::slug.eq("d"), posts::title.eq("T")))
        .execute_and_purge::<Post>(&mut site.conn)
        .unwrap();
    assert_eq!(site.purged().await, ["/posts", "/posts/d", "/titles"]);
}

/// The kinds of records that are not an upsert's, each by its type.
#[tokio::test(flavor = "multi_thread")]
async fn an_insert_of_any_shape_fires_the_rules_for_creates_only() {
    macro_rules! inserts {
        ($connection:ty) => {
            let mut site = Site::<$connection>::new(Waiting::InTable).await;
            let conn = &mut site.conn;
            let row = |slug| (posts::slug.eq(slug), posts::title.eq("T"));
            let insert = || diesel::insert_into(posts::table);
            insert()
                .values(row("a"))
                .execute_and_purge::<Post>(conn)
                .unwrap();
            insert()
                .values(vec![row("b"), row("c")])
                .execute_and_purge::<Post>(conn)
                .unwrap();
            insert()
                .values([row("d")])
                .execute_and_purge::<Post>(conn)
                .unwrap();
            let copied = posts::table.select((posts::slug.concat("x"), posts::title));
            copied
                .insert_into(posts::table)
                .into_columns((posts::slug, posts::title))
                .execute_and_purge::<Post>(conn)
                .unwrap();
            let purged = site.purged().await;
            assert!(purged.contains(&"/posts/ax".to_owned()), "{purged:?}");
            assert!(!purged.contains(&"/titles".to_owned()), "{purged:?}");
        };
    }
    inserts!(SqliteConnection);
    inserts!(PgConnection);
}

/// MySQL and SQLite have `REPLACE`, which deletes every row with a key of the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_replace_purges_the_pages_of_all_rows_that_it_removes() {
    macro_rules! replaces {
        ($connection:ty) => {
            let mut site = Site::<$connection>::new(Waiting::InTable).await;
            let conn = &mut site.conn;
            conn.batch_execute("CREATE UNIQUE INDEX titles ON posts (title)")
                .unwrap();
            for (id, slug) in [(1, "a"), (2, "b"), (3, "c")] {
                let row = (
                    posts::id.eq(id),
                    posts::slug.eq(slug),
                    posts::title.eq(slug),
                );
                diesel::insert_into(posts::table)
                    .values(row)
                    .execute(conn)
                    .unwrap();
            }
            let row = (posts::id.eq(1), posts::slug.eq("d"), posts::title.eq("b"));
            let replace = diesel::replace_into(posts::table).values(row);
            let rows = posts::table.filter(posts::id.eq(1).or(posts::title.eq("b")));
            upsert(replace, rows)
                .execute_and_purge::<Post>(conn)
                .unwrap();
            let purged = site.purged().await;
            assert_eq!(
                purged,
                ["/posts", "/posts/a", "/posts/b", "/posts/d", "/titles"]
            );
            let left: Vec<i32> = posts::table
                .select(posts::id)
                .order(posts::id)
                .load(&mut site.conn)
                .unwrap();
            assert_eq!(left, [1, 3]);
        };
    }
    replaces!(SqliteConnection);
    replaces!(MysqlConnection);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_purges_both_rows() {
    let mut site = Site::<PgConnection>::new(Waiting::InMemory).await;
    let row = (posts::id.eq(1), posts::slug.eq("a"), posts::title.eq("T"));
    let insert = diesel::insert_into(posts::table).values(row);
    insert.get_result_and_purge::<Post>(&mut site.conn).unwrap();
    site.purged().await;
    update(posts::table.find(1))
        .set((posts::id.eq(2), posts::slug.eq("b")))
        .execute_and_purge::<Post>(&mut site.conn)
        .unwrap();
    let purged = site.purged().await;
    assert_eq!(purged, ["/posts", "/posts/a", "/posts/b", "/titles"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_than_the_outbox_is_an_error() {
    let site = Site::<SqliteConnection>::new(Waiting::InTable).await;
    let database = PgConnection::database();
    let mut conn = PgConnection::establish(&database.url).unwrap();
    let post = Post {
        id: 1,
        slug: "a".into(),
        title: "T".into(),
    };
    conn.run_hooks(Some(&site.roan), || roan::created(&post))
        .expect("a write outside of a transaction is there already");
    assert_eq!(site.purged().await, ["/posts", "/posts/a"]);
    assert_eq!(site.roan.stats().not_stored, 1);
    let error = conn
        .transaction(|conn| conn.run_hooks(Some(&site.roan), || roan::created(&post)))
        .expect_err("two databases");
    assert_eq!(
        error.to_string(),
        "the outbox is in SQLite, but this connection is to PostgreSQL: both must be the same database"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_of_sqlite_wait_for_each_other() {
    let mut site = Site::<SqliteConnection>::new(Waiting::InMemory).await;
    let row = (posts::id.eq(1), posts::slug.eq("a"), posts::title.eq("0"));
    diesel::insert_into(posts::table)
        .values(row)
        .execute(&mut site.conn)
        .unwrap();
    let url = &site.database.url;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut conn = SqliteConnection::establish(url).unwrap();
                conn.batch_execute("PRAGMA busy_timeout = 30000").unwrap();
                let tracker = roan::orm::diesel::TransactionTracker::new();
                conn.set_instrumentation(tracker.dispatcher(&site.roan));
                for _ in 0..50 {
                    update(posts::table.find(1))
                        .set(posts::title.eq(posts::title.concat("+")))
                        .execute_and_purge::<Post>(&mut conn)
                        .expect("no writer is turned away");
                }
            });
        }
    });
    let post: Post = posts::table.find(1).first(&mut site.conn).unwrap();
    assert_eq!(post.title.len(), 201);
    delete(&post)
        .execute_and_purge::<Post>(&mut site.conn)
        .unwrap();
    post.deleted(&mut site.conn).unwrap();
}

/// An update reads the old row as it is when it gets to write.
macro_rules! an_update_waits_for_the_row {
    ($test:ident, $connection:ty, $waiting:expr) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            #[derive(QueryableByName)]
            struct Count {
                #[diesel(sql_type = diesel::sql_types::BigInt)]
                waiting: i64,
            }

            let mut site = Site::<$connection>::new(Waiting::InTable).await;
            let row = (posts::id.eq(1), posts::slug.eq("a"), posts::title.eq("T"));
            let insert = diesel::insert_into(posts::table).values(row);
            insert.execute(&mut site.conn).unwrap();
            let mut other = <$connection>::establish(&site.database.url).unwrap();
            other
                .batch_execute("BEGIN; UPDATE posts SET slug = 'b' WHERE id = 1")
                .unwrap();
            std::thread::scope(|scope| {
                let renames = scope.spawn(|| {
                    update(posts::table.find(1))
                        .set(posts::slug.eq("c"))
                        .execute_and_purge::<Post>(&mut site.conn)
                });
                wait::until(LONG, "the update to wait for the row", || {
                    let count = diesel::sql_query($waiting).get_result::<Count>(&mut other);
                    count.unwrap().waiting > 0
                });
                other.batch_execute("COMMIT").unwrap();
                assert_eq!(renames.join().unwrap(), Ok(1));
            });
            assert_eq!(site.purged().await, ["/posts", "/posts/b", "/posts/c"]);
        }
    };
}

an_update_waits_for_the_row!(
    an_update_on_postgres_reads_the_row_that_it_changes,
    PgConnection,
    "SELECT count(*) AS waiting FROM pg_locks WHERE NOT granted"
);
an_update_waits_for_the_row!(
    an_update_on_mariadb_reads_the_row_that_it_changes,
    MysqlConnection,
    "SELECT CAST(variable_value AS signed) AS waiting FROM information_schema.global_status \
     WHERE variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'"
);
