//! What hooks yield: a row of the outbox, or targets for the connection to hold.

use diesel::QueryResult;
#[cfg(feature = "sql")]
use diesel::result::Error;

use super::backend::Kind;
#[cfg(feature = "sql")]
use super::payload::InsertPayloads;
use super::watch::Watch;
use crate::dispatcher::Roan;
use crate::hook;
use crate::target::Target;

pub(in crate::orm) enum Purges {
    /// To be run in the transaction of the write.
    #[cfg(feature = "sql")]
    Row(InsertPayloads),
    Held(Vec<Target>),
}

impl Purges {
    pub(in crate::orm) fn of(
        roan: &Roan,
        connection: Kind,
        hooks: impl FnOnce(),
    ) -> QueryResult<Self> {
        #[cfg(feature = "sql")]
        if is_durable(roan, connection)? {
            let row = roan.outbox().statement(hooks).map(InsertPayloads);
            return Ok(row.map_or(Self::Held(Vec::new()), Self::Row));
        }
        #[cfg(not(feature = "sql"))]
        let _ = connection;
        Ok(Self::Held(hook::recorded(roan, hooks)))
    }
}

/// Leaves targets with the watch of a connection, until its transaction has committed.
pub(in crate::orm) fn hold(watch: Option<&mut Watch>, roan: &Roan, targets: Vec<Target>) {
    match watch {
        Some(watch) => watch.hold(roan, targets),
        None => {
            for target in &targets {
                hook::purge(Some(roan), target);
            }
        }
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
