//! The durable outbox, as a source of purges. The dispatcher knows it only by this contract.

use std::pin::Pin;
use std::sync::Arc;

use super::engine::Engine;
use crate::base::history::Unmarked;
use crate::error::ConfigError;

pub(crate) type Working<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A durable outbox, as the dispatcher's thread uses it. The implementation is in a higher module. There is none if
/// purges wait in memory.
pub(crate) trait Source: Send + Sync {
    /// Checks that the outbox can be used, and starts its work on the runtime of the dispatcher's thread.
    fn start<'a>(&'a self, engine: &'a Arc<Engine>) -> Working<'a, Result<(), ConfigError>>;

    /// Ends its work: records finished rows, and returns the others to the queue.
    fn stop(&self) -> Working<'_, ()>;

    /// Requests a look at the waiting rows, and returns its number.
    fn want_look(&self) -> u64;

    /// The number of rows that waited at that look. `None` before that look.
    fn waiting_at(&self, look: u64) -> Option<u64>;

    /// Takes a purge that is not in the outbox, to mark it in the database before it is sent. Returns it if it is to be sent
    /// at once.
    fn mark_first(&self, purge: Unmarked) -> Option<Unmarked>;

    /// The number of purges of [`mark_first`](Self::mark_first) that were not sent yet.
    fn unmarked(&self) -> usize;

    /// Returns those.
    fn take_unmarked(&self) -> Vec<Unmarked>;
}
