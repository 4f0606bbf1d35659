//! Diesel.

use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;
use roan::orm::diesel::{PurgeExt as _, TransactionTracker, delete, update};
use roan_tests::Database;

use crate::{Library, Write};

diesel::table! {
    posts (id) {
        id -> BigInt,
        slug -> VarChar,
        title -> VarChar,
        views -> BigInt,
    }
}

diesel::table! {
    plain (id) {
        id -> BigInt,
        slug -> VarChar,
        title -> VarChar,
        views -> BigInt,
    }
}

#[roan::purge_on(save, delete, url = "/posts")]
#[roan::purge_on(save, delete, url = "/posts/{slug}")]
#[derive(Queryable, Selectable, Identifiable)]
#[diesel(table_name = posts)]
#[expect(dead_code, reason = "a whole row, as a program has it")]
struct Post {
    id: i64,
    slug: String,
    title: String,
    views: i64,
}

pub(crate) struct Writer {
    connection: PgConnection,
    durable: bool,
}

impl Writer {
    pub(crate) fn new(database: &Database, durable: bool) -> Self {
        let connection = PgConnection::establish(database.url()).unwrap();
        Self {
            connection,
            durable,
        }
    }
}

impl Library for Writer {
    fn write(&mut self, write: Write, with: bool, id: i64) {
        let connection = &mut self.connection;
        // Without an outbox, purges leave after the commit by a watch. One connection for both all the
        // same: two server processes are not equally fast.
        if !self.durable {
            if with {
                connection.set_instrumentation(TransactionTracker::new());
            } else {
                connection.set_instrumentation(|_: InstrumentationEvent<'_>| {});
            }
        }
        let done = connection.transaction(|connection| {
            if with {
                purging(connection, write, id)
            } else {
                unhooked(connection, write, id)
            }
        });
        done.unwrap();
    }
}

fn unhooked(connection: &mut PgConnection, write: Write, id: i64) -> QueryResult<()> {
    let done = match write {
        Write::Insert => diesel::insert_into(plain::table)
            .values((
                plain::id.eq(id),
                plain::slug.eq(format!("post-{id}")),
                plain::title.eq("A title"),
                plain::views.eq(0),
            ))
            .execute(connection),
        Write::UpdateSlug => diesel::update(plain::table.find(id))
            .set(plain::slug.eq(format!("moved-{id}")))
            .execute(connection),
        Write::UpdateViews => diesel::update(plain::table.find(id))
            .set(plain::views.eq(1))
            .execute(connection),
        Write::Delete => diesel::delete(plain::table.find(id)).execute(connection),
    };
    done.map(drop)
}

fn purging(connection: &mut PgConnection, write: Write, id: i64) -> QueryResult<()> {
    match write {
        Write::Insert => {
            diesel::insert_into(posts::table)
                .values((
                    posts::id.eq(id),
                    posts::slug.eq(format!("post-{id}")),
                    posts::title.eq("A title"),
                    posts::views.eq(0),
                ))
                .execute_and_purge::<Post>(connection)?;
        }
        Write::UpdateSlug => {
            update(posts::table.find(id))
                .set(posts::slug.eq(format!("moved-{id}")))
                .execute_and_purge::<Post>(connection)?;
        }
        Write::UpdateViews => {
            update(posts::table.find(id))
                .set(posts::views.eq(1))
                .execute_and_purge::<Post>(connection)?;
        }
        Write::Delete => {
            delete(posts::table.find(id)).execute_and_purge::<Post>(connection)?;
        }
    }
    Ok(())
}
