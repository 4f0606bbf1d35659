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
    // As GRANT would, for which the user of the tests has not the right.
    let grant = "INSERT INTO mysql.tables_priv (Host, Db, User, Table_name, Table_priv)
        VALUES ('127.0.0.1', DATABASE(), 'stranger', 'posts', 'Insert'); FLUSH PRIVILEGES";
    run(&mut client, grant).await;
    let url = place.url.replace("roan:roan@", "stranger:x@");
    let mut stranger = roan_tests::Connection::open(&url).await.unwrap();
    let insert = "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A')";
    let purged = watched.after(&mut stranger, insert).await;
    assert_eq!(purged, ["/feed/1", "/posts", "/posts/a"]);
}
