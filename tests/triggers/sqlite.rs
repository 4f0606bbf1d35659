//! What only SQLite has.

use roan::outbox::Dialect;

use roan_tests::Connection;

use crate::support::{Place, Watched, run};

#[tokio::test(flavor = "multi_thread")]
async fn replace_purges_the_row_that_it_replaces() {
    let place = Place::new(Dialect::Sqlite).await;
    let (watched, mut client) = place.start().await;
    for recursive in ["OFF", "ON"] {
        run(
            &mut client,
            &format!("PRAGMA recursive_triggers = {recursive}"),
        )
        .await;
        run(
            &mut client,
            "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A')",
        )
        .await;
        watched.purged().await;
        let replace = "REPLACE INTO posts (id, slug, title) VALUES (1, 'b', 'A')";
        let purged = watched.after(&mut client, replace).await;
        let wanted = [
            "/feed/1",
            "/posts",
            "/posts/a",
            "/posts/b",
            "tag post-1 at site shop",
        ];
        assert_eq!(purged, wanted, "recursive_triggers = {recursive}");
        run(&mut client, "DELETE FROM posts").await;
        watched.purged().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_another_type_fails_no_write() {
    let place = Place::new(Dialect::Sqlite).await;
    let (watched, mut client) = place.start().await;
    let insert =
        "INSERT INTO posts (id, slug, title) VALUES (1, x'00ff', 'A'), (2, 7, 'A'), (3, 1.5, 'A')";
    run(&mut client, insert).await;
    let count = "SELECT count(*) FROM roan_outbox WHERE state = 3";
    let roan = &watched.roan;
    let _ = roan.flush(crate::support::LONG).await;
    assert_eq!(client.numbers(count).await.unwrap(), [[1]]);
    let dead = roan.outbox().dead(10).await.unwrap();
    let error = format!("{dead:?}");
    assert!(
        error.contains(r#"column \"slug\" does not contain a text"#),
        "{error}"
    );
    roan.outbox().discard_all().await.unwrap();
    // What else the row shows is purged all the same.
    let purged = watched.purged().await;
    for page in ["/feed/1", "/posts", "/posts/7", "/posts/1.5"] {
        assert!(purged.iter().any(|purged| purged == page), "{purged:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_watched_purges_all_that_comes_through_it() {
    let place = Place::new(Dialect::Sqlite).await;
    let watched = Watched::start(place.outbox().await);
    let (mut client, mut other) = (place.connect().await, place.connect().await);
    let Connection::Sqlite(connection) = &mut client else {
        panic!("another database");
    };
    for _ in 0..2 {
        roan::orm::sqlx::install_connection_triggers(connection, &place.wanted())
            .await
            .unwrap();
    }
    let insert = "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A'), (2, 'b', 'B')";
    assert!(!watched.after(&mut client, insert).await.is_empty());

    run(&mut client, "BEGIN").await;
    run(&mut client, "UPDATE posts SET slug = 'c' WHERE id = 1").await;
    run(&mut client, "SAVEPOINT s").await;
    run(&mut client, "DELETE FROM posts").await;
    run(&mut client, "ROLLBACK TO s").await;
    let purged = watched.after(&mut client, "COMMIT").await;
    let of_one = |page: &String| page.contains('b') || page == "/posts/2";
    assert!(purged.contains(&"/posts/a".to_owned()), "{purged:?}");
    assert!(purged.contains(&"/posts/c".to_owned()), "{purged:?}");
    assert!(!purged.iter().any(of_one), "{purged:?}");

    // A copy takes the table's name.
    for sql in [
        "CREATE TABLE posts_new (id bigint PRIMARY KEY, slug text, title text, body text)",
        "ALTER TABLE posts RENAME TO posts_old",
        "ALTER TABLE posts_new RENAME TO posts",
    ] {
        run(&mut client, sql).await;
    }
    let Connection::Sqlite(connection) = &mut client else {
        panic!("another database");
    };
    roan::orm::sqlx::install_connection_triggers(connection, &place.wanted())
        .await
        .unwrap();
    let insert = "INSERT INTO posts (id, slug, title) VALUES (7, 'a', 'A')";
    let purged = watched.after(&mut client, insert).await;
    assert_eq!(purged, ["/feed/7", "/posts", "/posts/a"]);

    // It is nobody else's.
    let by_other = watched.after(&mut other, "DELETE FROM posts").await;
    assert!(by_other.is_empty(), "{by_other:?}");
}
