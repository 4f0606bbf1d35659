//! What only PostgreSQL has.

use roan::outbox::Dialect;
use roan_tests::wait;

use crate::support::{LONG, Place, builder, run};

async fn place() -> Place {
    Place::new(Dialect::Postgres).await
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_merge_and_a_table_in_a_schema() {
    let place = place().await;
    let (watched, mut client) = place.start().await;
    let roan_tests::Connection::Postgres(connection) = &mut client else {
        panic!("it is PostgreSQL");
    };
    let mut copy = connection
        .copy_in_raw("COPY blog.pages FROM STDIN")
        .await
        .unwrap();
    copy.send("1\n2\n3\n".as_bytes()).await.unwrap();
    copy.finish().await.unwrap();
    assert_eq!(watched.purged().await, ["/pages/1", "/pages/2", "/pages/3"]);
    let merge = "MERGE INTO blog.pages AS p USING (VALUES (1), (9)) AS v (id) ON p.id = v.id
        WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id)";
    assert_eq!(
        watched.after(&mut client, merge).await,
        ["/pages/1", "/pages/9"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn truncate_purges_what_needs_no_column() {
    let place = place().await;
    let (watched, mut client) = place.start().await;
    run(
        &mut client,
        "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A')",
    )
    .await;
    watched.purged().await;
    let purged = watched.after(&mut client, "TRUNCATE posts CASCADE").await;
    assert_eq!(purged, ["/posts"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_needs_no_right_on_the_outbox_and_cannot_bend_it() {
    let place = place().await;
    let (watched, mut client) = place.start().await;
    for sql in [
        "DROP ROLE IF EXISTS stranger",
        "CREATE ROLE stranger",
        "GRANT SELECT, INSERT, UPDATE ON posts TO stranger",
        "SET ROLE stranger",
        "CREATE TEMP TABLE roan_outbox (payload text)",
        "SET search_path = pg_temp, public",
    ] {
        run(&mut client, sql).await;
    }
    let insert = "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A')";
    let purged = watched.after(&mut client, insert).await;
    assert_eq!(purged, ["/feed/1", "/posts", "/posts/a"]);
    let update = "UPDATE posts SET slug = 'b'";
    assert_eq!(watched.after(&mut client, update).await.len(), 3);
    assert!(
        client
            .run("INSERT INTO public.roan_outbox (payload) VALUES ('')")
            .await
            .is_err()
    );
    run(&mut client, "RESET ROLE").await;
    run(&mut client, "DROP OWNED BY stranger").await;
    run(&mut client, "DROP ROLE stranger").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_other_types_and_collations() {
    let place = place().await;
    let mut client = place.connect().await;
    for sql in [
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "ALTER TABLE posts ALTER slug TYPE char(3)",
        "ALTER TABLE notes ALTER text TYPE text COLLATE loose",
        "ALTER TABLE posts ALTER title TYPE text COLLATE loose",
    ] {
        run(&mut client, sql).await;
    }
    let (watched, mut client) = place.start().await;
    let insert = "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A'), (2, 'A', 'a')";
    let purged = watched.after(&mut client, insert).await;
    // What a client of the database gets, with the blanks.
    for page in ["/posts/a%20%20", "/posts/A%20%20"] {
        assert!(purged.iter().any(|purged| purged == page), "{purged:?}");
    }
    let purged = watched
        .after(&mut client, "UPDATE posts SET title = 'a' WHERE id = 1")
        .await;
    assert!(purged.contains(&"/feed/1".to_owned()), "{purged:?}");
    run(&mut client, "INSERT INTO notes (id, text) VALUES (1, 'A')").await;
    let purged = watched
        .after(&mut client, "UPDATE notes SET text = 'a'")
        .await;
    assert_eq!(purged, ["/notes/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_table() {
    let place = place().await;
    let mut client = place.connect().await;
    for sql in [
        "DROP TABLE comments, posts, notes",
        "CREATE TABLE comments (id bigint, post_id bigint)",
        "CREATE TABLE posts (id bigint PRIMARY KEY, slug text, title text) PARTITION BY RANGE (id)",
        "CREATE TABLE posts_1 PARTITION OF posts FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE posts_2 PARTITION OF posts FOR VALUES FROM (10) TO (20)",
        "CREATE TABLE notes (id bigint, text text, pinned boolean) PARTITION BY RANGE (id)",
        "CREATE TABLE notes_1 PARTITION OF notes FOR VALUES FROM (0) TO (10)",
    ] {
        run(&mut client, sql).await;
    }
    let (watched, mut client) = place.start().await;
    run(&mut client, "INSERT INTO posts VALUES (1, 'a', 'A')").await;
    watched.purged().await;
    let purged = watched.after(&mut client, "UPDATE posts SET id = 11").await;
    assert_eq!(purged, ["/feed/1", "/feed/11", "/posts", "/posts/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_rows_of_one_statement() {
    let place = place().await;
    let outbox = place.triggered().await;
    let recorder = roan::testing::Recorder::new();
    // Far fewer than there are: the relay takes no more than fit.
    let builder = builder(&recorder).max_waiting(5000).outbox(outbox);
    let roan = builder.build().unwrap();
    let mut client = place.connect().await;
    let insert = "INSERT INTO posts (id, slug, title) SELECT n, 'p' || n, 'A' FROM generate_series(1, 100000) AS n";
    run(&mut client, insert).await;
    let rows = client
        .numbers("SELECT count(*) FROM roan_outbox")
        .await
        .unwrap();
    assert_eq!(rows, [[200]]);
    wait::for_purges_within(8 * LONG, &roan).await;
    assert_eq!(recorder.purges().targets().len(), 200_001);
}
