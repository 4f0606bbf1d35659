//! Purges go through the connection that wrote.

use std::num::NonZeroU32;

use diesel::QueryResult;
use diesel::result::Error;
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Text};
use diesel_async::{AsyncConnection, TransactionManager};

use crate::app::{Roan, given_or_global};
use crate::base::target::{Target, TargetError};
use crate::hooks;
use crate::model::Table;
use crate::orm::diesel::backend::Kind;
use crate::orm::diesel::purges::{self, Purges};
use crate::orm::diesel::watch::{Claim, Watch};

/// Purges what a write makes stale, by the connection that it goes through.
///
/// As [`orm::diesel::Purging`](crate::orm::diesel::Purging), for every connection of diesel-async.
pub trait Purging: Send {
    /// Runs the hooks for the given dispatcher; for `None`, for that of the connection's [`Watch`],
    /// else for the global one. One statement at most.
    ///
    /// # Errors
    ///
    /// When the database refuses the row, or it is another than that of the outbox.
    fn purging(
        &mut self,
        roan: Option<&Roan>,
        hooks: impl FnOnce() + Send,
    ) -> impl Future<Output = QueryResult<()>> + Send;

    /// As `purging` for the global dispatcher, where the hooks are for the rows of one table.
    #[doc(hidden)]
    fn purging_table(
        &mut self,
        table: Option<&'static Table>,
        hooks: impl FnOnce() + Send,
    ) -> impl Future<Output = QueryResult<()>> + Send;

    /// An error when a statement since the begin of the transaction wrote to a table with rules and no
    /// purging call has followed. For a strict program: call it at the end of every transaction.
    /// (The [`Watch`] of the connection knows it, and otherwise only says so: Diesel tells it of a
    /// commit, but lets nobody refuse one.)
    ///
    /// # Errors
    ///
    /// See above; the message names the table, the rule and what to write.
    fn claimed(&mut self) -> QueryResult<()>;

    /// Purges one target, without a model.
    ///
    /// # Errors
    ///
    /// As [`purging`](Self::purging), and when a text is no URL that can be purged.
    fn purge<T>(&mut self, target: T) -> impl Future<Output = QueryResult<()>> + Send
    where
        T: TryInto<Target, Error: Into<TargetError>> + Send,
    {
        let target = target.try_into().map_err(Into::into);
        async {
            let target = target.map_err(|error| Error::QueryBuilderError(Box::new(error)))?;
            self.purging(None, || hooks::purge(None, &target)).await
        }
    }
}

impl<C> Purging for C
where
    C: AsyncConnection,
    C::Backend: HasSqlType<Text>,
    str: ToSql<Text, C::Backend>,
{
    async fn purging(
        &mut self,
        roan: Option<&Roan>,
        hooks: impl FnOnce() + Send,
    ) -> QueryResult<()> {
        run(self, roan, Claim::All, hooks).await
    }

    async fn purging_table(
        &mut self,
        table: Option<&'static Table>,
        hooks: impl FnOnce() + Send,
    ) -> QueryResult<()> {
        run(self, None, Claim::Table(table), hooks).await
    }

    fn claimed(&mut self) -> QueryResult<()> {
        purges::claimed(watch(self))
    }
}

async fn run<C>(
    conn: &mut C,
    roan: Option<&Roan>,
    claim: Claim,
    hooks: impl FnOnce() + Send,
) -> QueryResult<()>
where
    C: AsyncConnection,
    C::Backend: HasSqlType<Text>,
    str: ToSql<Text, C::Backend>,
{
    let of_watch = watch(conn).and_then(|watch| {
        watch.claim(claim);
        watch.of().cloned()
    });
    let Some(roan) = given_or_global(roan.or(of_watch.as_ref())) else {
        // Told already; and a save does not fail for it.
        return Ok(());
    };
    match Purges::of(roan, Kind::of::<C::Backend>(), hooks)? {
        #[cfg(feature = "_sql")]
        Purges::Row(row) => {
            diesel_async::RunQueryDsl::execute(row, conn).await?;
            purges::expect(watch(conn), roan);
        }
        Purges::Held(targets) if targets.is_empty() => {}
        Purges::Held(targets) => {
            let is_unseen = watch(conn).is_none() && depth(conn)? > 0;
            purges::hold(watch(conn), is_unseen, roan, targets);
        }
    }
    Ok(())
}

/// As [`begin`], for a write by one statement.
pub(super) async fn begin_one<C: AsyncConnection>(conn: &mut C) -> QueryResult<bool> {
    if purges::needs_transaction(watch(conn)) {
        begin(conn).await
    } else {
        Ok(false)
    }
}

/// Begins what [`end`] ends, so that a write and its purges belong together. `false` when an open
/// transaction is enough: see `orm::diesel`.
pub(super) async fn begin<C: AsyncConnection>(conn: &mut C) -> QueryResult<bool> {
    let by_hand = watch(conn).is_some_and(|watch| watch.is_in_transaction_by_hand());
    if by_hand || Kind::of::<C::Backend>() == Kind::Postgres && depth(conn)? > 0 {
        return Ok(false);
    }
    C::TransactionManager::begin_transaction(conn).await?;
    Ok(true)
}

/// Commits or rolls back, as Diesel's `transaction` does.
pub(super) async fn end<C: AsyncConnection, T>(
    conn: &mut C,
    has_begun: bool,
    result: QueryResult<T>,
) -> QueryResult<T> {
    if !has_begun {
        return result;
    }
    match result {
        Ok(value) => {
            C::TransactionManager::commit_transaction(conn).await?;
            Ok(value)
        }
        Err(error) => match C::TransactionManager::rollback_transaction(conn).await {
            Ok(()) | Err(Error::BrokenTransactionManager) => Err(error),
            Err(of_rollback) => Err(of_rollback),
        },
    }
}

/// How many transactions are open, savepoints included. Hidden from the docs of diesel-async, so
/// nothing else asks for it.
fn depth<C: AsyncConnection>(conn: &mut C) -> QueryResult<u32> {
    let status = C::TransactionManager::transaction_manager_status_mut(conn);
    Ok(status.transaction_depth()?.map_or(0, NonZeroU32::get))
}

/// The watch of the connection, if it has one. The method is hidden from the docs of diesel-async, so
/// nothing else calls it.
fn watch<C: AsyncConnection>(conn: &mut C) -> Option<&mut Watch> {
    conn.instrumentation().downcast_mut()
}
