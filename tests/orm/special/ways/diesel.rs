//! Diesel.

use diesel::prelude::*;
use roan::orm::diesel::PurgeExt as _;
use roan::outbox::Dialect;
use roan::purge_on;

use super::Purges::WithWord;
use super::Word::{With, Without};
use super::{POST, Way};
use crate::libraries::diesel::url;
use crate::special::site::Site;

/// The title of a post, for libraries other than SeaORM.
#[purge_on(save, delete, url = "/posts/{id}")]
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Identifiable, AsChangeset)]
#[diesel(table_name = posts)]
pub(super) struct Title {
    id: i32,
    title: String,
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
            POST,
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
            POST,
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
                insert!(site, word, insert(), title);
            }
        ),
    ]
}
