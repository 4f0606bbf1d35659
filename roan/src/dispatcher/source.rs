//! What feeds the dispatcher besides the hooks: a durable outbox, which the dispatcher knows by this contract alone.

use std::pin::Pin;
use std::sync::Arc;

use super::engine::Engine;
use crate::error::ConfigError;

pub(crate) type Working<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A durable outbox, as the dispatcher's thread uses it. It is in a module above this one, and is absent where
/// purges wait in memory.
pub(crate) trait Source: Send + Sync {
    /// Starts its work on the runtime of the dispatcher's thread, once it has seen that it can be used.
    fn start<'a>(&'a self, engine: &'a Arc<Engine>) -> Working<'a, Result<(), ConfigError>>;

    /// Ends its work: what is done is written down, the rest is given back.
    fn stop(&self) -> Working<'_, ()>;

    /// Asks for a look at what waits, and returns its number.
    fn want_look(&self) -> u64;

    /// How many rows waited at that look; `None` when it was not made yet.
    fn waiting_at(&self, look: u64) -> Option<u64>;
}
