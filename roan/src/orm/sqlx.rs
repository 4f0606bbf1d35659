//! Hooks on the connections and transactions of sqlx.
//!
//! ```no_run
//! use roan::orm::sqlx::PurgingRow;
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

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Database, Transaction};

use crate::app::{Roan, given_or_global};
use crate::base::target::{Target, TargetError};
use crate::hooks;
use crate::model::Model;
use crate::outbox::{Dialect, Statement};

/// Purges what a write makes stale, by the connection or transaction that it goes through.
///
/// With a durable outbox ([`RoanBuilder::outbox`](crate::RoanBuilder::outbox)) the purges become a row,
/// written here, and leave when the transaction has committed; they are gone when it, or its
/// savepoint, is rolled back. Without one they are asked for at once, as by [`crate::saved`]: put a
/// [`scope`](crate::scope) around the transaction then.
///
/// Implemented for the connections of PostgreSQL, MySQL and SQLite, for transactions, and for the
/// connections of a pool. [`PurgingRow`] is the same from the row's side.
pub trait Purging: Send {
    /// Runs the hooks for the given dispatcher, or for the global one, in one statement.
    ///
    /// # Errors
    ///
    /// When the database refuses the row, or it is another than that of the outbox.
    fn purging(
        &mut self,
        roan: Option<&Roan>,
        hooks: impl FnOnce() + Send,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// After an insert. See [`crate::created`].
    ///
    /// # Errors
    ///
    /// As [`purging`](Self::purging).
    fn created<M: Model + Sync>(
        &mut self,
        model: &M,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        self.purging(None, || hooks::created(model))
    }

    /// After an update. See [`crate::updated`].
    ///
    /// # Errors
    ///
    /// As [`purging`](Self::purging).
    fn updated<M: Model + Sync>(
        &mut self,
        old: &M,
        new: &M,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        self.purging(None, || hooks::updated(old, new))
    }

    /// After an insert or update, where the old row is not at hand. See [`crate::saved`].
    ///
    /// # Errors
    ///
    /// As [`purging`](Self::purging).
    fn saved<M: Model + Sync>(
        &mut self,
        model: &M,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        self.purging(None, || hooks::saved(model))
    }

    /// After a delete. See [`crate::deleted`].
    ///
    /// # Errors
    ///
    /// As [`purging`](Self::purging).
    fn deleted<M: Model + Sync>(
        &mut self,
        model: &M,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        self.purging(None, || hooks::deleted(model))
    }

    /// Purges one target, without a model.
    ///
    /// # Errors
    ///
    /// As [`purging`](Self::purging), and when a text is no URL that can be purged.
    fn purge<T>(&mut self, target: T) -> impl Future<Output = Result<(), sqlx::Error>> + Send
    where
        T: TryInto<Target, Error: Into<TargetError>> + Send,
    {
        let target = target.try_into().map_err(Into::into);
        async {
            let target = target.map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
            self.purging(None, || hooks::purge(None, &target)).await
        }
    }
}

/// The calls of [`Purging`], as methods of the row.
///
/// Implemented for every type with rules.
///
/// # Errors
///
/// As [`Purging::purging`].
pub trait PurgingRow: Model + Sync + Sized {
    /// After an insert. See [`crate::created`].
    fn created<C: Purging>(
        &self,
        connection: &mut C,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        connection.created(self)
    }

    /// After an update. See [`crate::updated`].
    fn updated<C: Purging>(
        &self,
        old: &Self,
        connection: &mut C,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        connection.updated(old, self)
    }

    /// After an insert or update, where the old row is not at hand. See [`crate::saved`].
    fn saved<C: Purging>(
        &self,
        connection: &mut C,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        connection.saved(self)
    }

    /// After a delete. See [`crate::deleted`].
    fn deleted<C: Purging>(
        &self,
        connection: &mut C,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        connection.deleted(self)
    }
}

impl<M: Model + Sync> PurgingRow for M {}

impl<DB> Purging for Transaction<'_, DB>
where
    DB: Database<Connection: Purging>,
{
    async fn purging(
        &mut self,
        roan: Option<&Roan>,
        hooks: impl FnOnce() + Send,
    ) -> Result<(), sqlx::Error> {
        (**self).purging(roan, hooks).await
    }
}

impl<DB> Purging for PoolConnection<DB>
where
    DB: Database<Connection: Purging>,
{
    async fn purging(
        &mut self,
        roan: Option<&Roan>,
        hooks: impl FnOnce() + Send,
    ) -> Result<(), sqlx::Error> {
        (**self).purging(roan, hooks).await
    }
}

/// The statement for a connection of that kind of database.
fn statement(
    roan: Option<&Roan>,
    connection: Dialect,
    hooks: impl FnOnce(),
) -> Result<Option<Statement>, sqlx::Error> {
    let Some(roan) = given_or_global(roan) else {
        // Told already; and a save does not fail for it.
        return Ok(None);
    };
    let outbox = roan.outbox();
    let checked = outbox.check(connection);
    checked.map_err(|error| sqlx::Error::Configuration(Box::new(error)))?;
    Ok(outbox.statement(hooks))
}

macro_rules! purging {
    ($feature:literal, $connection:ty, $dialect:expr) => {
        #[cfg(feature = $feature)]
        impl Purging for $connection {
            async fn purging(
                &mut self,
                roan: Option<&Roan>,
                hooks: impl FnOnce() + Send,
            ) -> Result<(), sqlx::Error> {
                let Some(statement) = statement(roan, $dialect, hooks)? else {
                    return Ok(());
                };
                let mut query = sqlx::query(AssertSqlSafe(statement.sql));
                for payload in statement.params {
                    query = query.bind(payload);
                }
                query.execute(self).await?;
                Ok(())
            }
        }
    };
}

purging!("postgres", sqlx::PgConnection, Dialect::Postgres);
purging!("mysql", sqlx::MySqlConnection, Dialect::MySql);
purging!("sqlite", sqlx::SqliteConnection, Dialect::Sqlite);

/// Watches a connection of SQLite: every change of a row of a table with rules that comes through it
/// writes to the outbox, in the transaction of the change, whether it comes from a model, from raw SQL
/// or from a statement for many rows. No hooks are needed beside it.
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
///         Box::pin(async { roan::orm::sqlx::watch(connection, &Triggers::new()).await })
///     })
///     .connect("sqlite://blog.db")
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// It makes `TEMP` triggers, those of [`roan::triggers`](crate::triggers) for one connection, so it needs
/// the durable outbox in the same database. What they do not see is told there.
///
/// # Errors
///
/// When a rule cannot be said in SQL, or a table or column is not there.
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub async fn watch(
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
