//! A model as programs have it, most of whose rules need a value of it.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use proptest::prelude::*;
use roan::outbox::Dialect;
use roan::purge_on;
use roan_tests::Connection;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::same::text;

/// Its rules are all of those that SQL cannot express.
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
pub(crate) struct Article {
    pub(crate) id: Uuid,
    pub(crate) slug: String,
    pub(crate) status: Status,
    pub(crate) level: Level,
    pub(crate) published: bool,
    pub(crate) views: i32,
    pub(crate) rating: f64,
    pub(crate) price: Price,
    pub(crate) author: Author,
    pub(crate) meta: Value,
    pub(crate) cover: Option<Vec<u8>>,
    pub(crate) note: Option<String>,
    pub(crate) written: DateTime<Utc>,
    pub(crate) day: NaiveDateTime,
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
pub(crate) enum Status {
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
pub(crate) enum Level {
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
pub(crate) struct Price(pub(crate) i64);

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
pub(crate) struct Author {
    pub(crate) id: i64,
    pub(crate) names: Vec<String>,
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

pub(crate) fn article() -> impl Strategy<Value = Article> {
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

pub(crate) fn some_article() -> Article {
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

pub(crate) const INSERT: &str = "INSERT INTO articles (slug, status, level, published, views, rating, price, author, meta, cover, note, written, day, id) \
     VALUES (?, ?, ?, ?, ?, ?, ?::numeric, ?::json, ?::json, ?, ?, ?::timestamptz, ?::timestamp, ?)";
pub(crate) const UPDATE: &str = "UPDATE articles SET slug = ?, status = ?, level = ?, published = ?, views = ?, rating = ?, \
     price = ?::numeric, author = ?::json, meta = ?::json, cover = ?, note = ?, written = ?::timestamptz, \
     day = ?::timestamp WHERE id = ?";

/// Runs a statement with the columns for its parameters, bound as sqlx binds them.
pub(crate) async fn write(client: &mut Connection, sql: &str, row: &Article) {
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
