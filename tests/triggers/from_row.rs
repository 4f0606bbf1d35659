//! Rules that need a value of the model: the relay makes it from the row that the trigger stored.

use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDateTime, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use roan::outbox::Dialect;
use roan::purge_on;
use roan_tests::Connection;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::same::{agree_on, text};
use crate::support::{LONG, Place, Watched, on_each_database, run};

on_each_database!(
    hooks_and_triggers_yield_the_same,
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

/// A model as programs have it. Its rules are all of those that SQL cannot express.
#[purge_on(save, delete, url = "/articles/{id}/{slug}")]
#[purge_on(save, delete, url = "/{status}/{slug}")]
#[purge_on(save, delete, url = "/live/{id}", when = self.published)]
#[purge_on(save, delete, url = "/by-rating/{rank()}/{level}/{price}")]
#[purge_on(
    create,
    update(status, note),
    delete,
    tag = "author-{author.id}",
    site = "shop"
)]
#[purge_on(save, delete, url = "/notes/{note?}")]
#[purge_on(save, delete, urls = Self::everything)]
#[purge_on(table = "articles", from_row)]
#[derive(Debug, Clone, PartialEq)]
struct Article {
    id: Uuid,
    slug: String,
    status: Status,
    level: Level,
    published: bool,
    views: i32,
    rating: f64,
    price: Price,
    author: Author,
    meta: Value,
    cover: Option<Vec<u8>>,
    note: Option<String>,
    written: DateTime<Utc>,
    day: NaiveDateTime,
}

impl Article {
    fn rank(&self) -> String {
        assert!(self.views >= 0, "nobody has less than no views");
        format!("{:.1}", self.rating)
    }

    /// A page that names each field, byte for byte.
    fn everything(&self) -> [String; 1] {
        let text = format!("{self:?}");
        let digit = |number: u8| char::from_digit(number.into(), 16).unwrap();
        let digits = text
            .bytes()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        let digits = String::from_iter(digits);
        [format!("/all/{digits}")]
    }
}

/// Its `Display` differs from the text in the database.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "status", rename_all = "lowercase")]
enum Status {
    Draft,
    Live,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draft => "Rough Draft",
            Self::Live => "now/live",
        })
    }
}

/// A number in the database.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "i16")]
enum Level {
    Low = 10,
    High = 20,
}

impl TryFrom<i16> for Level {
    type Error = String;

    fn try_from(number: i16) -> Result<Self, String> {
        match number {
            10 => Ok(Self::Low),
            20 => Ok(Self::High),
            other => Err(format!("{other} is not a level")),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Ten thousandths, from the text of a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "String")]
struct Price(i64);

impl TryFrom<String> for Price {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.replace('.', "");
        digits
            .parse()
            .map(Self)
            .map_err(|_| format!("{text} is not a price"))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (
            self.0.unsigned_abs() / 10_000,
            self.0.unsigned_abs() % 10_000,
        );
        write!(f, "{sign}{whole}.{rest:04}")
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Author {
    id: i64,
    names: Vec<String>,
}

fn document() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (text(), any::<bool>()).prop_map(|(text, known)| json!({ "a": [text, null], "b": known })),
        Just(Value::Bool(true)),
    ]
}

fn time() -> impl Strategy<Value = DateTime<Utc>> {
    let microseconds = 0..4_000_000_000_000_000_i64;
    microseconds.prop_map(|number| DateTime::from_timestamp_micros(number).unwrap())
}

fn article() -> impl Strategy<Value = Article> {
    let status = prop::sample::select(vec![Status::Draft, Status::Live]);
    let level = prop::sample::select(vec![Level::Low, Level::High]);
    let rating = (-1e18..1e18_f64).prop_map(|number| number / 7.0);
    let price = (-9_999_999_999_i64..=9_999_999_999).prop_map(Price);
    let author = (any::<i64>(), prop::collection::vec(text(), 0..3));
    let author = author.prop_map(|(id, names)| Author { id, names });
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        Just(b"{}".to_vec())
    ];
    let cover = prop::option::of(bytes);
    let first = (
        text(),
        status,
        level,
        any::<bool>(),
        0..i32::MAX,
        rating,
        price,
    );
    let second = (
        author,
        document(),
        cover,
        prop::option::of(text()),
        time(),
        time(),
    );
    (any::<u128>(), first, second).prop_map(|(id, first, second)| {
        let (slug, status, level, published, views, rating, price) = first;
        let (author, meta, cover, note, written, day) = second;
        Article {
            id: Uuid::from_u128(id),
            slug,
            status,
            level,
            published,
            views,
            rating,
            price,
            author,
            meta,
            cover,
            note,
            written,
            day: day.naive_utc(),
        }
    })
}

