//! Purges go through the connection that wrote.

use std::num::NonZeroU32;
use std::panic::Location;

use diesel::associations::HasTable;
use diesel::connection::{Connection, TransactionManager};
use diesel::query_builder::QueryFragment;
use diesel::query_dsl::LoadQuery;
use diesel::result::Error;
use diesel::serialize::ToSql;
use diesel::sql_types::Text;
use diesel::{QueryResult, QuerySource, RunQueryDsl};

use super::backend::Kind;
#[cfg(feature = "_sql")]
use super::payload::InsertPayloads;
use super::purges::{self, Later, Purges};
use super::rows::{BusyTimeout, TakeWriteLock};
use super::target::FromOf;
use super::tracker::TransactionTracker;
use crate::app::Roan;
use crate::base::history::By;
use crate::base::target::{Target, TargetError};
use crate::hooks;
use crate::orm::sqlite;
#[cfg(feature = "_sql")]
use crate::orm::unstored::{self, Unstored};

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
    /// Outside of a transaction the write is committed already. When the outbox does not take the row then, Roan logs
    /// that, counts it ([`Stats::not_stored`](crate::Stats::not_stored)) and sends the purges from memory.
    ///
    /// # Errors
    ///
    /// In a transaction, when the database refuses the row, or is not the database of the outbox. Roll it back then:
    /// its commit would leave stale pages. (PostgreSQL refuses to commit it.)
    fn run_hooks(&mut self, roan: Option<&Roan>, hooks: impl FnOnce()) -> QueryResult<()>;

    /// As `run_hooks`, in a transaction that Roan itself has begun for the write. What the outbox does not take is
    /// returned, and leaves when it is dropped.
    #[doc(hidden)]
    fn run_own_hooks(&mut self, hooks: impl FnOnce()) -> QueryResult<Later>;

    /// Makes a transaction of SQLite one that writes, which is what `BEGIN IMMEDIATE` does: Diesel has
    /// that for a `SqliteConnection` only.
    #[doc(hidden)]
    fn take_write_lock<F: QueryFragment<Self::Backend>>(&mut self, table: F) -> QueryResult<()>;

    /// Purges one target, without a model.
    ///
    /// # Errors
    ///
    /// As [`run_hooks`](Self::run_hooks), and when a text is not a URL that can be purged.
    #[track_caller]
    fn purge<T>(&mut self, target: T) -> QueryResult<()>
    where
        T: TryInto<Target, Error: Into<TargetError>>,
    {
        let by = By::Call(Location::caller());
        let target = target
            .try_into()
            .map_err(|error| Error::QueryBuilderError(Box::new(error.into())))?;
        self.run_hooks(None, || hooks::purge(None, &target, by))
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
        match Purges::of(&roan, Kind::of::<C::Backend>(), hooks) {
            #[cfg(feature = "_sql")]
            Purges::Row(row, targets) => {
                let is_outside = depth(self).is_ok_and(|depth| depth == 0);
                match row.and_then(|row| store(self, &roan, &row)) {
                    Err(error) if is_outside => Unstored::new(&roan, targets).refused(&error),
                    done => return done,
                }
            }
            Purges::Held(targets) => {
                let depth = depth(self)?;
                purges::hold(tracker(self), depth, &roan, targets);
            }
        }
        Ok(())
    }

    fn run_own_hooks(&mut self, hooks: impl FnOnce()) -> QueryResult<Later> {
        #[cfg(feature = "_sql")]
        if let Some(roan) = purges::dispatcher(None, tracker(self))
            && roan.engine().is_durable()
        {
            let Purges::Row(row, targets) = Purges::of(&roan, Kind::of::<C::Backend>(), hooks)
            else {
                return Ok(Later::default());
            };
            self.batch_execute(unstored::SAVEPOINT)?;
            let Err(error) = row.and_then(|row| store(self, &roan, &row)) else {
                return Ok(Later::default());
            };
            // The error may have ended the whole transaction, and the write with it.
            if self.batch_execute(unstored::ROLLBACK).is_err() {
                return Err(error);
            }
            let unstored = Unstored::new(&roan, targets);
            unstored.refused(&error);
            let unstored = Some(unstored);
            return Ok(Later { unstored });
        }
        self.run_hooks(None, hooks).map(|()| Later::default())
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

/// Writes a row of the outbox.
#[cfg(feature = "_sql")]
fn store<C>(conn: &mut C, roan: &Roan, row: &InsertPayloads) -> QueryResult<()>
where
    C: Connection,
    str: ToSql<Text, C::Backend>,
    BusyTimeout: for<'query> LoadQuery<'query, C, i32>,
{
    let mut done = row.execute(conn);
    if can_wait(conn, &done)? {
        done = row.execute(conn);
    }
    done?;
    if let Some(tracker) = tracker(conn) {
        tracker.expect(roan);
    }
    Ok(())
}

/// As [`together`], for a write by one statement.
pub(in crate::orm) fn at_once<T, C, R>(
    conn: &mut C,
    write: impl FnOnce(&mut C) -> QueryResult<R>,
    hooks: impl FnOnce(&R),
) -> QueryResult<R>
where
    C: PurgeConnection,
    T: HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend>,
{
    if purges::needs_transaction(tracker(conn)) {
        return together::<T, C, R>(conn, write, hooks);
    }
    let written = write(conn)?;
    conn.run_hooks(None, || hooks(&written))?;
    Ok(written)
}

/// Writes to this table, and purges: together, or not at all.
pub(in crate::orm) fn together<T, C, R>(
    conn: &mut C,
    write: impl FnOnce(&mut C) -> QueryResult<R>,
    hooks: impl FnOnce(&R),
) -> QueryResult<R>
where
    C: PurgeConnection,
    T: HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend>,
{
    let is_own = depth(conn)? == 0;
    // In PostgreSQL, a statement that fails ends the transaction in any case.
    if Kind::of::<C::Backend>() == Kind::Postgres && !is_own {
        let written = write(conn)?;
        conn.run_hooks(None, || hooks(&written))?;
        return Ok(written);
    }
    let mut later = Later::default();
    let done = conn.transaction(|conn| {
        conn.take_write_lock(T::table().from_clause())?;
        let written = write(conn)?;
        if is_own {
            later = conn.run_own_hooks(|| hooks(&written))?;
        } else {
            conn.run_hooks(None, || hooks(&written))?;
        }
        Ok(written)
    });
    later.send();
    done
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
