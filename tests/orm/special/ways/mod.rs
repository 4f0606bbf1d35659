//! Each row of the guide's table "Which writes purge" is tried: what it says purges, and nothing else.

use std::pin::Pin;

use ::sea_orm::ConnectionTrait as _;
use roan::orm::sea_orm::with_dispatcher;
use roan::outbox::{Dialect, Outbox};
use roan::triggers::Triggers;

use self::diesel::title;
use super::links::TABLES;
use super::site::Site;

const GUIDE: &str = include_str!("../../../../roan/src/guide/libraries.md");

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

/// What each write finds: a post with a tag and a comment, a tree with a leaf.
const ROWS: [&str; 11] = [
    "DELETE FROM comments",
    "DELETE FROM post_tags",
    "DELETE FROM tags",
    "DELETE FROM posts",
    "DELETE FROM trees",
    "INSERT INTO posts (id, title) VALUES (7, 'old')",
    "INSERT INTO tags (id, name) VALUES (1, 'a')",
    "INSERT INTO post_tags (post_id, tag_id) VALUES (7, 1)",
    "INSERT INTO comments (id, post_id) VALUES (1, 7)",
    "INSERT INTO trees (id) VALUES (1)",
    "INSERT INTO leaves (id, tree_id) VALUES (1, 1)",
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
        way!("sqlx", "UPDATE", WithWord("updated"), POST, |site, word| {
            sql!(site, word, UPDATE, || roan::updated(&title(7), &title(7)));
        }),
        way!("sqlx", "DELETE", WithWord("deleted"), POST, |site, word| {
            sql!(site, word, "DELETE FROM posts", || roan::deleted(&title(7)));
        }),
        way!(
            "sqlx",
            "ON CONFLICT",
            WithWord("saved"),
            &["/posts/8"],
            |site, word| {
                sql!(site, word, INSERT, || roan::saved(&title(8)));
            }
        ),
    ]
}

fn of_others() -> Vec<Way> {
    vec![
        way!(
            "Diesel, diesel-async, sqlx",
            "rows that a foreign key deletes or changes",
            ByTrigger,
            &["/leaves/1"],
            |site, word| sql!(site, word, "DELETE FROM trees", || {})
        ),
        way!(
            "all",
            "SQL of your own",
            ByTrigger,
            &["/leaves/1"],
            |site, word| { site.db.execute_unprepared("DELETE FROM leaves").await? }
        ),
        way!(
            "all",
            "another program",
            ByTrigger,
            &["/leaves/1"],
            |site, word| {
                sql!(site, word, "DELETE FROM leaves", || {});
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
            let tables: Vec<_> = TABLES.into_iter().chain(super::cascades::TABLES).collect();
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

/// On the table of the leaves alone: this program has models of other tables, too.
async fn install_triggers(site: &Site) {
    const OTHERS: [&str; 13] = [
        "articles",
        "authors",
        "books",
        "buds",
        "comments",
        "likings",
        "post_tags",
        "posts",
        "replies",
        "synonyms",
        "tags",
        "titles",
        "trees",
    ];
    let triggers = OTHERS.into_iter().fold(Triggers::new(), Triggers::without);
    let outbox = Outbox::at(site.database.url()).unwrap().triggers(triggers);
    outbox.install_triggers().await.unwrap();
}
