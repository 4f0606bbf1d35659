//! Each row of the guide's table "Which writes purge" is tried: what it says purges, and nothing else.

use std::pin::Pin;

use diesel::prelude::*;
use roan::orm::diesel::PurgeExt as _;
use roan::orm::sea_orm::{PurgeExt as _, with_dispatcher};
use roan::outbox::{Dialect, Outbox};
use roan::purge_on;
use roan::triggers::Triggers;
use sea_orm::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{IntoActiveModel as _, Set};

use super::links::{TABLES, post, post_tag, tag};
use super::site::Site;
use crate::libraries::diesel::url;

const GUIDE: &str = include_str!("../../../roan/src/guide/libraries.md");

/// The title of a post, for libraries other than SeaORM.
#[purge_on(save, delete, url = "/posts/{id}")]
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Identifiable, AsChangeset)]
#[diesel(table_name = posts)]
struct Title {
    id: i32,
    title: String,
}

diesel::table! {
    posts (id) {
        id -> Integer,
        title -> VarChar,
    }
}

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

const POST: &[&str] = &["/posts/7"];
const RETITLED: &[&str] = &["/posts/7", "/tags/a"];
const DELETED: &[&str] = &["/comments/1", "/posts/7", "/tags/a"];
const UNLINKED: &[&str] = &["/comments/1", "/links/7/1", "/posts/7", "/tags/a"];

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

async fn found(site: &Site) -> Result<post::Model, DbErr> {
    let found = post::Entity::find_by_id(7).one(&site.db).await?;
    found.ok_or(DbErr::RecordNotFound("post 7".to_owned()))
}

fn new() -> post::ActiveModel {
    post::ActiveModel {
        id: Set(8),
        title: Set("new".to_owned()),
    }
}

async fn retitled(site: &Site) -> Result<post::ActiveModel, DbErr> {
    let mut post = found(site).await?.into_active_model();
    post.title = Set("new".to_owned());
    Ok(post)
}

/// A statement of an entity, by `exec` or by `exec_and_purge`.
macro_rules! exec {
    ($site:ident, $word:ident, $statement:expr) => {{
        let statement = $statement;
        match $word {
            With => drop(statement.exec_and_purge(&$site.db).await?),
            Without => drop(statement.exec(&$site.db).await?),
        }
    }};
}

