//! Hooks on the statements, rows and connections of Diesel 2.3.
//!
//! A statement that writes keeps its form; the method that runs it ends in `_and_purge`:
//!
//! ```no_run
//! # #[cfg(feature = "sqlite")]
//! # mod app {
//! use diesel::prelude::*;
//! use roan::orm::diesel::{PurgeExt, delete, update};
//! use roan::purge_on;
//!
//! diesel::table! {
//!     posts (id) {
//!         id -> Integer,
//!         slug -> Text,
//!         title -> Text,
//!     }
//! }
//!
//! #[purge_on(save, delete, url = "/posts/{slug}")]
//! #[derive(Queryable, Selectable, Identifiable)]
//! struct Post { id: i32, slug: String, title: String }
//!
//! fn example(conn: &mut SqliteConnection) -> QueryResult<()> {
//!     let post: Post = diesel::insert_into(posts::table)
//!         .values((posts::slug.eq("a"), posts::title.eq("A")))
//!         .get_result_and_purge(conn)?;
//!     // `update` and `delete` of Roan read the old rows too: /posts/a and /posts/b are purged.
//!     let post: Post = update(&post).set(posts::slug.eq("b")).get_result_and_purge(conn)?;
//!     delete(posts::table.filter(posts::id.le(post.id))).execute_and_purge::<Post>(conn)?;
//!     Ok(())
//! }
//! # }
//! ```
//!
//! - [`PurgeExt`] on statements: `get_result_and_purge`, `get_results_and_purge`, `execute_and_purge` on
//!   `INSERT`, on [`update`], [`delete`] and [`upsert`], for one row and for many; `save_changes_and_purge` on
//!   changesets. The statement and its purges belong together: one fails with the other.
//! - [`PurgeExt`] on rows: `post.created(conn)`, `post.updated(&old, conn)`, `post.deleted(conn)` for what
//!   was written in another way. MySQL returns no rows, so an `INSERT` there needs `created`.
//! - [`PurgeConnection`] on connections: any hooks, and any dispatcher. (It is a trait of its own: a
//!   method of [`PurgeExt`] takes the connection's type from its argument.)
//!
//! With a durable outbox that is all. Without one, call [`install`] at the start of the program: the
//! connection then holds its purges until its transaction has committed, and drops those that are
//! rolled back. Diesel's `Instrumentation` carries that, and one of your own is still called
//! ([`install_with`], [`TransactionTracker::and`]).
//!
//! A write that no method of Roan runs purges nothing: `diesel::update(..).execute(conn)` and SQL of
//! your own. With an outbox or without, Roan does not report it: Diesel's `Instrumentation` shows nothing of a statement
//! but its text, which does not say for certain which tables it writes. [Triggers](crate::triggers) see every write, and
//! need no text. Or let clippy refuse what reads no old rows, in
//! `clippy.toml`:
//!
//! ```toml
//! disallowed-methods = [
//!     { path = "diesel::update", reason = "purges nothing: use roan::orm::diesel::update" },
//!     { path = "diesel::delete", reason = "purges nothing: use roan::orm::diesel::delete" },
//! ]
//! ```
//!
//! # What it costs
//!
//! With an outbox, one `INSERT` more for each statement, and a transaction around it where there is
//! none (MySQL and SQLite: a savepoint, where there is one). Such a transaction has a savepoint before the `INSERT`: an
//! outbox that does not take the row does not undo the write. An update reads the rows first, locked
//! (`FOR NO KEY UPDATE`, on MySQL `FOR UPDATE`); on MySQL it reads them again by their keys, a hundred in a statement.
//! On PostgreSQL and MySQL it repeats the locking read until that finds no new row, mostly once: another transaction may
//! have made more rows match while it waited. A row that the update has written all the same, unread, is reported. An
//! upsert does the same; on MySQL it locks them one by one, and only those that exist: a lock on a missing row would make
//! inserts wait.
//!
//! # Limits
//!
//! - `related(...)` is for SeaORM. Here a rule would have to know the statement that reads the related row, for each
//!   database. Read it yourself, and fire its hooks through the same connection: `author.saved(conn)`.
//! - `update`, `delete` and `upsert` need `#[derive(Queryable, Selectable, Identifiable)]` on the model.
//! - On PostgreSQL in READ COMMITTED, a row that another transaction inserts between the two statements
//!   of an update may be changed by it: its new page is purged, the one it had for that moment is not.
//! - An upsert by Diesel's statement alone fires the rules for `create` and for `update`, whatever fields they watch,
//!   and purges the pages of the new row. For those of the old row, name the rows that it may change: [`upsert`].
//! - `upsert` takes a statement of one row on SQLite, since Diesel runs several rows as several statements there.
//! - A commit whose connection breaks may or may not have arrived. Without an outbox its purges leave
//!   in any case.
//! - Roan follows the transactions that Diesel begins, and reads no SQL. A transaction that your program
//!   begins as text (`batch_execute("BEGIN")`, MySQL's `SET autocommit = 0`) is not seen, nor is the commit
//!   that MySQL does by itself before it changes a schema. Without an outbox, what is purged there
//!   leaves at once and again a second later; the same holds outside of transactions, since Roan
//!   cannot tell one from the other. The `_and_purge` methods of a statement may begin a transaction of
//!   Diesel, which does not go together with one that is begun as text.
//!
//! # SQLite
//!
//! SQLite has one writer at a time, and the relay of an outbox is one. Enable the feature `sqlite`. Roan's
//! own transactions take the write lock first, as `BEGIN IMMEDIATE` does. Give every connection a busy
//! timeout (`PRAGMA busy_timeout = 5000`), and begin a transaction that reads before it writes with
//! `immediate_transaction`. Roan logs what mends it when SQLite refuses a write.

pub(in crate::orm) mod backend;
pub(in crate::orm) mod connection;
mod frames;
mod install;
#[cfg(feature = "_sql")]
pub(in crate::orm) mod payload;
pub(in crate::orm) mod purges;
pub(in crate::orm) mod rows;
pub(in crate::orm) mod statement;
pub(in crate::orm) mod target;
pub(in crate::orm) mod tracker;
mod upsert;

pub use connection::PurgeConnection;
pub use install::{install, install_with};
pub use statement::PurgeExt;
pub use target::{Delete, Update, UpdateTo, delete, update};
pub use tracker::TransactionTracker;
pub use upsert::{Upsert, upsert};
