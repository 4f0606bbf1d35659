//! Each row of the guide's table "Which writes purge" is tried: what it says purges, and nothing else.

use std::pin::Pin;

use ::sea_orm::ConnectionTrait as _;
use roan::orm::sea_orm::with_dispatcher;
use roan::orm::sqlx::PurgeConnection as _;
use roan::outbox::{Dialect, Outbox};
use roan::purge_on;
use roan::triggers::Triggers;
use roan_tests::each_connection;
use sqlx::{AssertSqlSafe, Connection as _};

use self::diesel::{Title, old, title};
use super::links::TABLES;
use super::site::Site;

const GUIDE: &str = include_str!("../../../../roan/src/guide/libraries.md");

/// A row that the database deletes with its fruit.
#[purge_on(delete, url = "/seeds/{id}", table = "seeds")]
#[allow(dead_code, reason = "nobody reads it")]
struct Seed {
    id: i64,
}

const SEEDS: [&str; 2] = [
    "CREATE TABLE fruits (id bigint PRIMARY KEY)",
    "CREATE TABLE seeds (id bigint PRIMARY KEY, fruit_id bigint,
        FOREIGN KEY (fruit_id) REFERENCES fruits (id) ON DELETE CASCADE)",
];

/// One write that a row of the table is about.
struct Way {
    /// A name in the first cell of the row, or the whole cell.
    write: &'static str,
    library: &'static str,
    purges: Purges,
    /// Writes, with the row's word or without it.
    run: Run,
    purged: &'static [&'static str],
}

