//! Hooks on the statements, rows and connections of Diesel 2.3.
//!
//! A statement that writes keeps its form; the method that runs it becomes its purging twin:
//!
//! ```no_run
//! # #[cfg(feature = "sqlite")]
//! # mod app {
//! use diesel::prelude::*;
//! use roan::orm::diesel::{PurgingDsl, delete, update};
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
//!         .get_result_purging(conn)?;
//!     // `update` and `delete` of Roan read the old rows too: /posts/a and /posts/b are purged.
//!     let post: Post = update(&post).set(posts::slug.eq("b")).get_result_purging(conn)?;
//!     delete(posts::table.filter(posts::id.le(post.id))).execute_purging::<Post>(conn)?;
//!     Ok(())
//! }
//! # }
//! ```
//!
//! - [`PurgingDsl`]: `get_result_purging`, `get_results_purging`, `execute_purging` on `INSERT`, on
//!   [`update`] and on [`delete`], for one row and for many; [`SaveChangesPurgingDsl`] on changesets.
//!   The statement and its purges belong together: one fails with the other.
//! - [`PurgingRow`]: `post.created(conn)`, `post.updated(&old, conn)`, `post.deleted(conn)` for what
//!   was written in another way. MySQL returns no rows, so an `INSERT` there needs `created`.
//! - [`Purging`]: any hooks, and any dispatcher, on any connection.
//!
//! With a durable outbox that is all. Without one, call [`install`] at the start of the program: the
//! connection then holds its purges until its transaction has committed, and drops those that are
//! rolled back. Diesel's `Instrumentation` carries that, and one of your own is still called
//! ([`install_with`], [`Watch::and`]). It also tells once of each table with rules that is written
//! past the purging calls; [`Purging::claimed`] makes that an error.
//!
//! # What it costs
//!
//! With an outbox, one `INSERT` more for each statement, and a transaction around it where there is
//! none (MySQL and SQLite: a savepoint, where there is one). An update reads the rows first, locked
//! (`FOR UPDATE`); on MySQL it reads them again by their keys, a hundred in a statement.
//!
//! # Limits
//!
//! - `update` and `delete` need `#[derive(Queryable, Selectable, Identifiable)]` on the model.
//! - On PostgreSQL in READ COMMITTED, a row that another transaction inserts between the two statements
//!   of an update may be changed by it: its new page is purged, the one it had for that moment is not.
//! - The old row of an upsert is not known: what it yields is not purged.
//! - A commit whose connection breaks may or may not have arrived. Without an outbox its purges leave
//!   in any case.
//! - MySQL's `SET autocommit = 0` begins transactions that nothing shows: use a durable outbox.

pub(in crate::orm) mod backend;
pub(in crate::orm) mod connection;
mod frames;
mod install;
#[cfg(feature = "_sql")]
pub(in crate::orm) mod payload;
pub(in crate::orm) mod purges;
mod row;
pub(in crate::orm) mod rows;
mod script;
pub(in crate::orm) mod statement;
pub(in crate::orm) mod target;
mod unclaimed;
pub(in crate::orm) mod watch;

pub use connection::Purging;
pub use install::{install, install_with};
pub use row::PurgingRow;
pub use statement::{PurgingDsl, SaveChangesPurgingDsl, Written};
pub use target::{Delete, Update, UpdateTo, delete, update};
pub use watch::Watch;
