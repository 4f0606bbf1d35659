//! Purges go through the connection that wrote.

use diesel::QueryResult;
use diesel::connection::Connection;
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
        let of_watch = watch(self).and_then(|watch| watch.dispatcher().cloned());
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
