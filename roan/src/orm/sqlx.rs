//! Hooks on the connections and transactions of sqlx.
//!
//! ```no_run
//! use roan::orm::sqlx::PurgeExt;
//! use roan::purge_on;
//!
//! #[purge_on(save, delete, url = "/posts/{slug}")]
//! struct Post { id: i64, slug: String }
//!
//! # #[cfg(feature = "sqlite")]
//! # impl<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> for Post {
//! #     fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> Result<Self, sqlx::Error> {
//! #         use sqlx::Row;
//! #         Ok(Self { id: row.try_get("id")?, slug: row.try_get("slug")? })
//! #     }
//! # }
//! # #[cfg(feature = "sqlite")]
//! async fn rename(pool: &sqlx::SqlitePool, id: i64, slug: &str) -> Result<(), sqlx::Error> {
//!     // SQLite: a transaction that begins with reading could not write beside another writer.
//!     let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
//!     let old: Post = sqlx::query_as("SELECT * FROM posts WHERE id = ?")
//!         .bind(id)
//!         .fetch_one(&mut *tx)
//!         .await?;
//!     let new: Post = sqlx::query_as("UPDATE posts SET slug = ? WHERE id = ? RETURNING *")
//!         .bind(slug)
//!         .bind(id)
//!         .fetch_one(&mut *tx)
//!         .await?;
//!     new.updated(&old, &mut tx).await?; // a row of the outbox, in this transaction
//!     tx.commit().await
//! }
//! ```
//!
//! # Upserts
//!
//! Read the row that an upsert may change, and lock it (`FOR NO KEY UPDATE`; MySQL: `FOR UPDATE`). If it was there, call
//! `new.updated(&old, ..)`. If not, another writer may have inserted it in between: call `new.saved(..)`, which fires the
//! rules for `create` and for `update`. On MySQL, lock a row only after you have seen it: a lock on a row that does not
//! exist makes other inserts wait.
//!
//! ```no_run
//! # use roan::orm::sqlx::PurgeExt;
//! # #[roan::purge_on(save, delete, url = "/posts/{slug}")]
//! # struct Post { id: i64, slug: String }
//! # #[cfg(feature = "postgres")]
//! # impl<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> for Post {
//! #     fn from_row(row: &'r sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
//! #         use sqlx::Row;
//! #         Ok(Self { id: row.try_get("id")?, slug: row.try_get("slug")? })
//! #     }
//! # }
//! # #[cfg(feature = "postgres")]
//! async fn import(pool: &sqlx::PgPool, id: i64, slug: &str) -> Result<(), sqlx::Error> {
//!     let mut tx = pool.begin().await?;
//!     let old: Option<Post> = sqlx::query_as("SELECT * FROM posts WHERE id = $1 FOR NO KEY UPDATE")
//!         .bind(id)
//!         .fetch_optional(&mut *tx)
//!         .await?;
//!     let new: Post = sqlx::query_as(
//!         "INSERT INTO posts (id, slug) VALUES ($1, $2)
//!          ON CONFLICT (id) DO UPDATE SET slug = excluded.slug RETURNING *",
//!     )
//!     .bind(id)
//!     .bind(slug)
//!     .fetch_one(&mut *tx)
//!     .await?;
//!     match &old {
//!         Some(old) => new.updated(old, &mut tx).await?,
//!         None => new.saved(&mut tx).await?,
//!     }
//!     tx.commit().await
//! }
//! ```
//!
//! # Related rows
//!
//! `related(...)` is for SeaORM: sqlx does not have models, so only your own SQL can read the related row. Read it, and
//! fire its hooks in the same transaction: `author.saved(&mut tx).await?`.

use std::panic::Location;

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Connection as _, Database, Transaction};

use crate::app::{Roan, given_or_global};
use crate::base::history::By;
use crate::base::target::{Target, TargetError};
use crate::hooks;
use crate::model::Model;
use crate::orm::unstored::Unstored;
use crate::orm::{sqlite, unseen};
use crate::outbox::{Dialect, Statement};