type Run = for<'a> fn(&'a Site, Word) -> Pin<Box<dyn Future<Output = Done> + 'a>>;
type Done = Result<(), Box<dyn std::error::Error>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    With,
    Without,
}
use Word::{With, Without};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purges {
    ByItself,
    /// This word is in the third cell.
    WithWord(&'static str),
    /// As above, for a rule that is there in any case.
    WithRule(&'static str),
    ByTrigger,
}
use Purges::{ByItself, ByTrigger, WithRule, WithWord};

/// What each write finds: a post with a tag and a comment, a fruit with a seed.
const ROWS: [&str; 11] = [
    "DELETE FROM comments",
    "DELETE FROM post_tags",
    "DELETE FROM tags",
    "DELETE FROM posts",
    "DELETE FROM fruits",
    "INSERT INTO posts (id, title) VALUES (7, 'old')",
    "INSERT INTO tags (id, name) VALUES (1, 'a')",
    "INSERT INTO post_tags (post_id, tag_id) VALUES (7, 1)",
    "INSERT INTO comments (id, post_id) VALUES (1, 7)",
    "INSERT INTO fruits (id) VALUES (1)",
    "INSERT INTO seeds (id, fruit_id) VALUES (1, 1)",
];

/// A way whose write is an asynchronous block.
macro_rules! way {
    ($library:literal, $write:literal, $purges:expr, $purged:expr, |$site:ident, $word:ident| $run:expr) => {
        Way {
            write: $write,
            library: $library,
            purges: $purges,
            run: |$site, $word| {
                Box::pin(async move {
                    let _ = $word;
                    $run;
                    Ok(())
                })
            },
            purged: $purged,
        }
    };
}

mod diesel;
mod sea_orm;

const POST: &[&str] = &["/posts/7"];
/// A title that was there and has changed.
const RETITLED: &[&str] = &["/posts/7", "/titles/new", "/titles/old"];
/// As above, where nobody has read the old row.
const UPSERTED: &[&str] = &["/posts/7", "/titles/new"];
/// Nobody knows whether another writer has inserted it in between.
const NEW: &[&str] = &["/posts/8", "/titles/new"];

/// SQL through sqlx, and the hooks of the word.
macro_rules! sql {
    ($site:ident, $word:ident, $sql:expr, $hook:expr) => {{
        let mut connection = $site.database.connect().await;
        connection.run($sql).await?;
        if $word == With {
            connection.purge(&$site.roan, $hook).await?;
        }
        connection.close().await?;
    }};
}

fn of_sqlx() -> Vec<Way> {
    const INSERT: &str = "INSERT INTO posts (id, title) VALUES (8, 'new')";
    const UPDATE: &str = "UPDATE posts SET title = 'new'";
    vec![
        way!(
            "sqlx",
            "INSERT",
            WithWord("created"),
            &["/posts/8"],
            |site, word| {
                sql!(site, word, INSERT, || roan::created(&title(8)));
            }
        ),
        way!(
            "sqlx",
            "UPDATE",
            WithWord("updated"),
            RETITLED,
            |site, word| {
                sql!(site, word, UPDATE, || roan::updated(&old(), &title(7)));
            }
        ),
        way!("sqlx", "DELETE", WithWord("deleted"), POST, |site, word| {
            sql!(site, word, "DELETE FROM posts", || roan::deleted(&title(7)));
        }),
        way!(
            "sqlx",
            "ON CONFLICT",
            WithWord("updated"),
            RETITLED,
            |site, word| upserted(site, word, &title(7)).await?
        ),
        way!(
            "sqlx",
            "ON CONFLICT",
            WithWord("updated"),
            POST,
            |site, word| upserted(site, word, &old()).await?
        ),
        way!(
            "sqlx",
            "ON CONFLICT",
            WithWord("saved"),
            NEW,
            |site, word| upserted(site, word, &title(8)).await?
        ),
    ]
}

/// An upsert through sqlx, which reads the old row first.
async fn upserted(site: &Site, word: Word, title: &Title) -> Result<(), sqlx::Error> {
    let (id, new) = (title.id, &title.title);
    let (lock, on_conflict) = match site.database.dialect() {
        Dialect::Postgres => (" FOR NO KEY UPDATE", "ON CONFLICT (id) DO UPDATE SET"),
        Dialect::MySql => (" FOR UPDATE", "ON DUPLICATE KEY UPDATE"),
        _ => ("", "ON CONFLICT (id) DO UPDATE SET"),
    };
    let find = format!("SELECT id, title FROM posts WHERE id = {id}");
    let lock = format!("{find}{lock}");
    let upsert = format!(
        "INSERT INTO posts (id, title) VALUES ({id}, '{new}') {on_conflict} title = '{new}'"
    );
    let mut connection = site.database.connect().await;
    each_connection!(&mut connection, connection => {
        let mut tx = connection.begin().await?;
        let find = sqlx::query_as(AssertSqlSafe(find));
        let mut old: Option<Title> = find.fetch_optional(&mut *tx).await?;
        if old.is_some() {
            let lock = sqlx::query_as(AssertSqlSafe(lock));
            old = lock.fetch_optional(&mut *tx).await?;
        }
        sqlx::query(AssertSqlSafe(upsert)).execute(&mut *tx).await?;
        let hooks = || match &old {
            Some(old) => roan::updated(old, title),
            None => roan::saved(title),
        };
        if word == With {
            tx.run_hooks(Some(&site.roan), hooks).await?;
        }
        tx.commit().await?;
    });
    connection.close().await
}

fn of_others() -> Vec<Way> {
    vec![
        way!(
            "Diesel, diesel-async, sqlx",
            "rows that a foreign key deletes or changes",
            ByTrigger,
            &["/seeds/1"],
            |site, word| sql!(site, word, "DELETE FROM fruits", || {})
        ),
        way!(
            "all",
            "SQL of your own",
            ByTrigger,
            &["/seeds/1"],
            |site, word| { site.db.execute_unprepared("DELETE FROM seeds").await? }
        ),
        way!(
            "all",
            "another program",
            ByTrigger,
            &["/seeds/1"],
            |site, word| {
                sql!(site, word, "DELETE FROM seeds", || {});
            }
        ),
    ]
}

/// The cells of the guide's table.
fn table() -> Vec<[&'static str; 3]> {
    let (_, table) = GUIDE.split_once("| write | library | purges |").unwrap();
    let lines = table.lines().skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells = row.trim_matches('|').split(" | ").map(str::trim);
        let cells: Vec<_> = cells.collect();
        <[&str; 3]>::try_from(cells).unwrap()
    })
    .collect()
}

