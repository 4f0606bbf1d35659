//! What only MySQL and MariaDB have.

use roan::outbox::Dialect;

use crate::support::{Place, run};

#[tokio::test(flavor = "multi_thread")]
async fn replace_and_unusual_columns() {
    let place = Place::new(Dialect::MySql).await;
    let mut client = place.connect().await;
    for sql in [
        "DROP TABLE comments",
        "CREATE TABLE comments (id int(8) zerofill PRIMARY KEY, post_id int)",
        "ALTER TABLE posts MODIFY slug varchar(100) CHARACTER SET latin1 COLLATE latin1_german1_ci",
        "ALTER TABLE posts MODIFY title varchar(100) COLLATE utf8mb4_unicode_ci",
        "ALTER TABLE kinds MODIFY uuid char(36)",
    ] {
        run(&mut client, sql).await;
    }
    let (watched, mut client) = place.start().await;
    run(
        &mut client,
        "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
    )
    .await;
    let replace =
        |slug: &str| format!("REPLACE INTO posts (id, slug, title) VALUES (1, '{slug}', 'A')");
    watched.after(&mut client, &replace("ä\\n")).await;
    let purged = watched
        .after(&mut client, &replace("Ä'").replace("Ä'", "Ä''"))
        .await;
    for page in ["/posts/%C3%A4%5Cn", "/posts/%C3%84%27"] {
        assert!(purged.iter().any(|purged| purged == page), "{purged:?}");
    }
    let insert = "INSERT INTO comments VALUES (42, 1)";
    assert_eq!(watched.after(&mut client, insert).await, ["/comments/42"]);
    let insert =
        "INSERT INTO kinds VALUES (1, 'a', 'b', 1, 2, 3, '67E5504410B1426F9247BB680E5FE0C8', 1)";
    let purged = watched.after(&mut client, insert).await;
    let page = "/kinds/a/1/2/3/67e55044-10b1-426f-9247-bb680e5fe0c8";
    assert!(purged.contains(&page.to_owned()), "{purged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_needs_no_right_on_the_outbox() {
    let place = Place::new(Dialect::MySql).await;
    let (watched, mut client) = place.start().await;
    run(
        &mut client,
        "CREATE USER stranger@'127.0.0.1' IDENTIFIED BY 'x'",
    )
    .await;
    // As GRANT would, for which the user of the tests lacks the privilege.
    let grant = "INSERT INTO mysql.tables_priv (Host, Db, User, Table_name, Table_priv)
        VALUES ('127.0.0.1', DATABASE(), 'stranger', 'posts', 'Insert'); FLUSH PRIVILEGES";
    run(&mut client, grant).await;
    let url = place.url.replace("roan:roan@", "stranger:x@");
    let mut stranger = roan_tests::Connection::open(&url).await.unwrap();
    let insert = "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A')";
    let purged = watched.after(&mut stranger, insert).await;
    assert_eq!(purged, ["/feed/1", "/posts", "/posts/a"]);
}

/// `InnoDB` does not fire triggers for foreign keys.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_go_or_change_with_others() {
    let place = Place::new(Dialect::MySql).await;
    let mut client = place.connect().await;
    for sql in [
        "DROP TABLE comments, notes, posts",
        "CREATE TABLE authors (id bigint PRIMARY KEY)",
        "CREATE TABLE posts (
            id bigint PRIMARY KEY, slug varchar(100) UNIQUE, title varchar(100), author bigint,
            FOREIGN KEY (author) REFERENCES authors (id) ON DELETE CASCADE ON UPDATE CASCADE
        )",
        "CREATE TABLE comments (
            id bigint PRIMARY KEY, post bigint, parent bigint,
            FOREIGN KEY (post) REFERENCES posts (id) ON DELETE CASCADE,
            FOREIGN KEY (parent) REFERENCES comments (id) ON DELETE CASCADE
        )",
        "CREATE TABLE notes (
            id bigint PRIMARY KEY, text varchar(100), pinned boolean,
            FOREIGN KEY (text) REFERENCES posts (slug) ON DELETE SET NULL ON UPDATE CASCADE
        )",
    ] {
        run(&mut client, sql).await;
    }
    let (watched, mut client) = place.start().await;
    for sql in [
        "INSERT INTO authors VALUES (1), (2)",
        "INSERT INTO posts VALUES (1, 'a', 'A', 1), (2, 'b', 'B', 2)",
        "INSERT INTO comments VALUES (1, 1, NULL), (2, 2, NULL), (3, NULL, 1)",
        "INSERT INTO notes VALUES (1, 'a', true), (2, 'b', true)",
    ] {
        run(&mut client, sql).await;
    }
    watched.purged().await;
    // The author of the post is another row: nothing that the rules watch, but an update all the same.
    let purged = watched
        .after(&mut client, "UPDATE authors SET id = 9 WHERE id = 1")
        .await;
    assert_eq!(purged, ["/posts", "/posts/a"]);
    let purged = watched
        .after(&mut client, "UPDATE posts SET slug = 'c' WHERE id = 1")
        .await;
    assert_eq!(purged, ["/notes/1", "/posts", "/posts/a", "/posts/c"]);
    let purged = watched
        .after(&mut client, "DELETE FROM authors WHERE id = 9")
        .await;
    let gone = [
        "/comments/1",
        "/feed/1",
        "/notes/1",
        "/posts",
        "/posts/c",
        "tag post-1 at site shop",
    ];
    for page in gone {
        assert!(
            purged.iter().any(|purged| purged == page),
            "{page}: {purged:?}"
        );
    }
    // An answer to a comment goes with the comment.
    run(&mut client, "INSERT INTO comments VALUES (4, NULL, 2)").await;
    watched.purged().await;
    let purged = watched
        .after(&mut client, "DELETE FROM comments WHERE id = 2")
        .await;
    assert_eq!(purged, ["/comments/2", "/comments/4"]);
}
