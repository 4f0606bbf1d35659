//! Purges go through the connection that wrote.

use std::num::NonZeroU32;

use diesel::associations::HasTable;
use diesel::query_builder::QueryFragment;
use diesel::result::Error;
use diesel::serialize::ToSql;
use diesel::sql_types::Text;
use diesel::{QueryResult, QuerySource};
use diesel_async::methods::LoadQuery;
use diesel_async::{AsyncConnection, RunQueryDsl, TransactionManager};

use crate::app::Roan;
use crate::base::target::{Target, TargetError};
use crate::hooks;
use crate::orm::diesel::backend::Kind;
use crate::orm::diesel::purges::{self, Purges};
use crate::orm::diesel::rows::{BusyTimeout, TakeWriteLock};
use crate::orm::diesel::target::FromOf;
use crate::orm::diesel::tracker::TransactionTracker;
use crate::orm::sqlite;

/// A connection that rows are written and purged through.
///
/// As [`orm::diesel::PurgeConnection`](crate::orm::diesel::PurgeConnection), for every connection of
/// diesel-async.
pub trait PurgeConnection: AsyncConnection {
    /// Runs these hooks and purges, in one statement at most, what they yield: for the given
    /// dispatcher; for `None`, for that of the connection's
    /// [`TransactionTracker`](super::TransactionTracker), else for the global one.
    ///
    /// # Errors
    ///
    /// When the database refuses the row, or is not the database of the outbox.
    fn run_hooks(
        &mut self,
        roan: Option<&Roan>,
        hooks: impl FnOnce() + Send,
    ) -> impl Future<Output = QueryResult<()>> + Send;

    /// See `orm::diesel`.
    #[doc(hidden)]
    fn take_write_lock<F: QueryFragment<Self::Backend> + Send>(
        &mut self,
        table: impl Fn() -> F + Send,
    ) -> impl Future<Output = QueryResult<()>> + Send;

    /// Purges one target, without a model.
    ///
    /// # Errors
    ///
    /// As [`run_hooks`](Self::run_hooks), and when a text is not a URL that can be purged.
    fn purge<T>(&mut self, target: T) -> impl Future<Output = QueryResult<()>> + Send
    where
        T: TryInto<Target, Error: Into<TargetError>> + Send,
    {
        let target = target.try_into().map_err(Into::into);
        async {
            let target = target.map_err(|error| Error::QueryBuilderError(Box::new(error)))?;
            self.run_hooks(None, || hooks::purge(None, &target)).await
        }
    }
}

impl<C> PurgeConnection for C
where
    C: AsyncConnection,
    str: ToSql<Text, C::Backend>,
    BusyTimeout: for<'query> LoadQuery<'query, C, i32>,
{
    async fn run_hooks(
        &mut self,
        roan: Option<&Roan>,
        hooks: impl FnOnce() + Send,
    ) -> QueryResult<()> {
        let Some(roan) = purges::dispatcher(roan, tracker(self)) else {
            // Logged already; and a save does not fail for it.
            return Ok(());
        };
        match Purges::of(&roan, Kind::of::<C::Backend>(), hooks)? {
            #[cfg(feature = "_sql")]
            Purges::Row(row) => {
                let mut done = RunQueryDsl::execute(&row, self).await;
                if can_wait(self, &done).await? {
                    done = RunQueryDsl::execute(&row, self).await;
                }
                done?;
                if let Some(tracker) = tracker(self) {
                    tracker.expect(&roan);
                }
            }
            Purges::Held(targets) => {
                let depth = depth(self)?;
                purges::hold(tracker(self), depth, &roan, targets);
            }
        }
        Ok(())
    }

    async fn take_write_lock<F: QueryFragment<C::Backend> + Send>(
        &mut self,
        table: impl Fn() -> F + Send,
    ) -> QueryResult<()> {
        if Kind::of::<C::Backend>() == Kind::Sqlite {
            let mut done = RunQueryDsl::execute(TakeWriteLock(table()), self).await;
            if can_wait(self, &done).await? {
                done = RunQueryDsl::execute(TakeWriteLock(table()), self).await;
            }
            done?;
        }
        Ok(())
    }
}

/// As [`begin`], for a write by one statement.
pub(super) async fn begin_one<T, C>(conn: &mut C) -> QueryResult<bool>
where
    C: PurgeConnection,
    T: HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend> + Send,
{
    if purges::needs_transaction(tracker(conn)) {
        begin::<T, C>(conn).await
    } else {
        Ok(false)
    }
}

/// Begins what [`end`] ends, so that a write and its purges belong together. `false` when an open
/// transaction is enough: see `orm::diesel`.
pub(super) async fn begin<T, C>(conn: &mut C) -> QueryResult<bool>
where
    C: PurgeConnection,
    T: HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend> + Send,
{
    if Kind::of::<C::Backend>() == Kind::Postgres && depth(conn)? > 0 {
        return Ok(false);
    }
    C::TransactionManager::begin_transaction(conn).await?;
    let locked = conn.take_write_lock(|| T::table().from_clause()).await;
    end_if_wrong(conn, true, locked).await?;
    Ok(true)
}

/// Whether a statement that SQLite refused would wait if it came again: see `orm::diesel`.
async fn can_wait<C>(conn: &mut C, done: &QueryResult<usize>) -> QueryResult<bool>
where
    C: AsyncConnection,
    BusyTimeout: for<'query> LoadQuery<'query, C, i32>,
{
    let Err(error) = done else {
        return Ok(false);
    };
    if Kind::of::<C::Backend>() != Kind::Sqlite || !sqlite::is_locked(error) {
        return Ok(false);
    }
    if RunQueryDsl::get_result::<i32>(BusyTimeout, conn).await? > 0 {
        sqlite::notice(error);
        return Ok(false);
    }
    sqlite::has_set_timeout();
    conn.batch_execute(sqlite::SET_TIMEOUT).await?;
    Ok(true)
}

/// Commits or rolls back, as Diesel's `transaction` does.
pub(super) async fn end<C: AsyncConnection, T>(
    conn: &mut C,
    has_begun: bool,
    result: QueryResult<T>,
) -> QueryResult<T> {
    let value = end_if_wrong(conn, has_begun, result).await?;
    if has_begun {
        C::TransactionManager::commit_transaction(conn).await?;
    }
    Ok(value)
}

async fn end_if_wrong<C: AsyncConnection, T>(
    conn: &mut C,
    has_begun: bool,
    result: QueryResult<T>,
) -> QueryResult<T> {
    if result.is_err() && has_begun {
        match C::TransactionManager::rollback_transaction(conn).await {
            Ok(()) | Err(Error::BrokenTransactionManager) => {}
            Err(of_rollback) => return Err(of_rollback),
        }
    }
    result
}

/// How many transactions are open, savepoints included. Hidden from the docs of diesel-async, so
/// nothing else asks for it.
fn depth<C: AsyncConnection>(conn: &mut C) -> QueryResult<u32> {
    let status = C::TransactionManager::transaction_manager_status_mut(conn);
    Ok(status.transaction_depth()?.map_or(0, NonZeroU32::get))
}

/// The tracker of the connection, if it has one. The method is hidden from the docs of diesel-async,
/// so nothing else calls it.
fn tracker<C: AsyncConnection>(conn: &mut C) -> Option<&mut TransactionTracker> {
    conn.instrumentation().downcast_mut()
}
