//! Purges go through the connection that wrote.

use std::num::NonZeroU32;
use std::panic::Location;

use diesel::associations::HasTable;
use diesel::query_builder::QueryFragment;
use diesel::result::Error;
use diesel::serialize::ToSql;
use diesel::sql_types::Text;
use diesel::{QueryResult, QuerySource};
use diesel_async::methods::LoadQuery;
use diesel_async::{AsyncConnection, RunQueryDsl, TransactionManager};

use crate::app::Roan;
use crate::base::history::By;
use crate::base::target::{Target, TargetError};
use crate::hooks;
use crate::orm::diesel::backend::Kind;
#[cfg(feature = "_sql")]
use crate::orm::diesel::payload::InsertPayloads;
use crate::orm::diesel::purges::{self, Later, Purges};
use crate::orm::diesel::rows::{BusyTimeout, TakeWriteLock};
use crate::orm::diesel::target::FromOf;
use crate::orm::diesel::tracker::TransactionTracker;
use crate::orm::sqlite;
#[cfg(feature = "_sql")]
use crate::orm::unstored::{self, Unstored};

/// A connection that rows are written and purged through.
///
/// As [`orm::diesel::PurgeConnection`](crate::orm::diesel::PurgeConnection), for every connection of
/// diesel-async.
pub trait PurgeConnection: AsyncConnection {
    /// Runs these hooks and purges, in one statement at most, what they yield: for the given
    /// dispatcher; for `None`, for that of the connection's
    /// [`TransactionTracker`](super::TransactionTracker), else for the global one.
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
    ) -> impl Future<Output = QueryResult<()>> + Send;

    /// See `orm::diesel`.
    #[doc(hidden)]
    fn run_own_hooks(
        &mut self,
        hooks: impl FnOnce() + Send,
    ) -> impl Future<Output = QueryResult<Later>> + Send;

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
    #[track_caller]
    fn purge<T>(&mut self, target: T) -> impl Future<Output = QueryResult<()>> + Send
    where
        T: TryInto<Target, Error: Into<TargetError>> + Send,
    {
        let by = By::Call(Location::caller());
        let target = target.try_into().map_err(Into::into);
        async move {
            let target = target.map_err(|error| Error::QueryBuilderError(Box::new(error)))?;
            self.run_hooks(None, || hooks::purge(None, &target, by))
                .await
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
        match Purges::of(&roan, Kind::of::<C::Backend>(), hooks) {
            #[cfg(feature = "_sql")]
            Purges::Row(row, targets) => {
                let is_outside = depth(self).is_ok_and(|depth| depth == 0);
                let unstored = is_outside.then(|| Unstored::new(&roan, targets));
                return Unstored::settle(store(self, &roan, row).await, unstored);
            }
            Purges::Held(targets) => {
                let depth = depth(self)?;
                purges::hold(tracker(self), depth, &roan, targets);
            }
        }
        Ok(())
    }

    async fn run_own_hooks(&mut self, hooks: impl FnOnce() + Send) -> QueryResult<Later> {
        #[cfg(feature = "_sql")]
        if let Some(roan) = purges::dispatcher(None, tracker(self))
            && roan.engine().is_durable()
        {
            let Purges::Row(row, targets) = Purges::of(&roan, Kind::of::<C::Backend>(), hooks)
            else {
                return Ok(Later::default());
            };
            self.batch_execute(unstored::SAVEPOINT).await?;
            let Err(error) = store(self, &roan, row).await else {
                return Ok(Later::default());
            };
            // The error may have ended the whole transaction, and the write with it.
            if self.batch_execute(unstored::ROLLBACK).await.is_err() {
                return Err(error);
            }
            let unstored = Unstored::new(&roan, targets);
            unstored.refused(&error);
            let unstored = Some(unstored);
            return Ok(Later { unstored });
        }
        self.run_hooks(None, hooks).await.map(|()| Later::default())
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

/// Writes a row of the outbox.
#[cfg(feature = "_sql")]
async fn store<C>(conn: &mut C, roan: &Roan, row: QueryResult<InsertPayloads>) -> QueryResult<()>
where
    C: AsyncConnection,
    str: ToSql<Text, C::Backend>,
    BusyTimeout: for<'query> LoadQuery<'query, C, i32>,
{
    let row = row?;
    let mut done = RunQueryDsl::execute(&row, conn).await;
    if can_wait(conn, &done).await? {
        done = RunQueryDsl::execute(&row, conn).await;
    }
    done?;
    if let Some(tracker) = tracker(conn) {
        tracker.expect(roan);
    }
    Ok(())
}

/// A transaction around a write and its purges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// One that was open before is enough.
    Nothing,
    Savepoint,
    Transaction,
}

/// As [`begin`], for a write by one statement.
pub(super) async fn begin_one<T, C>(conn: &mut C) -> QueryResult<Begun>
where
    C: PurgeConnection,
    T: HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend> + Send,
{
    if purges::needs_transaction(tracker(conn)) {
        begin::<T, C>(conn).await
    } else {
        Ok(Begun::Nothing)
    }
}

/// Begins what [`end`] ends, so that a write and its purges belong together: see `orm::diesel`.
pub(super) async fn begin<T, C>(conn: &mut C) -> QueryResult<Begun>
where
    C: PurgeConnection,
    T: HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend> + Send,
{
    let begun = match depth(conn)? {
        0 => Begun::Transaction,
        _ if Kind::of::<C::Backend>() == Kind::Postgres => return Ok(Begun::Nothing),
        _ => Begun::Savepoint,
    };
    C::TransactionManager::begin_transaction(conn).await?;
    let locked = conn.take_write_lock(|| T::table().from_clause()).await;
    end_if_wrong(conn, begun, locked).await?;
    Ok(begun)
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

/// Purges what was written, and commits or rolls back, as Diesel's `transaction` does.
pub(super) async fn end<C: PurgeConnection, T: Send + Sync>(
    conn: &mut C,
    begun: Begun,
    written: QueryResult<T>,
    hooks: impl FnOnce(&T) + Send,
) -> QueryResult<T> {
    let written = end_if_wrong(conn, begun, written).await?;
    let purged = if begun == Begun::Transaction {
        conn.run_own_hooks(|| hooks(&written)).await
    } else {
        let purged = conn.run_hooks(None, || hooks(&written)).await;
        purged.map(|()| Later::default())
    };
    let later = end_if_wrong(conn, begun, purged).await?;
    let committed = match begun {
        Begun::Nothing => Ok(()),
        _ => C::TransactionManager::commit_transaction(conn).await,
    };
    later.send();
    committed.map(|()| written)
}

async fn end_if_wrong<C: AsyncConnection, T>(
    conn: &mut C,
    begun: Begun,
    result: QueryResult<T>,
) -> QueryResult<T> {
    if result.is_err() && begun != Begun::Nothing {
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