/// The names of a row's writes: what is in backticks, else the whole cell.
fn names(write: &str) -> Vec<&str> {
    let names: Vec<_> = write.split('`').skip(1).step_by(2).collect();
    if names.is_empty() { vec![write] } else { names }
}

fn ways() -> Vec<Way> {
    [sea_orm::ways(), diesel::ways(), of_sqlx(), of_others()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn the_guide_says_of_each_way_what_is_tried_here() {
    let (table, ways) = (table(), ways());
    for way in &ways {
        let is_it = |row: &&[&str; 3]| row[1] == way.library && names(row[0]).contains(&way.write);
        let rows: Vec<_> = table.iter().filter(is_it).collect();
        assert_eq!(rows.len(), 1, "{} of {}", way.write, way.library);
        let purges = rows[0][2];
        let agrees = match way.purges {
            ByItself => purges.starts_with("by itself"),
            WithWord(word) | WithRule(word) => {
                purges.starts_with("with ") && purges.contains(&format!("`{word}`"))
            }
            ByTrigger => purges.starts_with("by a trigger"),
        };
        assert!(agrees, "{} of {}: {purges}", way.write, way.library);
    }
    for [write, library, _] in table {
        for name in names(write) {
            let is_tried = ways
                .iter()
                .any(|way| way.library == library && way.write == name);
            assert!(is_tried, "nobody tries {name} of {library}");
        }
    }
}

#[test]
fn each_way_purges_as_the_guide_says() {
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        crate::suite::block_on(async {
            let tables: Vec<_> = TABLES.into_iter().chain(SEEDS).collect();
            let site = Site::new(dialect, &tables, true).await;
            let mut failed = Vec::new();
            let mut attempt = async |way: &Way, word, expected: &[&str]| {
                let mut admin = site.database.connect().await;
                for sql in ROWS {
                    admin.run(sql).await.unwrap();
                }
                admin.close().await.unwrap();
                site.purged().await;
                let done = with_dispatcher(&site.roan, (way.run)(&site, word)).await;
                let purged = site.purged().await;
                if done.is_err() || purged != expected {
                    let name = (way.library, way.write, word);
                    failed.push(format!("{name:?}: {done:?}, {purged:?}, not {expected:?}"));
                }
            };
            let ways = ways();
            for way in &ways {
                match way.purges {
                    ByItself => attempt(way, Without, way.purged).await,
                    WithRule(_) => attempt(way, With, way.purged).await,
                    WithWord(_) => {
                        attempt(way, Without, &[]).await;
                        attempt(way, With, way.purged).await;
                    }
                    ByTrigger => attempt(way, Without, &[]).await,
                }
            }
            install_triggers(&site).await;
            for way in ways.iter().filter(|way| way.purges == ByTrigger) {
                attempt(way, Without, way.purged).await;
            }
            assert!(failed.is_empty(), "{dialect}:\n{}", failed.join("\n"));
        });
    }
}

/// On the table of the seeds alone: this program has models of other tables, too.
async fn install_triggers(site: &Site) {
    const OTHERS: [&str; 16] = [
        "articles",
        "authors",
        "books",
        "buds",
        "comments",
        "leaves",
        "likings",
        "memos",
        "notes",
        "post_tags",
        "posts",
        "public.needles",
        "remarks",
        "replies",
        "synonyms",
        "tags",
    ];
    let triggers = OTHERS.into_iter().fold(Triggers::new(), Triggers::without);
    let outbox = Outbox::at(site.database.url()).unwrap().triggers(triggers);
    outbox.install_triggers().await.unwrap();
}
