//! Purges that a durable outbox does not take.

use std::fmt::Display;

use super::unseen;
use crate::app::Roan;
use crate::base::history::Fired;

/// What a transaction of Roan's own goes back to when the outbox does not take its row: the write in it stays.
#[cfg(any(feature = "diesel", feature = "sea-orm"))]
pub(super) const SAVEPOINT: &str = "SAVEPOINT roan_outbox";
#[cfg(any(feature = "diesel", feature = "sea-orm"))]
pub(super) const ROLLBACK: &str = "ROLLBACK TO SAVEPOINT roan_outbox";

/// Purges whose row is being written outside of a transaction: the write of the model is there already, so they leave
/// from memory when the database refuses the row, and when the future that waits for its answer is dropped.
#[derive(Debug)]
#[must_use = "the purges leave from memory when it is dropped"]
pub(super) struct Unstored {
    roan: Roan,
    targets: Vec<Fired>,
}

impl Unstored {
    pub(super) fn new(roan: &Roan, targets: Vec<Fired>) -> Self {
        Self {
            roan: roan.clone(),
            targets,
        }
    }

    /// Ends a write of the row. In a transaction, where there is nothing to send, the error is for its owner, who decides over
    /// the write of the model as well.
    pub(super) fn settle<E: Display>(done: Result<(), E>, unstored: Option<Self>) -> Result<(), E> {
        match (done, unstored) {
            (Ok(()), Some(unstored)) => unstored.stored(),
            (Err(error), Some(unstored)) => unstored.refused(&error),
            (done, None) => return done,
        }
        Ok(())
    }

    /// The outbox has taken the row.
    pub(super) fn stored(mut self) {
        self.targets.clear();
    }

    /// The outbox has not taken the row.
    pub(super) fn refused(&self, error: &dyn Display) {
        self.roan.engine().not_stored(error);
    }
}

impl Drop for Unstored {
    fn drop(&mut self) {
        // Roan does not see a transaction that the program has begun as text, so this may be too early.
        unseen::purge_twice(&self.roan, &self.targets);
    }
}
