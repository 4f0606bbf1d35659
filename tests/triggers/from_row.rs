//! Rules that need a value of the model: the relay makes it from the row that the trigger stored.

use std::time::Duration;

use chrono::DateTime;
use proptest::prelude::*;
use roan::outbox::Dialect;
use roan_tests::logged::{self, errors_with};
use roan_tests::{Connection, wait};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::article::{Article, INSERT, UPDATE, article, some_article, write};
use crate::same::agree_on;
use crate::support::{LONG, Place, Watched, for_each_case, on_each_database, run};

on_each_database!(
    hooks_and_triggers_yield_the_same,
    a_value_that_makes_no_url_is_logged_with_its_rule,
    a_value_that_cannot_be_read_is_dead_and_named,
    a_row_that_another_version_may_read_is_left_to_it,
    code_that_panics_stops_nothing_else,
    a_long_row_fails_no_write,
    rows_of_other_programs,
);

/// Foreign keys fire no trigger there: those of the parent store the rows.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_go_with_others_in_mysql() {
    let place = Place::new(Dialect::MySql).await;
    let mut client = place.connect().await;
    for sql in [
        "CREATE TABLE blogs (id bigint PRIMARY KEY)",
        "INSERT INTO blogs VALUES (1)",
        "ALTER TABLE articles ADD blog bigint NULL DEFAULT 1,
            ADD FOREIGN KEY (blog) REFERENCES blogs (id) ON DELETE CASCADE",
    ] {
        run(&mut client, sql).await;
    }
    let (watched, mut client) = place.start().await;
    let article = some_article();
    write(&mut client, INSERT, &article).await;
    watched.purged().await;
    agree_after(&watched, &mut client, "DELETE FROM blogs", || {
        roan::deleted(&article);
    })
    .await;
}

/// A text of PostgreSQL has at most 1 GB, and the relay takes many payloads at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_long_rows_of_one_statement_are_many_payloads() {
    let place = Place::new(Dialect::Postgres).await;
    let (watched, mut client) = place.start().await;
    write(&mut client, INSERT, &some_article()).await;
    watched.purged().await;
    let insert = "INSERT INTO articles (slug, status, level, published, views, rating, price, author, meta, note, written, day, id)
        SELECT n::text, status, level, published, views, rating, price, author, meta,
            repeat('x', 12000), written, day, gen_random_uuid()
        FROM articles, generate_series(1, 450) AS n";
    client.run(insert).await.unwrap();
    let payloads =
        "SELECT count(*), max(length(payload)) FROM roan_outbox WHERE length(payload) > 100000";
    let counted = client.numbers(payloads).await.unwrap();
    assert!(
        counted[0][0] >= 2 && counted[0][1] < 5_000_000,
        "{counted:?}"
    );
    let purged = watched.purged().await;
    let live: Vec<_> = purged
        .iter()
        .filter(|page| page.starts_with("/now"))
        .collect();
    assert_eq!(live.len(), 450);
}

/// Whose text depends on the session, and lacks digits.
#[tokio::test(flavor = "multi_thread")]
async fn times_and_floats_of_mysql() {
    let place = Place::new(Dialect::MySql).await;
    let mut client = place.connect().await;
    run(
        &mut client,
        "ALTER TABLE articles MODIFY written timestamp(6), MODIFY rating float",
    )
    .await;
    let (watched, mut client) = place.start().await;
    bend(&mut client).await;
    // In the same second of its own time zone as the article's in UTC, and with a number that a `FLOAT` has.
    let article = Article {
        rating: 16_777_213.0,
        ..some_article()
    };
    let local = DateTime::from_timestamp_micros(1_700_000_000_000_000 + 19_800_000_000).unwrap();
    client.run("BEGIN").await.unwrap();
    write(
        &mut client,
        INSERT,
        &Article {
            written: local,
            ..article.clone()
        },
    )
    .await;
    agree_on(&watched, &mut client, || roan::created(&article)).await;
    let update = "UPDATE articles SET rating = 16777214";
    let purged = watched.after(&mut client, update).await;
    assert!(
        purged.contains(&"/by-rating/16777214.0/Low/12.5000".to_owned()),
        "{purged:?}"
    );
}

async fn agree(watched: &Watched, client: &mut Connection, rows: &[Article]) {
    let mut olds = rows.to_vec();
    olds.sort_by_key(|row| row.id);
    olds.dedup_by_key(|row| row.id);
    let news: Vec<_> = (olds.iter().rev().zip(&olds))
        .map(|(row, old)| Article {
            id: old.id,
            ..row.clone()
        })
        .collect();
    client.run("BEGIN").await.unwrap();
    for row in &olds {
        write(client, INSERT, row).await;
    }
    agree_on(watched, client, || olds.iter().for_each(roan::created)).await;
    client.run("BEGIN").await.unwrap();
    for row in &news {
        write(client, UPDATE, row).await;
    }
    let updated = || {
        olds.iter()
            .zip(&news)
            .for_each(|(old, new)| roan::updated(old, new));
    };
    agree_on(watched, client, updated).await;
    client.run("BEGIN").await.unwrap();
    client.run("DELETE FROM articles").await.unwrap();
    agree_on(watched, client, || news.iter().for_each(roan::deleted)).await;
}