fn some_article() -> Article {
    let time = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
    Article {
        id: Uuid::from_u128(7),
        slug: "a".to_owned(),
        status: Status::Live,
        level: Level::Low,
        published: true,
        views: 3,
        rating: 4.5,
        price: Price(125_000),
        author: Author {
            id: 9,
            names: Vec::new(),
        },
        meta: json!({}),
        cover: None,
        note: None,
        written: time,
        day: time.naive_utc(),
    }
}

const INSERT: &str = "INSERT INTO articles (slug, status, level, published, views, rating, price, author, meta, cover, note, written, day, id) \
     VALUES (?, ?, ?, ?, ?, ?, ?::numeric, ?::json, ?::json, ?, ?, ?::timestamptz, ?::timestamp, ?)";
const UPDATE: &str = "UPDATE articles SET slug = ?, status = ?, level = ?, published = ?, views = ?, rating = ?, \
     price = ?::numeric, author = ?::json, meta = ?::json, cover = ?, note = ?, written = ?::timestamptz, \
     day = ?::timestamp WHERE id = ?";

/// Runs a statement with the columns for its parameters, bound as sqlx binds them.
async fn write(client: &mut Connection, sql: &str, row: &Article) {
    let author = json!({ "id": row.author.id, "names": row.author.names }).to_string();
    let (written, day) = match client.dialect() {
        Dialect::MySql => {
            let form = "%Y-%m-%d %H:%M:%S%.6f";
            (
                row.written.format(form).to_string(),
                row.day.format(form).to_string(),
            )
        }
        _ => (
            row.written.to_rfc3339(),
            row.day.format("%Y-%m-%d %H:%M:%S%.f").to_string(),
        ),
    };
    let sql = match client.dialect() {
        Dialect::Postgres => {
            sql.split('?')
                .enumerate()
                .fold(String::new(), |sql, (number, piece)| {
                    if number == 0 {
                        piece.to_owned()
                    } else {
                        format!("{sql}${number}{piece}")
                    }
                })
        }
        _ => ["::numeric", "::json", "::timestamptz", "::timestamp"]
            .into_iter()
            .fold(sql.to_owned(), |sql, cast| sql.replace(cast, "")),
    };
    roan_tests::each_connection!(client, connection => {
        sqlx::query(AssertSqlSafe(sql))
            .bind(&row.slug)
            .bind(row.status)
            .bind(row.level as i16)
            .bind(row.published)
            .bind(row.views)
            .bind(row.rating)
            .bind(row.price.to_string())
            .bind(author)
            .bind(row.meta.to_string())
            .bind(&row.cover)
            .bind(&row.note)
            .bind(written)
            .bind(day)
            .bind(row.id)
            .execute(connection)
            .await
            .map(drop)
    })
    .unwrap_or_else(|error| panic!("{row:?}: {error}"));
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
    let mut runner = TestRunner::new(Config {
        cases: 24,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = tokio::task::block_in_place(|| {
        let client = std::cell::RefCell::new(&mut client);
        runner.run(&prop::collection::vec(article(), 1..12), |rows| {
            let mut client = client.borrow_mut();
            let _ = Handle::current().block_on(client.run("ROLLBACK"));
            let _ = Handle::current().block_on(client.run("DELETE FROM articles"));
            Handle::current().block_on(watched.purged());
            Handle::current().block_on(agree(&watched, &mut client, &rows));
            Ok(())
        })
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// The errors of the rows that are dead, where no other version of the program is waited for.
async fn dead(watched: &Watched, at_least: usize) -> Vec<String> {
    let outbox = watched.roan.outbox();
    let end = Instant::now() + LONG;
    let dead = loop {
        let dead = outbox.dead(50).await.unwrap();
        if dead.len() >= at_least {
            break dead;
        }
        assert!(Instant::now() < end, "{dead:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    outbox.discard_all().await.unwrap();
    dead.into_iter()
        .map(|dead| dead.error.to_string())
        .collect()
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
        "tests/triggers/from_row.rs:",
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
    wait_for_count(&mut client, left, 1).await;
    // What triggers of other rules have stored, as those of the version before this one.
    let other = "INSERT INTO roan_outbox (payload)
        SELECT replace(payload, '\"rules\":\"', '\"rules\":\"x') FROM roan_outbox WHERE state = 2";
    client.run(other).await.unwrap();
    wait_for_count(&mut client, left, 2).await;
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
    wait_for_count(&mut client, left, 0).await;
    assert!(watched.roan.outbox().dead(10).await.unwrap().is_empty());
}

async fn wait_for_count(client: &mut Connection, sql: &str, wanted: i64) {
    let end = Instant::now() + LONG;
    while client.numbers(sql).await.unwrap() != [[wanted]] {
        assert!(Instant::now() < end, "{sql}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
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