fn of_sea_orm() -> Vec<Way> {
    const WITH: Purges = WithWord("exec_and_purge");
    vec![
        way!("SeaORM", "insert", ByItself, &["/posts/8"], |site, word| {
            new().insert(&site.db).await?
        }),
        way!("SeaORM", "update", ByItself, RETITLED, |site, word| {
            retitled(site).await?.update(&site.db).await?
        }),
        way!("SeaORM", "save", ByItself, RETITLED, |site, word| {
            retitled(site).await?.save(&site.db).await?
        }),
        way!("SeaORM", "delete", ByItself, DELETED, |site, word| {
            found(site).await?.delete(&site.db).await?
        }),
        way!(
            "SeaORM",
            "update_without_returning",
            ByItself,
            RETITLED,
            |site, word| {
                retitled(site)
                    .await?
                    .update_without_returning(&site.db)
                    .await?
            }
        ),
        way!(
            "SeaORM",
            "ActiveModel::builder()",
            ByItself,
            &["/links/8/1", "/posts/8"],
            |site, word| {
                let tag = tag::Entity::find_by_id(1)
                    .one(&site.db)
                    .await?
                    .ok_or("a tag")?;
                let mut built = post::ActiveModel::builder().set_title("new");
                built.tags.push(tag.into_ex().into_active_model());
                built.id = Set(8);
                built.insert(&site.db).await?
            }
        ),
        way!(
            "SeaORM",
            "ModelEx::delete",
            ByItself,
            UNLINKED,
            |site, word| { found(site).await?.into_ex().delete(&site.db).await? }
        ),
        way!(
            "SeaORM",
            "Model::cascade_delete",
            ByItself,
            UNLINKED,
            |site, word| { found(site).await?.cascade_delete(&site.db).await? }
        ),
        way!(
            "SeaORM",
            "links that these add, replace or remove",
            ByItself,
            &["/links/7/1"],
            |site, word| {
                let mut kept = found(site).await?.into_ex().into_active_model();
                kept.tags.replace_all([]);
                kept.save(&site.db).await?
            }
        ),
        way!(
            "SeaORM",
            "Entity::insert",
            WITH,
            &["/posts/8"],
            |site, word| { exec!(site, word, post::Entity::insert(new())) }
        ),
        way!(
            "SeaORM",
            "Entity::insert_many",
            WITH,
            &["/posts/8"],
            |site, word| { exec!(site, word, post::Entity::insert_many([new()])) }
        ),
        way!("SeaORM", "Entity::update", WITH, RETITLED, |site, word| {
            exec!(site, word, post::Entity::update(retitled(site).await?))
        }),
        way!(
            "SeaORM",
            "Entity::update_many",
            WITH,
            RETITLED,
            |site, word| {
                let update = post::Entity::update_many();
                exec!(
                    site,
                    word,
                    update.col_expr(post::Column::Title, Expr::value("new"))
                )
            }
        ),
        way!("SeaORM", "Entity::delete", WITH, DELETED, |site, word| {
            exec!(
                site,
                word,
                post::Entity::delete(found(site).await?.into_active_model())
            )
        }),
        way!(
            "SeaORM",
            "Entity::delete_by_id",
            WITH,
            DELETED,
            |site, word| { exec!(site, word, post::Entity::delete_by_id(7)) }
        ),
        way!(
            "SeaORM",
            "Entity::delete_many",
            WITH,
            DELETED,
            |site, word| { exec!(site, word, post::Entity::delete_many()) }
        ),
        way!("SeaORM", "on_conflict", WITH, RETITLED, |site, word| {
            let post = post::ActiveModel {
                id: Set(7),
                ..new()
            };
            let on_conflict = OnConflict::column(post::Column::Id)
                .update_column(post::Column::Title)
                .to_owned();
            exec!(
                site,
                word,
                post::Entity::insert(post).on_conflict(on_conflict)
            )
        }),
        way!(
            "SeaORM",
            "rows that a foreign key deletes or changes when their parent is deleted",
            WithRule("related(child::Model)"),
            DELETED,
            |site, word| exec!(site, word, post::Entity::delete_by_id(7))
        ),
        // Its other end has rules, too.
        way!(
            "SeaORM",
            "delete",
            ByItself,
            &["/links/7/1"],
            |site, word| {
                let link = post_tag::Entity::find_by_id((7, 1)).one(&site.db).await?;
                link.ok_or("a link")?.delete(&site.db).await?
            }
        ),
    ]
}

/// A connection of Diesel.
fn open<C: Connection>(site: &Site) -> C {
    let mut conn = C::establish(url(&site.database)).expect("a connection");
    let tracker = roan::orm::diesel::TransactionTracker::new();
    conn.set_instrumentation(tracker.dispatcher(&site.roan));
    conn
}

/// Runs the same on a connection of Diesel, whichever the database is.
macro_rules! on_diesel {
    ($site:ident, |$conn:ident| $run:expr) => {
        match $site.database.dialect() {
            Dialect::Postgres => {
                let $conn = &mut open::<PgConnection>($site);
                $run;
            }
            Dialect::MySql => {
                let $conn = &mut open::<MysqlConnection>($site);
                $run;
            }
            _ => {
                let $conn = &mut open::<SqliteConnection>($site);
                $run;
            }
        }
    };
}

