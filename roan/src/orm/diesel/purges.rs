//! What hooks yield: a row of the outbox, or targets for the connection to hold.

use std::sync::atomic::AtomicBool;

#[cfg(feature = "_sql")]
use diesel::QueryResult;

use super::backend::Kind;
#[cfg(feature = "_sql")]
use super::payload::InsertPayloads;
use super::tracker::TransactionTracker;
use crate::app::{Roan, given_or_global};
use crate::base::history::Fired;
use crate::hooks;
use crate::orm::unseen;
#[cfg(feature = "_sql")]
use crate::orm::unstored::Unstored;

pub(in crate::orm) enum Purges {
    /// To be run in the transaction of the write; an error when the connection is to another kind of database.
    #[cfg(feature = "_sql")]
    Row(QueryResult<InsertPayloads>, Vec<Fired>),
    Held(Vec<Fired>),
}

impl Purges {
    pub(in crate::orm) fn of(roan: &Roan, connection: Kind, hooks: impl FnOnce()) -> Self {
        let targets = hooks::recorded(roan, hooks);
        #[cfg(feature = "_sql")]
        if let Some(statement) = roan.outbox().insert(&targets) {
            let checked = match connection.dialect() {
                Some(connection) => roan.outbox().check(connection),
                None => Ok(()),
            };
            let row = checked
                .map(|()| InsertPayloads(statement))
                .map_err(|error| diesel::result::Error::QueryBuilderError(Box::new(error)));
            return Self::Row(row, targets);
        }
        #[cfg(not(feature = "_sql"))]
        let _ = connection;
        Self::Held(targets)
    }
}

/// Purges that leave from memory when a transaction of Roan's own has ended, and this is dropped.
#[derive(Debug, Default)]
pub struct Later {
    #[cfg(feature = "_sql")]
    pub(in crate::orm) unstored: Option<Unstored>,
}

impl Later {
    pub(in crate::orm) fn send(self) {
        #[cfg(feature = "_sql")]
        drop(self.unstored);
    }
}

/// The dispatcher that is given, else that of the connection, else the global one.
pub(in crate::orm) fn dispatcher(
    given: Option<&Roan>,
    tracker: Option<&mut TransactionTracker>,
) -> Option<Roan> {
    let of_connection = tracker.and_then(|tracker| tracker.roan());
    given_or_global(given.or(of_connection)).cloned()
}

/// Leaves targets with the tracker of a connection, until its transaction has committed.
pub(in crate::orm) fn hold(
    tracker: Option<&mut TransactionTracker>,
    depth: u32,
    roan: &Roan,
    targets: Vec<Fired>,
) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    match tracker {
        Some(tracker) if tracker.is_in_transaction() => tracker.hold(roan, targets),
        _ if targets.is_empty() => {}
        _ if depth > 0 => {
            let text = "a connection of Diesel purges inside of a transaction whose commit Roan cannot see (call `roan::orm::diesel::install()` before it is opened, or use a durable outbox or a `roan::scope`)";
            unseen::purge(roan, &targets, &TOLD, text);
        }
        // Committed by itself; or in a transaction that was begun by SQL of the program.
        _ => unseen::purge_twice(roan, &targets),
    }
}

/// Whether a write needs a transaction, for its row of the outbox to belong to it. In memory, nothing
/// can fail behind a statement.
pub(in crate::orm) fn needs_transaction(tracker: Option<&mut TransactionTracker>) -> bool {
    dispatcher(None, tracker).is_some_and(|roan| roan.engine().is_durable())
}
