//! Hooks on the statements, rows and connections of diesel-async 0.9: [`orm::diesel`](super::diesel)
//! with `.await`, for `AsyncPgConnection`, `AsyncMysqlConnection`, `SyncConnectionWrapper` and the
//! connections of pools.
//!
//! ```no_run
//! # #[cfg(feature = "sqlite")]
//! # mod app {
//! use diesel::prelude::*;
//! use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
//! use roan::orm::diesel_async::{PurgeExt, update};
//! use roan::purge_on;
//!
//! # diesel::table! { posts (id) { id -> Integer, slug -> Text, } }
//! #[purge_on(save, delete, url = "/posts/{slug}")]
//! #[derive(Queryable, Selectable, Identifiable)]
//! struct Post { id: i32, slug: String }
//!
//! async fn rename(
//!     conn: &mut SyncConnectionWrapper<SqliteConnection>,
//!     id: i32,
//!     slug: &str,
//! ) -> QueryResult<Post> {
//!     update(posts::table.find(id)).set(posts::slug.eq(slug)).get_result_and_purge(conn).await
//! }
//! # }
//! ```
//!
//! Without a durable outbox, a future that is dropped in the middle of its `COMMIT` purges what it held:
//! nobody knows whether the commit arrived. diesel-async has no batches for SQLite
//! (`.values(vec![...])`), nor has this.

mod connection;
mod statement;
mod target;
mod upsert;

pub use super::diesel::{
    Delete, TransactionTracker, Update, UpdateTo, Upsert, delete, install, install_with, update,
    upsert,
};
pub use connection::PurgeConnection;
pub use statement::PurgeExt;
