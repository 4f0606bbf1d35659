//! A trigger yields what the hook yields, byte for byte, for all values of the types it may store.

use proptest::collection::vec;
use proptest::prelude::*;
use roan_tests::Connection;

use crate::models::Kinds;
use crate::support::{Place, Watched, for_each_case, on_each_database, run};

on_each_database!(
    hooks_and_triggers_yield_the_same,
    each_form_of_a_uuid_and_of_an_enum_is_the_same,
);

/// All of Unicode but NUL, which no database takes; and much of what URLs are made of.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        any::<char>().prop_filter("no NUL", |letter| *letter != '\0'),
        prop::sample::select(
            "/.%?#&+ '\"\\\r\n\t\u{1f}\u{7f}aZ0-_~é\u{2028}\u{feff}😀"
                .chars()
                .collect::<Vec<_>>()
        ),
    ];
    vec(letter, 0..8).prop_map(String::from_iter)
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), Just(0)]
}

fn kinds(largest: u64) -> impl Strategy<Value = Kinds> {
    let large = prop_oneof![0..=largest, Just(largest)];
    let uuid = any::<u128>().prop_map(uuid::Uuid::from_u128);
    (
        text(),
        text(),
        any::<i16>(),
        number(),
        large,
        uuid,
        any::<Option<i32>>(),
    )
        .prop_map(|(text, path, small, number, large, uuid, maybe)| Kinds {
            id: 0,
            text,
            path,
            small,
            number,
            large,
            uuid,
            maybe,
        })
}

/// Runs a statement with the columns of `kinds` for its parameters.
async fn write(client: &mut Connection, sql: &str, row: &Kinds) {
    macro_rules! written {
        ($sql:expr, $connection:expr, $large:expr) => {
            sqlx::query(sqlx::AssertSqlSafe($sql))
                .bind(&row.text)
                .bind(&row.path)
                .bind(row.small)
                .bind(row.number)
                .bind($large)
                .bind(row.uuid)
                .bind(row.maybe)
                .bind(row.id)
                .execute($connection)
                .await
                .map(drop)
        };
    }
    let done = match client {
        Connection::Postgres(connection) => {
            let mut numbered = String::new();
            for (number, piece) in sql.split('?').enumerate() {
                let cast = if number == 5 { "::numeric" } else { "" };
                let parameter = if number > 0 {
                    format!("${number}{cast}")
                } else {
                    String::new()
                };
                numbered += &(parameter + piece);
            }
            written!(numbered, connection, row.large.to_string())
        }
        Connection::MySql(connection) => written!(sql.to_owned(), connection, row.large),
        Connection::Sqlite(connection) => {
            written!(
                sql.to_owned(),
                connection,
                i64::try_from(row.large).unwrap()
            )
        }
    };
    done.unwrap_or_else(|error| panic!("{row:?}: {error}"));
}

fn hooked(hooks: impl FnOnce()) -> Vec<String> {
    let purges = roan::testing::record_blocking(hooks);
    let mut targets: Vec<_> = purges.targets().iter().map(ToString::to_string).collect();
    targets.sort();
    targets
}

pub(crate) async fn agree_on(watched: &Watched, client: &mut Connection, hooks: impl FnOnce()) {
    client.run("COMMIT").await.unwrap();
    assert_eq!(watched.purged().await, hooked(hooks));
}

async fn agree(watched: &Watched, client: &mut Connection, rows: &[Kinds]) {
    let next = |row: &Kinds, id| Kinds { id, ..row.clone() };
    let rows: Vec<_> = rows
        .iter()
        .zip(1..)
        .map(|(row, id)| next(row, id))
        .collect();
    let insert = "INSERT INTO kinds (text, path, small, number, large, uuid, maybe, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    client.run("BEGIN").await.unwrap();
    for row in &rows {
        write(client, insert, row).await;
    }
    agree_on(watched, client, || rows.iter().for_each(roan::created)).await;
    let update = "UPDATE kinds SET text = ?, path = ?, small = ?, number = ?, large = ?, uuid = ?, maybe = ? WHERE id = ?";
    let olds = rows.iter();
    let news: Vec<_> = rows
        .iter()
        .rev()
        .zip(1..)
        .map(|(row, id)| next(row, id))
        .collect();
    client.run("BEGIN").await.unwrap();
    for row in &news {
        write(client, update, row).await;
    }
    let updated = || {
        olds.zip(&news)
            .for_each(|(old, new)| roan::updated(old, new));
    };
    agree_on(watched, client, updated).await;
    client.run("BEGIN").await.unwrap();
    client.run("DELETE FROM kinds").await.unwrap();
    agree_on(watched, client, || news.iter().for_each(roan::deleted)).await;
}

async fn hooks_and_triggers_yield_the_same(place: Place) {
    let (watched, mut client) = place.start().await;
    let largest = match place.dialect {
        roan::outbox::Dialect::Sqlite => i64::MAX.unsigned_abs(),
        _ => u64::MAX,
    };
    let rows = vec(kinds(largest), 1..16);
    for_each_case((&watched, &mut client), "kinds", rows, &agree);
}

async fn each_form_of_a_uuid_and_of_an_enum_is_the_same(place: Place) {
    let (hyphenated, simple) = (
        "'67E55044-10B1-426F-9247-BB680E5FE0C8'",
        "'67e5504410b1426f9247bb680e5fe0c8'",
    );
    let bytes = "x'67e5504410b1426f9247bb680e5fe0c8'";
    let text = "ALTER TABLE kinds ALTER text TYPE status USING text::status";
    let forms = match place.dialect {
        roan::outbox::Dialect::Postgres => vec![
            (text, hyphenated),
            ("ALTER TABLE kinds ALTER uuid TYPE text", hyphenated),
            ("ALTER TABLE kinds ALTER uuid TYPE char(36)", simple),
        ],
        roan::outbox::Dialect::MySql => vec![
            ("ALTER TABLE kinds MODIFY text enum('live', 'draft')", bytes),
            ("ALTER TABLE kinds MODIFY uuid varbinary(36)", hyphenated),
            ("ALTER TABLE kinds MODIFY uuid char(36)", hyphenated),
            ("ALTER TABLE kinds MODIFY uuid char(32)", simple),
            ("ALTER TABLE kinds MODIFY uuid uuid", hyphenated),
        ],
        _ => vec![("", bytes), ("", hyphenated), ("", simple)],
    };
    for (change, uuid) in forms {
        let mut client = place.connect().await;
        run(&mut client, "DELETE FROM kinds").await;
        if !change.is_empty() {
            run(&mut client, change).await;
        }
        let (watched, mut client) = place.start().await;
        let insert = format!("INSERT INTO kinds VALUES (1, 'draft', 'b', 1, 2, 3, {uuid}, 1)");
        let purged = watched.after(&mut client, &insert).await;
        let page = "/kinds/draft/1/2/3/67e55044-10b1-426f-9247-bb680e5fe0c8";
        assert!(purged.contains(&page.to_owned()), "{change}: {purged:?}");
    }
}
