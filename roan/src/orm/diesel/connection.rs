//! Purges go through the connection that wrote.

use std::num::NonZeroU32;

use diesel::QueryResult;
use diesel::connection::{Connection, TransactionManager};
use diesel::result::Error;
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Text};

use super::backend::Kind;
use super::purges::{self, Purges};
use super::watch::{Claim, Watch};
use crate::app::{Roan, given_or_global};
use crate::base::target::{Target, TargetError};
use crate::hooks;
use crate::model::Table;

/// Purges what a write makes stale, by the connection that it goes through.
///
/// With a durable outbox ([`RoanBuilder::outbox`](crate::RoanBuilder::outbox)) the purges become a row,
/// written here, and leave when the transaction has committed; they are gone when it, or its
/// savepoint, is rolled back. Without one the connection itself holds them until its transaction has
/// committed: call [`install`](super::install) once for that.
///
/// Implemented for every connection of Diesel, those of pools included.
pub trait Purging {
    /// Runs the hooks for the given dispatcher; for `None`, for that of the connection's [`Watch`],
    /// else for the global one. One statement at most.
    ///
    /// # Errors
    ///
    /// When the database refuses the row, or it is another than that of the outbox.
    fn purging(&mut self, roan: Option<&Roan>, hooks: impl FnOnce()) -> QueryResult<()>;

    /// As `purging` for the global dispatcher, where the hooks are for the rows of one table.
    #[doc(hidden)]
    fn purging_table(
        &mut self,
        table: Option<&'static Table>,
        hooks: impl FnOnce(),
    ) -> QueryResult<()>;

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
    fn purge<T>(&mut self, target: T) -> QueryResult<()>
    where
        T: TryInto<Target, Error: Into<TargetError>>,
    {
        let target = target
            .try_into()
            .map_err(|error| Error::QueryBuilderError(Box::new(error.into())))?;
        self.purging(None, || hooks::purge(None, &target))
    }
}

impl<C> Purging for C
where
    C: Connection,
    C::Backend: HasSqlType<Text>,
    str: ToSql<Text, C::Backend>,
{
    fn purging(&mut self, roan: Option<&Roan>, hooks: impl FnOnce()) -> QueryResult<()> {
        run(self, roan, Claim::All, hooks)
    }

    fn purging_table(
        &mut self,
        table: Option<&'static Table>,
        hooks: impl FnOnce(),
    ) -> QueryResult<()> {
        run(self, None, Claim::Table(table), hooks)
    }

    fn claimed(&mut self) -> QueryResult<()> {
        purges::claimed(watch(self))
    }
}

fn run<C>(conn: &mut C, roan: Option<&Roan>, claim: Claim, hooks: impl FnOnce()) -> QueryResult<()>
where
    C: Connection,
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
            diesel::RunQueryDsl::execute(row, conn)?;
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

/// As [`together`], for a write by one statement.
pub(in crate::orm) fn at_once<C, T>(
    conn: &mut C,
    write: impl FnOnce(&mut C) -> QueryResult<T>,
) -> QueryResult<T>
where
    C: Connection + Purging,
{
    if purges::needs_transaction(watch(conn)) {
        together(conn, write)
    } else {
        write(conn)
    }
}

/// Runs what writes, and then purges: together, or not at all.
pub(in crate::orm) fn together<C, T>(
    conn: &mut C,
    write: impl FnOnce(&mut C) -> QueryResult<T>,
) -> QueryResult<T>
where
    C: Connection + Purging,
{
    let by_hand = watch(conn).is_some_and(|watch| watch.is_in_transaction_by_hand());
    let is_enough = by_hand || Kind::of::<C::Backend>() == Kind::Postgres && depth(conn)? > 0;
    if is_enough {
        return write(conn);
    }
    conn.transaction(write)
}

/// How many transactions of Diesel are open, savepoints included. Diesel hides the status from its
/// docs, so nothing else asks for it.
fn depth<C: Connection>(conn: &mut C) -> QueryResult<u32> {
    let status = C::TransactionManager::transaction_manager_status_mut(conn);
    Ok(status.transaction_depth()?.map_or(0, NonZeroU32::get))
}

/// The watch of the connection, if it has one. Diesel hides this method from its docs, so nothing
/// else calls it.
fn watch<C: Connection>(conn: &mut C) -> Option<&mut Watch> {
    conn.instrumentation().downcast_mut()
}
