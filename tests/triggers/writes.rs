//! What each kind of write purges.

use roan::outbox::Dialect;
use roan_tests::logged::{self, errors_with};

use crate::support::{Place, on_each_database, run};

on_each_database!(
    a_value_that_makes_no_url_is_logged_with_its_rule,
    a_row_is_created_changed_and_deleted,
    an_update_of_columns_that_nobody_watches_purges_nothing,
    a_table_without_a_key_and_with_unusual_names,
    rollback_and_savepoints_decide,
    many_rows_of_one_statement,
    an_upsert,
    rules_made_at_run_time,
    a_row_goes_with_another,
    hooks_and_triggers_purge_once,
);

async fn a_row_is_created_changed_and_deleted(place: Place) {
    let (watched, mut client) = place.start().await;
    let insert = "INSERT INTO posts (id, slug, title) VALUES (1, 'a b', 'A')";
    let purged = watched.after(&mut client, insert).await;
    assert_eq!(purged, ["/feed/1", "/posts", "/posts/a%20b"]);
    let update = "UPDATE posts SET slug = 'c' WHERE id = 1";
    let purged = watched.after(&mut client, update).await;
    assert_eq!(purged, ["/posts", "/posts/a%20b", "/posts/c"]);
    // As a text it is another, whatever the column's collation says.
    let update = "UPDATE posts SET title = 'a' WHERE id = 1";
    let purged = watched.after(&mut client, update).await;
    assert_eq!(purged, ["/feed/1", "/posts", "/posts/c"]);
    let update = "UPDATE posts SET id = 2 WHERE id = 1";
    let purged = watched.after(&mut client, update).await;
    let moved = ["/feed/1", "/feed/2", "/posts", "/posts/c"];
    if place.dialect == Dialect::Postgres {
        // A key that changed is another row to it.
        assert_eq!(purged, moved);
    } else {
        assert_eq!(purged, moved[2..]);
    }
    let purged = watched.after(&mut client, "DELETE FROM posts").await;
    assert_eq!(
        purged,
        ["/feed/2", "/posts", "/posts/c", "tag post-2 at site shop"]
    );
    let purged = watched.after(&mut client, "DELETE FROM posts").await;
    assert!(purged.is_empty(), "{purged:?}");
}

async fn an_update_of_columns_that_nobody_watches_purges_nothing(place: Place) {
    let (watched, mut client) = place.start().await;
    run(
        &mut client,
        "INSERT INTO notes VALUES (1, 'A', true, 'x'), (2, NULL, NULL, 'x')",
    )
    .await;
    run(
        &mut client,
        "UPDATE notes SET body = 'y', text = 'A' WHERE id = 1",
    )
    .await;
    assert!(watched.purged().await.is_empty());
    let rows = client.numbers("SELECT count(*) FROM roan_outbox").await;
    assert_eq!(rows.unwrap(), [[0]]);
    for (update, note) in [
        ("text = 'a' WHERE id = 1", "/notes/1"),
        ("pinned = false WHERE id = 1", "/notes/1"),
        ("text = '' WHERE id = 2", "/notes/2"),
        ("text = NULL WHERE id = 1", "/notes/1"),
    ] {
        let update = format!("UPDATE notes SET {update}");
        assert_eq!(
            watched.after(&mut client, &update).await,
            [note],
            "{update}"
        );
    }
}

async fn a_table_without_a_key_and_with_unusual_names(place: Place) {
    let (watched, mut client) = place.start().await;
    let insert = "INSERT INTO \"Plain Things\" VALUES ('é/1', NULL, 'x'), ('2', '?', 'x')";
    let purged = watched.after(&mut client, insert).await;
    assert_eq!(purged, ["/plain/%C3%A9%2F1", "/plain/2"]);
    let update = "UPDATE \"Plain Things\" SET \"order\" = 'y'";
    assert_eq!(watched.after(&mut client, update).await, ["/plain/2/%3F"]);
    assert!(watched.after(&mut client, update).await.is_empty());
}