/// Settings of a writer that change the texts of values.
async fn bend(client: &mut Connection) {
    match client.dialect() {
        Dialect::Postgres => {
            run(client, "SET TimeZone = 'Asia/Kolkata'").await;
            run(client, "SET DateStyle = 'German'").await;
            run(client, "SET extra_float_digits = -10").await;
            run(client, "SET bytea_output = 'escape'").await;
        }
        Dialect::MySql => run(client, "SET time_zone = '+05:30'").await,
        _ => {}
    }
}

async fn hooks_and_triggers_yield_the_same(place: Place) {
    let (watched, mut client) = place.start().await;
    bend(&mut client).await;
    let rows = prop::collection::vec(article(), 1..12);
    for_each_case((&watched, &mut client), "articles", rows, &agree);
}

/// The errors of the rows that are dead, where no other version of the program is waited for.
async fn dead(watched: &Watched, at_least: usize) -> Vec<String> {
    let outbox = watched.roan.outbox();
    let mut dead = Vec::new();
    wait::until_async(LONG, "dead rows", async || {
        dead = outbox.dead(50).await.unwrap();
        dead.len() >= at_least
    })
    .await;
    outbox.discard_all().await.unwrap();
    dead.into_iter()
        .map(|dead| dead.error.to_string())
        .collect()
}

async fn a_value_that_makes_no_url_is_logged_with_its_rule(place: Place) {
    logged::start();
    let (watched, mut client) = place.start().await;
    let article = Article {
        slug: "..".to_owned(),
        ..some_article()
    };
    write(&mut client, INSERT, &article).await;
    let live = "/live/00000000-0000-0000-0000-000000000007".to_owned();
    assert!(watched.purged().await.contains(&live));
    // One that is filled from columns, and one that needs the model.
    for rule in ["/articles/{id}/{slug}", "/{status}/{slug}"] {
        let wanted = format!(
            "of the outbox, table \"articles\", rule Article (save, delete): url = {rule:?} at \
             tests/triggers/article.rs:"
        );
        assert!(!errors_with(&wanted).is_empty(), "{rule}");
    }
}

async fn without_grace(place: &Place) -> Watched {
    let outbox = place.triggered().await.grace_period(Duration::ZERO);
    Watched::start(outbox)
}