/// An `INSERT` that returns its row, where the database can.
macro_rules! insert {
    ($site:ident, $word:ident, $insert:expr, $title:ident) => {
        match $site.database.dialect() {
            Dialect::MySql => {
                let conn = &mut open::<MysqlConnection>($site);
                diesel::insert_into(posts::table)
                    .values(&$title)
                    .execute(conn)?;
                if $word == With {
                    $title.created(conn)?;
                }
            }
            Dialect::Postgres => {
                let conn = &mut open::<PgConnection>($site);
                match $word {
                    With => drop($insert.get_result_and_purge::<Title>(conn)?),
                    Without => drop($insert.execute(conn)?),
                }
            }
            _ => {
                let conn = &mut open::<SqliteConnection>($site);
                match $word {
                    With => drop($insert.get_result_and_purge::<Title>(conn)?),
                    Without => drop($insert.execute(conn)?),
                }
            }
        }
    };
}

fn title(id: i32) -> Title {
    Title {
        id,
        title: "new".to_owned(),
    }
}

fn of_diesel() -> Vec<Way> {
    vec![
        way!(
            "Diesel, diesel-async",
            "insert_into",
            WithWord("get_result_and_purge"),
            &["/posts/8"],
            |site, word| {
                let title = title(8);
                insert!(
                    site,
                    word,
                    diesel::insert_into(posts::table).values(&title),
                    title
                )
            }
        ),
        way!(
            "Diesel, diesel-async",
            "update",
            WithWord("execute_and_purge"),
            POST,
            |site, word| {
                on_diesel!(site, |conn| match word {
                    With => drop(
                        roan::orm::diesel::update(posts::table.find(7))
                            .set(posts::title.eq("new"))
                            .execute_and_purge::<Title>(conn)?
                    ),
                    Without => drop(
                        diesel::update(posts::table.find(7))
                            .set(posts::title.eq("new"))
                            .execute(conn)?
                    ),
                })
            }
        ),
        way!(
            "Diesel, diesel-async",
            "delete",
            WithWord("execute_and_purge"),
            POST,
            |site, word| {
                on_diesel!(site, |conn| match word {
                    With => drop(
                        roan::orm::diesel::delete(posts::table.find(7))
                            .execute_and_purge::<Title>(conn)?
                    ),
                    Without => drop(diesel::delete(posts::table.find(7)).execute(conn)?),
                })
            }
        ),
        way!(
            "Diesel, diesel-async",
            "save_changes",
            WithWord("save_changes_and_purge"),
            POST,
            |site, word| {
                let title = title(7);
                on_diesel!(site, |conn| match word {
                    With => drop(title.save_changes_and_purge::<Title>(conn)?),
                    Without => drop(title.save_changes::<Title>(conn)?),
                })
            }
        ),
        way!(
            "Diesel, diesel-async",
            "on_conflict",
            WithWord("get_result_and_purge"),
            &["/posts/8"],
            |site, word| {
                let title = title(8);
                let insert = || {
                    diesel::insert_into(posts::table)
                        .values(&title)
                        .on_conflict(posts::id)
                        .do_update()
                        .set(posts::title.eq("new"))
                };
                insert!(site, word, insert(), title)
            }
        ),
    ]
}

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
            |site, word| { sql!(site, word, INSERT, || roan::created(&title(8))) }
        ),
        way!("sqlx", "UPDATE", WithWord("updated"), POST, |site, word| {
            sql!(site, word, UPDATE, || roan::updated(&title(7), &title(7)))
        }),
        way!("sqlx", "DELETE", WithWord("deleted"), POST, |site, word| {
            sql!(site, word, "DELETE FROM posts", || roan::deleted(&title(7)))
        }),
        way!(
            "sqlx",
            "ON CONFLICT",
            WithWord("saved"),
            &["/posts/8"],
            |site, word| { sql!(site, word, INSERT, || roan::saved(&title(8))) }
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
            |site, word| { sql!(site, word, "DELETE FROM leaves", || {}) }
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
    [of_sea_orm(), of_diesel(), of_sqlx(), of_others()]
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