async fn rollback_and_savepoints_decide(place: Place) {
    let (watched, mut client) = place.start().await;
    run(&mut client, "BEGIN").await;
    run(
        &mut client,
        "INSERT INTO posts (id, slug, title) VALUES (0, 'x', 'X')",
    )
    .await;
    run(&mut client, "ROLLBACK").await;
    let insert = "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A')";
    let purged = watched.after(&mut client, insert).await;
    assert_eq!(purged, ["/feed/1", "/posts", "/posts/a"]);
    for sql in [
        "BEGIN",
        "INSERT INTO comments VALUES (1, 1)",
        "SAVEPOINT s",
        "INSERT INTO comments VALUES (2, 1)",
        "ROLLBACK TO SAVEPOINT s",
        "INSERT INTO comments VALUES (3, 1)",
    ] {
        run(&mut client, sql).await;
    }
    let purged = watched.after(&mut client, "COMMIT").await;
    assert_eq!(purged, ["/comments/1", "/comments/3"]);
}

async fn many_rows_of_one_statement(place: Place) {
    let (watched, mut client) = place.start().await;
    let values: Vec<_> = (0..1201).map(|id| format!("({id}, 1)")).collect();
    run(
        &mut client,
        "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A')",
    )
    .await;
    watched.purged().await;
    let insert = format!("INSERT INTO comments VALUES {}", values.join(", "));
    assert_eq!(watched.after(&mut client, &insert).await.len(), 1201);
    let purged = watched
        .after(&mut client, "UPDATE comments SET id = id + 5000")
        .await;
    assert_eq!(purged.len(), 2402);
    let count = "SELECT count(*) FROM roan_outbox";
    let rows = client.numbers(count).await.unwrap()[0][0];
    let wanted = if place.dialect == Dialect::Postgres {
        1 + 3 + 5
    } else {
        1 + 1201 + 1201
    };
    assert_eq!(rows, wanted);
}

async fn an_upsert(place: Place) {
    let (watched, mut client) = place.start().await;
    let upsert = |slug: &str| {
        let insert = format!("INSERT INTO posts (id, slug, title) VALUES (1, '{slug}', 'A')");
        if place.dialect == Dialect::MySql {
            format!("{insert} ON DUPLICATE KEY UPDATE slug = '{slug}'")
        } else {
            format!("{insert} ON CONFLICT (id) DO UPDATE SET slug = '{slug}'")
        }
    };
    let purged = watched.after(&mut client, &upsert("a")).await;
    assert_eq!(purged, ["/feed/1", "/posts", "/posts/a"]);
    let purged = watched.after(&mut client, &upsert("b")).await;
    for page in ["/posts", "/posts/a", "/posts/b"] {
        assert!(purged.iter().any(|purged| purged == page), "{purged:?}");
    }
}

async fn rules_made_at_run_time(place: Place) {
    let (watched, mut client) = place.start().await;
    let purged = watched
        .after(&mut client, "INSERT INTO bare VALUES (1)")
        .await;
    assert_eq!(purged, ["/bare"]);
    assert!(
        watched
            .after(&mut client, "DELETE FROM bare")
            .await
            .is_empty()
    );
}

async fn a_row_goes_with_another(place: Place) {
    let (watched, mut client) = place.start().await;
    run(
        &mut client,
        "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A')",
    )
    .await;
    run(&mut client, "INSERT INTO comments VALUES (7, 1)").await;
    watched.purged().await;
    let purged = watched.after(&mut client, "DELETE FROM posts").await;
    assert!(purged.contains(&"/comments/7".to_owned()), "{purged:?}");
}

async fn hooks_and_triggers_purge_once(place: Place) {
    let (watched, mut client) = place.start().await;
    run(&mut client, "BEGIN").await;
    run(
        &mut client,
        "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A')",
    )
    .await;
    let post = crate::models::Post {
        id: 1,
        slug: "a".to_owned(),
        title: "A".to_owned(),
    };
    let hooks = || roan::created(&post);
    client.purge(&watched.roan, hooks).await.unwrap();
    let purged = watched.after(&mut client, "COMMIT").await;
    assert_eq!(purged, ["/feed/1", "/posts", "/posts/a"]);
}

async fn a_value_that_makes_no_url_is_logged_with_its_rule(place: Place) {
    logged::start();
    let (watched, mut client) = place.start().await;
    let insert = "INSERT INTO posts (id, slug, title) VALUES (1, '..', 'A')";
    let purged = watched.after(&mut client, insert).await;
    assert_eq!(purged, ["/feed/1", "/posts"]);
    let wanted = "of the outbox, table \"posts\", rule Post (save, delete): url = \"/posts/{slug}\" at \
                  tests/triggers/models.rs:";
    assert!(!errors_with(wanted).is_empty());
}