/// Hooks on rows, by the connection or transaction that wrote them.
///
/// Implemented for every type with `#[purge_on]`. What they yield is purged as
/// [`PurgeConnection`] says.
pub trait PurgeExt: Model + Sync + Sized {
    /// After an insert. See [`crate::created`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn created<C: PurgeConnection>(
        &self,
        connection: &mut C,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        connection.run_hooks(None, || hooks::created(self))
    }

    /// After an update; `old` is the row as it was. See [`crate::updated`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn updated<C: PurgeConnection>(
        &self,
        old: &Self,
        connection: &mut C,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        connection.run_hooks(None, || hooks::updated(old, self))
    }

    /// After an insert or update, where the old row is not at hand. See [`crate::saved`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn saved<C: PurgeConnection>(
        &self,
        connection: &mut C,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        connection.run_hooks(None, || hooks::saved(self))
    }

    /// After a delete. See [`crate::deleted`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn deleted<C: PurgeConnection>(
        &self,
        connection: &mut C,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        connection.run_hooks(None, || hooks::deleted(self))
    }
}

impl<M: Model + Sync> PurgeExt for M {}

/// A connection that rows are written and purged through.
///
/// With a durable outbox ([`RoanBuilder::outbox`](crate::RoanBuilder::outbox)) the purges become a row,
/// written here, and leave when the transaction has committed; they are gone when it, or its
/// savepoint, is rolled back. Without one they are asked for at once, as by [`crate::saved`]: put a
/// [`scope`](crate::scope) around the transaction then.
///
/// Implemented for the connections of PostgreSQL, MySQL and SQLite, for `AnyConnection` (feature `any`), for transactions
/// and for the connections of a pool; no other crate can implement it. A pool does not implement it: the row would go
/// through another connection than the write, and leave before its commit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot write the purges of a row",
    label = "not a connection or a transaction",
    note = "give the connection or the transaction that wrote the row: `post.created(&mut tx)`",
    note = "for a write through a pool: `let mut connection = pool.acquire().await?`, and use it for the write and for the hook",
    note = "for `sqlx::AnyConnection`, enable the feature `any` of `roan`"
)]
pub trait PurgeConnection: sealed::Sealed + Send {
    /// Runs these hooks and purges, in one statement at most, what they yield: for the given
    /// dispatcher, or for the global one.
    ///
    /// Outside of a transaction the write is committed already. When the outbox does not take the row then, Roan logs
    /// that, counts it ([`Stats::not_stored`](crate::Stats::not_stored)) and sends the purges from memory.
    ///
    /// # Errors
    ///
    /// In a transaction, when the database refuses the row, or is not the database of the outbox. Roll it back then:
    /// its commit would leave stale pages. (PostgreSQL refuses to commit it.)
    fn run_hooks(
        &mut self,
        roan: Option<&Roan>,
        hooks: impl FnOnce() + Send,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Purges one target, without a model.
    ///
    /// # Errors
    ///
    /// As [`run_hooks`](Self::run_hooks), and when a text is not a URL that can be purged.
    #[track_caller]
    fn purge<T>(&mut self, target: T) -> impl Future<Output = Result<(), sqlx::Error>> + Send
    where
        T: TryInto<Target, Error: Into<TargetError>> + Send,
    {
        let by = By::Call(Location::caller());
        let target = target.try_into().map_err(Into::into);
        async move {
            let target = target.map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
            self.run_hooks(None, || hooks::purge(None, &target, by))
                .await
        }
    }
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! on_the_connection_inside {
    ($connection:ty) => {
        impl<DB: Database<Connection: PurgeConnection>> sealed::Sealed for $connection {}

        impl<DB: Database<Connection: PurgeConnection>> PurgeConnection for $connection {
            async fn run_hooks(
                &mut self,
                roan: Option<&Roan>,
                hooks: impl FnOnce() + Send,
            ) -> Result<(), sqlx::Error> {
                (**self).run_hooks(roan, hooks).await
            }
        }
    };
}

on_the_connection_inside!(Transaction<'_, DB>);
on_the_connection_inside!(PoolConnection<DB>);

/// What hooks yield for a durable outbox.
struct Row {
    /// An error when the connection is to another kind of database.
    statement: Result<Statement, sqlx::Error>,
    /// Outside of a transaction.
    unstored: Option<Unstored>,
}

impl Row {
    /// `None` when there is nothing to write: without a durable outbox the purges are asked for at once.
    fn of(
        roan: Option<&Roan>,
        connection: Result<Dialect, sqlx::Error>,
        in_transaction: bool,
        hooks: impl FnOnce(),
    ) -> Option<Self> {
        // Logged already; and a save does not fail for it.
        let roan = given_or_global(roan)?;
        let targets = hooks::recorded(roan, hooks);
        let outbox = roan.outbox();
        let Some(statement) = outbox.insert(&targets) else {
            unseen::purge_now(roan, &targets);
            return None;
        };
        let checked = connection.and_then(|connection| {
            let checked = outbox.check(connection);
            checked.map_err(|error| sqlx::Error::Configuration(Box::new(error)))
        });
        Some(Self {
            statement: checked.map(|()| statement),
            unstored: (!in_transaction).then(|| Unstored::new(roan, targets)),
        })
    }
}

macro_rules! on_connection {
    ($feature:literal, $connection:ty, $dialect:expr) => {
        #[cfg(feature = $feature)]
        impl sealed::Sealed for $connection {}

        #[cfg(feature = $feature)]
        impl PurgeConnection for $connection {
            async fn run_hooks(
                &mut self,
                roan: Option<&Roan>,
                hooks: impl FnOnce() + Send,
            ) -> Result<(), sqlx::Error> {
                let Some(row) = Row::of(roan, $dialect(self), self.is_in_transaction(), hooks)
                else {
                    return Ok(());
                };
                let done = match row.statement {
                    Ok(statement) => {
                        let mut query = sqlx::query(AssertSqlSafe(statement.sql));
                        for payload in statement.params {
                            query = query.bind(payload);
                        }
                        query.execute(self).await.map(drop)
                    }
                    Err(error) => Err(error),
                };
                Unstored::settle(done.inspect_err(sqlite::notice), row.unstored)
            }
        }
    };
}

on_connection!("postgres", sqlx::PgConnection, |_: &_| Ok(
    Dialect::Postgres
));
on_connection!("mysql", sqlx::MySqlConnection, |_: &_| Ok(Dialect::MySql));
on_connection!("sqlite", sqlx::SqliteConnection, |_: &_| Ok(
    Dialect::Sqlite
));
on_connection!("any", sqlx::AnyConnection, dialect_of);

#[cfg(feature = "any")]
fn dialect_of(connection: &sqlx::AnyConnection) -> Result<Dialect, sqlx::Error> {
    match connection.backend_name() {
        "PostgreSQL" => Ok(Dialect::Postgres),
        "MySQL" => Ok(Dialect::MySql),
        "SQLite" => Ok(Dialect::Sqlite),
        other => {
            let problem = format!("Roan does not have an outbox for {other}");
            Err(sqlx::Error::Configuration(problem.into()))
        }
    }
}

/// Installs triggers on one connection of SQLite: every change of a row of a table with rules that comes
/// through it writes to the outbox, in the transaction of the change, whether it comes from a model, from
/// raw SQL or from a statement for many rows. No hooks are needed beside it.
///
/// For every connection of a pool:
///
/// ```no_run
/// use roan::triggers::Triggers;
/// use sqlx::sqlite::SqlitePoolOptions;
///
/// # async fn open() -> Result<(), sqlx::Error> {
/// let pool = SqlitePoolOptions::new()
///     .after_connect(|connection, _| {
///         Box::pin(async {
///             roan::orm::sqlx::install_connection_triggers(connection, &Triggers::new()).await
///         })
///     })
///     .connect("sqlite://blog.db")
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// It makes `TEMP` triggers, those of [`roan::triggers`](crate::triggers) for one connection, so it needs
/// the durable outbox in the same database. That module says what
/// they do not see.
///
/// # Errors
///
/// When SQL cannot express a rule, or a table or column does not exist.
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub async fn install_connection_triggers(
    connection: &mut sqlx::SqliteConnection,
    triggers: &crate::triggers::Triggers,
) -> Result<(), sqlx::Error> {
    let sql = triggers
        .connection_sql()
        .map_err(|error| sqlx::Error::Configuration(Box::new(error)))?;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await?;
    Ok(())
}
