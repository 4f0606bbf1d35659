//! Purges go through the connection that wrote.

use std::num::NonZeroU32;

use diesel::QueryResult;
use diesel::connection::{Connection, TransactionManager};
use diesel::result::Error;
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Text};

use super::backend::Kind;
use super::watch::Watch;
use crate::dispatcher::{Roan, given_or_global};
use crate::hook;
use crate::target::{Target, TargetError};

/// Purges what a write makes stale, by the connection that it goes through.
///
/// With a durable outbox ([`Builder::outbox`](crate::Builder::outbox)) the purges become a row,
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
        self.purging(None, || hook::purge(None, &target))
    }
}

impl<C> Purging for C
where
    C: Connection,
    C::Backend: HasSqlType<Text>,
    str: ToSql<Text, C::Backend>,
{
    fn purging(&mut self, roan: Option<&Roan>, hooks: impl FnOnce()) -> QueryResult<()> {
        let of_watch = watch(self).and_then(|watch| watch.of().cloned());
        let Some(roan) = given_or_global(roan.or(of_watch.as_ref())) else {
            // Told already; and a save does not fail for it.
            return Ok(());
        };
        #[cfg(feature = "sql")]
        if is_durable(roan, Kind::of::<C::Backend>())? {
            use super::payload::InsertPayloads;
            use diesel::RunQueryDsl;

            if let Some(statement) = roan.outbox().statement(hooks) {
                InsertPayloads(statement).execute(self)?;
            }
            return Ok(());
        }
        let targets = hook::recorded(roan, hooks);
        match watch(self) {
            Some(watch) => watch.hold(roan, targets),
            None => {
                for target in &targets {
                    hook::purge(Some(roan), target);
                }
            }
        }
        Ok(())
    }
}

/// Runs what writes, and then purges: together, or not at all.
pub(super) fn together<C, T>(
    conn: &mut C,
    write: impl FnOnce(&mut C) -> QueryResult<T>,
) -> QueryResult<T>
where
    C: Connection + Purging,
{
    let watched = watch(conn).is_some_and(|watch| watch.is_in_transaction());
    let in_transaction = depth(conn)? > 0;
    // In PostgreSQL an error ends the whole transaction, so a savepoint would save nothing. In a
    // transaction begun by hand, Diesel would begin and commit another one.
    let is_enough = match Kind::of::<C::Backend>() {
        Kind::Postgres => in_transaction || watched,
        _ => watched && !in_transaction,
    };
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

/// Whether purges become rows of the outbox.
#[cfg(feature = "sql")]
fn is_durable(roan: &Roan, connection: Kind) -> QueryResult<bool> {
    let Some(link) = roan.engine().durable.link() else {
        return Ok(false);
    };
    let outbox = link.scribe.dialect();
    match connection.dialect() {
        Some(connection) if connection != outbox => {
            let error = crate::outbox::OutboxError::OtherDatabase { outbox, connection };
            Err(Error::QueryBuilderError(Box::new(error)))
        }
        _ => Ok(true),
    }
}

/// The watch of the connection, if it has one. Diesel hides this method from its docs, so nothing
/// else calls it.
fn watch<C: Connection>(conn: &mut C) -> Option<&mut Watch> {
    conn.instrumentation().downcast_mut()
}
