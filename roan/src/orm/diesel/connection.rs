//! Purges go through the connection that wrote.

use std::num::NonZeroU32;

use diesel::associations::HasTable;
use diesel::connection::{Connection, TransactionManager};
use diesel::query_builder::QueryFragment;
use diesel::query_dsl::LoadQuery;
use diesel::result::Error;
use diesel::serialize::ToSql;
use diesel::sql_types::Text;
use diesel::{QueryResult, QuerySource, RunQueryDsl};

use super::backend::Kind;
use super::purges::{self, Purges};
use super::rows::{BusyTimeout, TakeWriteLock};
use super::target::FromOf;
use super::tracker::TransactionTracker;
use crate::app::Roan;
use crate::base::target::{Target, TargetError};
use crate::hooks;
use crate::orm::sqlite;

/// A connection that rows are written and purged through.
///
/// Implemented for every connection of Diesel, those of pools included, and for no other type.
///
/// With a durable outbox ([`RoanBuilder::outbox`](crate::RoanBuilder::outbox)) the purges become a row,
/// written here, and leave when the transaction has committed; they are gone when it, or its
/// savepoint, is rolled back. Without one the connection itself holds them until its transaction has
/// committed: call [`install`](super::install) once for that.
pub trait PurgeConnection: Connection {
    /// Runs these hooks and purges, in one statement at most, what they yield: for the given
    /// dispatcher; for `None`, for that of the connection's
    /// [`TransactionTracker`](super::TransactionTracker), else for the global one.
    ///
    /// # Errors
    ///
    /// When the database refuses the row, or is not the database of the outbox.
    fn run_hooks(&mut self, roan: Option<&Roan>, hooks: impl FnOnce()) -> QueryResult<()>;

    /// Makes a transaction of SQLite one that writes, which is what `BEGIN IMMEDIATE` does: Diesel has
    /// that for a `SqliteConnection` only.
    #[doc(hidden)]
    fn take_write_lock<F: QueryFragment<Self::Backend>>(&mut self, table: F) -> QueryResult<()>;

    /// Purges one target, without a model.
    ///
    /// # Errors
    ///
    /// As [`run_hooks`](Self::run_hooks), and when a text is not a URL that can be purged.
    fn purge<T>(&mut self, target: T) -> QueryResult<()>
    where
        T: TryInto<Target, Error: Into<TargetError>>,
    {
        let target = target
            .try_into()
            .map_err(|error| Error::QueryBuilderError(Box::new(error.into())))?;
        self.run_hooks(None, || hooks::purge(None, &target))
    }
}

impl<C> PurgeConnection for C
where
    C: Connection,
    str: ToSql<Text, C::Backend>,
    BusyTimeout: for<'query> LoadQuery<'query, C, i32>,
{
    fn run_hooks(&mut self, roan: Option<&Roan>, hooks: impl FnOnce()) -> QueryResult<()> {
        let Some(roan) = purges::dispatcher(roan, tracker(self)) else {
            // Logged already; and a save does not fail for it.
            return Ok(());
        };
        match Purges::of(&roan, Kind::of::<C::Backend>(), hooks)? {
            #[cfg(feature = "_sql")]
            Purges::Row(row) => {
                let mut done = row.execute(self);
                if can_wait(self, &done)? {
                    done = row.execute(self);
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

    fn take_write_lock<F: QueryFragment<C::Backend>>(&mut self, table: F) -> QueryResult<()> {
        if Kind::of::<C::Backend>() == Kind::Sqlite {
            let lock = TakeWriteLock(table);
            let mut done = (&lock).execute(self);
            if can_wait(self, &done)? {
                done = (&lock).execute(self);
            }
            done?;
        }
        Ok(())
    }
}

/// As [`together`], for a write by one statement.
pub(in crate::orm) fn at_once<T, C, R>(
    conn: &mut C,
    write: impl FnOnce(&mut C) -> QueryResult<R>,
) -> QueryResult<R>
where
    C: PurgeConnection,
    T: HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend>,
{
    if purges::needs_transaction(tracker(conn)) {
        together::<T, C, R>(conn, write)
    } else {
        write(conn)
    }
}

/// Runs what writes to this table, and then purges: together, or not at all.
pub(in crate::orm) fn together<T, C, R>(
    conn: &mut C,
    write: impl FnOnce(&mut C) -> QueryResult<R>,
) -> QueryResult<R>
where
    C: PurgeConnection,
    T: HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend>,
{
    // In PostgreSQL, a statement that fails ends the transaction in any case.
    if Kind::of::<C::Backend>() == Kind::Postgres && depth(conn)? > 0 {
        return write(conn);
    }
    conn.transaction(|conn| {
        conn.take_write_lock(T::table().from_clause())?;
        write(conn)
    })
}

/// Whether a statement that SQLite refused would wait if it came again: on a connection without a busy
/// timeout, which gets one. Without the relay, the program may be the only writer.
fn can_wait<C>(conn: &mut C, done: &QueryResult<usize>) -> QueryResult<bool>
where
    C: Connection,
    BusyTimeout: for<'query> LoadQuery<'query, C, i32>,
{
    let Err(error) = done else {
        return Ok(false);
    };
    if Kind::of::<C::Backend>() != Kind::Sqlite || !sqlite::is_locked(error) {
        return Ok(false);
    }
    if BusyTimeout.get_result::<i32>(conn)? > 0 {
        sqlite::notice(error);
        return Ok(false);
    }
    sqlite::has_set_timeout();
    conn.batch_execute(sqlite::SET_TIMEOUT)?;
    Ok(true)
}

/// How many transactions of Diesel are open, savepoints included. Diesel hides the status from its
/// docs, so nothing else asks for it.
fn depth<C: Connection>(conn: &mut C) -> QueryResult<u32> {
    let status = C::TransactionManager::transaction_manager_status_mut(conn);
    Ok(status.transaction_depth()?.map_or(0, NonZeroU32::get))
}

/// The tracker of the connection, if it has one. Diesel hides this method from its docs, so nothing
/// else calls it.
fn tracker<C: Connection>(conn: &mut C) -> Option<&mut TransactionTracker> {
    conn.instrumentation().downcast_mut()
}