async fn a_value_that_cannot_be_read_is_dead_and_named(place: Place) {
    let watched = without_grace(&place).await;
    let mut client = place.connect().await;
    write(&mut client, INSERT, &some_article()).await;
    watched.purged().await;
    run(&mut client, "UPDATE articles SET status = 'gone'").await;
    let errors = dead(&watched, 1).await;
    for words in [
        "rule Article (save, delete)",
        "tests/triggers/article.rs:",
        r#"column "status" contains "gone""#,
        "unknown variant `gone`",
        "let the `Deserialize` of its type read what the database stores",
    ] {
        assert!(errors[0].contains(words), "{words}: {errors:?}");
    }
    // What else the rows show is purged, by the old row and by columns.
    let purged = watched.purged().await;
    for page in [
        "/articles/00000000-0000-0000-0000-000000000007/a",
        "/live/00000000-0000-0000-0000-000000000007",
        "/now%2Flive/a",
    ] {
        assert!(purged.contains(&page.to_owned()), "{page}: {purged:?}");
    }
    run(
        &mut client,
        "UPDATE articles SET status = 'draft', level = 11",
    )
    .await;
    let errors = dead(&watched, 1).await;
    assert!(errors[0].contains(r#"column "status""#), "{errors:?}");
    run(&mut client, "UPDATE articles SET slug = 'b'").await;
    let errors = dead(&watched, 1).await;
    assert!(
        errors[0].contains(r#"column "level" contains "11""#),
        "{errors:?}"
    );
    assert!(errors[0].contains("11 is not a level"), "{errors:?}");
}

/// Such as a new variant of an enum, in a deploy.
async fn a_row_that_another_version_may_read_is_left_to_it(place: Place) {
    let watched = Watched::start(place.triggered().await);
    let mut client = place.connect().await;
    write(&mut client, INSERT, &some_article()).await;
    run(&mut client, "UPDATE articles SET status = 'gone'").await;
    let left = "SELECT count(*) FROM roan_outbox WHERE state = 5";
    client.wait_for_count(left, 1).await;
    // What triggers of other rules have stored, as those of the version before this one.
    let other = "INSERT INTO roan_outbox (payload)
        SELECT replace(payload, '\"rules\":\"', '\"rules\":\"x') FROM roan_outbox WHERE state = 2";
    client.run(other).await.unwrap();
    client.wait_for_count(left, 2).await;
    assert!(watched.roan.outbox().dead(10).await.unwrap().is_empty());
    let _ = watched.roan.shutdown(LONG).await;
    // Nobody comes who can read the one and knows the rules of the other.
    let grace = Duration::from_millis(1);
    let watched = Watched::start(place.triggered().await.grace_period(grace));
    let errors = dead(&watched, 1).await;
    assert!(
        errors[0].contains(r#"column "status" contains "gone""#),
        "{errors:?}"
    );
    client.wait_for_count(left, 0).await;
    assert!(watched.roan.outbox().dead(10).await.unwrap().is_empty());
}

async fn code_that_panics_stops_nothing_else(place: Place) {
    let watched = without_grace(&place).await;
    let mut client = place.connect().await;
    let article = Article {
        views: -1,
        ..some_article()
    };
    write(&mut client, INSERT, &article).await;
    let errors = dead(&watched, 1).await;
    let words = "its code panicked: nobody has less than no views";
    assert!(
        errors[0].contains(words) && errors[0].contains("{rank()}"),
        "{errors:?}"
    );
    let purged = watched.purged().await;
    assert!(
        purged.iter().any(|page| page.starts_with("/all/")),
        "{purged:?}"
    );
    assert!(purged.contains(&"/now%2Flive/a".to_owned()), "{purged:?}");
    write(
        &mut client,
        INSERT,
        &Article {
            id: Uuid::from_u128(8),
            ..some_article()
        },
    )
    .await;
    assert!(!watched.purged().await.is_empty());
}

/// A payload takes 16 MB in MySQL and MariaDB, and a row of the model several times as much.
async fn a_long_row_fails_no_write(place: Place) {
    let mut client = place.connect().await;
    if place.dialect == Dialect::MySql {
        run(&mut client, "ALTER TABLE articles MODIFY note longtext").await;
    }
    let watched = without_grace(&place).await;
    let long = "\u{1}".repeat(3_000_000);
    let article = Article {
        note: Some(long),
        ..some_article()
    };
    write(&mut client, INSERT, &article).await;
    if place.dialect == Dialect::MySql {
        let errors = dead(&watched, 1).await;
        let words = r#"column "note" is too long for a URL"#;
        assert!(errors[0].contains(words), "{errors:?}");
        let update =
            "UPDATE articles SET note = NULL, meta = CONCAT('[\"', repeat('x', 3000000), '\"]')";
        client.run(update).await.unwrap();
        let errors = dead(&watched, 1).await;
        assert!(errors[0].contains("is too long"), "{errors:?}");
        client.run("UPDATE articles SET views = 4").await.unwrap();
        let errors = dead(&watched, 1).await;
        let words = "the row is longer than 2 MB";
        assert!(errors[0].contains(words), "{errors:?}");
    } else {
        // Its page is too long for a URL, and refused as from a hook.
        let _ = watched.roan.flush(LONG).await;
        watched.roan.outbox().discard_all().await.unwrap();
    }
    let purged = watched.purged().await;
    let page = "/articles/00000000-0000-0000-0000-000000000007/a";
    assert!(purged.contains(&page.to_owned()), "{purged:?}");
}

/// They may write JSON as it is usual, and rows of which a column is missing.
async fn rows_of_other_programs(place: Place) {
    let watched = without_grace(&place).await;
    let mut client = place.connect().await;
    let article = some_article();
    let mut row = json!({
        "id": article.id.to_string(), "slug": "a", "status": "live", "level": 10, "published": true, "views": 3,
        "rating": 4.5, "price": "12.5000", "author": { "id": 9, "names": [] }, "meta": {}, "cover": null, "note": null,
        "written": "2023-11-14T22:13:20Z", "day": "2023-11-14T22:13:20",
    });
    let put = |row: &Value| {
        let payload = json!({ "v": 1, "table": "articles", "event": "create", "rows": [row] });
        format!("INSERT INTO roan_outbox (payload) VALUES ('{payload}')")
    };
    agree_after(&watched, &mut client, &put(&row), || {
        roan::created(&article);
    })
    .await;
    row.as_object_mut().unwrap().remove("level");
    client.run(&put(&row)).await.unwrap();
    let errors = dead(&watched, 1).await;
    assert!(
        errors[0].contains(r#"column "level": the stored row does not have it"#),
        "{errors:?}"
    );
}

async fn agree_after(watched: &Watched, client: &mut Connection, sql: &str, hooks: impl FnOnce()) {
    client.run("BEGIN").await.unwrap();
    client.run(sql).await.unwrap();
    agree_on(watched, client, hooks).await;
}
