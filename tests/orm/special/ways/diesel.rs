//! Diesel.

use diesel::prelude::*;
use roan::orm::diesel::{PurgeExt as _, upsert};
use roan::outbox::Dialect;
use roan::purge_on;

use super::Purges::WithWord;
use super::Word::{self, With, Without};
use super::{NEW, POST, RETITLED, UPSERTED, Way};
use crate::libraries::diesel::url;
use crate::special::site::Site;

/// The title of a post, for libraries other than SeaORM.
#[purge_on(save, delete, url = "/posts/{id}")]
#[purge_on(update(title), url = "/titles/{title}")]
#[derive(
    Debug, Clone, Queryable, Selectable, Insertable, Identifiable, AsChangeset, sqlx::FromRow,
)]
#[diesel(table_name = posts)]
pub(super) struct Title {
    pub(super) id: i32,
    pub(super) title: String,
}

diesel::table! {
    posts (id) {
        id -> Integer,
        title -> VarChar,
    }
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
                    With => {
                        $insert.get_result_and_purge::<Title>(conn)?;
                    }
                    Without => {
                        $insert.execute(conn)?;
                    }
                }
            }
            _ => {
                let conn = &mut open::<SqliteConnection>($site);
                match $word {
                    With => {
                        $insert.get_result_and_purge::<Title>(conn)?;
                    }
                    Without => {
                        $insert.execute(conn)?;
                    }
                }
            }
        }
    };
}

/// An upsert of Diesel, run by these.
macro_rules! upsert_on {
    ($site:ident, $title:ident, |$conn:ident, $statement:ident| $run:expr) => {
        match $site.database.dialect() {
            Dialect::Postgres => {
                upsert_on!(
                    PgConnection,
                    posts::id,
                    $site,
                    $title,
                    |$conn, $statement| $run
                )
            }
            Dialect::MySql => {
                let any_key = diesel::dsl::DuplicatedKeys;
                upsert_on!(
                    MysqlConnection,
                    any_key,
                    $site,
                    $title,
                    |$conn, $statement| $run
                )
            }
            _ => upsert_on!(
                SqliteConnection,
                posts::id,
                $site,
                $title,
                |$conn, $statement| $run
            ),
        }
    };
    ($connection:ty, $target:expr, $site:ident, $title:ident, |$conn:ident, $statement:ident| $run:expr) => {{
        let $conn = &mut open::<$connection>($site);
        let $statement = diesel::insert_into(posts::table)
            .values($title)
            .on_conflict($target)
            .do_update()
            .set(posts::title.eq(&$title.title));
        $run;
    }};
}

pub(super) fn title(id: i32) -> Title {
    Title {
        id,
        title: "new".to_owned(),
    }
}

pub(super) fn ways() -> Vec<Way> {
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
                );
            }
        ),
        way!(
            "Diesel, diesel-async",
            "update",
            WithWord("execute_and_purge"),
            RETITLED,
            |site, word| {
                on_diesel!(site, |conn| match word {
                    With => {
                        roan::orm::diesel::update(posts::table.find(7))
                            .set(posts::title.eq("new"))
                            .execute_and_purge::<Title>(conn)?;
                    }
                    Without => {
                        diesel::update(posts::table.find(7))
                            .set(posts::title.eq("new"))
                            .execute(conn)?;
                    }
                });
            }
        ),
        way!(
            "Diesel, diesel-async",
            "delete",
            WithWord("execute_and_purge"),
            POST,
            |site, word| {
                on_diesel!(site, |conn| match word {
                    With => {
                        roan::orm::diesel::delete(posts::table.find(7))
                            .execute_and_purge::<Title>(conn)?;
                    }
                    Without => {
                        diesel::delete(posts::table.find(7)).execute(conn)?;
                    }
                });
            }
        ),
        way!(
            "Diesel, diesel-async",
            "save_changes",
            WithWord("save_changes_and_purge"),
            RETITLED,
            |site, word| {
                let title = title(7);
                on_diesel!(site, |conn| match word {
                    With => {
                        title.save_changes_and_purge::<Title>(conn)?;
                    }
                    Without => {
                        title.save_changes::<Title>(conn)?;
                    }
                });
            }
        ),
        way!(
            "Diesel, diesel-async",
            "on_conflict",
            WithWord("upsert(statement, rows)"),
            RETITLED,
            |site, word| upserted(site, word, &title(7))?
        ),
        way!(
            "Diesel, diesel-async",
            "on_conflict",
            WithWord("upsert(statement, rows)"),
            POST,
            |site, word| upserted(site, word, &old())?
        ),
        way!(
            "Diesel, diesel-async",
            "on_conflict",
            WithWord("upsert(statement, rows)"),
            NEW,
            |site, word| upserted(site, word, &title(8))?
        ),
        // The page of the old title stays.
        way!(
            "Diesel, diesel-async",
            "on_conflict",
            WithWord("get_result_and_purge"),
            UPSERTED,
            |site, word| upserted_alone(site, word, &title(7))?
        ),
    ]
}

/// The title of the post that is there.
pub(super) fn old() -> Title {
    Title {
        id: 7,
        title: "old".to_owned(),
    }
}

fn upserted(site: &Site, word: Word, title: &Title) -> QueryResult<()> {
    upsert_on!(site, title, |conn, statement| match word {
        With => {
            let rows = posts::table.find(title.id);
            upsert(statement, rows).execute_and_purge::<Title>(conn)?;
        }
        Without => {
            statement.execute(conn)?;
        }
    });
    Ok(())
}

/// Diesel's statement, which does not read the old row.
fn upserted_alone(site: &Site, word: Word, title: &Title) -> QueryResult<()> {
    match (site.database.dialect(), word) {
        (Dialect::Postgres, With) => {
            upsert_on!(PgConnection, posts::id, site, title, |conn, statement| {
                statement.get_result_and_purge::<Title>(conn)?
            });
        }
        (Dialect::Sqlite, With) => {
            upsert_on!(
                SqliteConnection,
                posts::id,
                site,
                title,
                |conn, statement| { statement.get_result_and_purge::<Title>(conn)? }
            );
        }
        // MySQL does not return rows.
        (_, With) => {
            let any_key = diesel::dsl::DuplicatedKeys;
            upsert_on!(MysqlConnection, any_key, site, title, |conn, statement| {
                statement.execute(conn)?;
                title.saved(conn)?;
            });
        }
        (_, Without) => {
            upsert_on!(site, title, |conn, statement| statement.execute(conn)?);
        }
    }
    Ok(())
}
