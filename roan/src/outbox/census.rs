//! What is in the outbox, counted for the metrics.

use std::time::Duration;

/// The number of rows up to which each is counted.
pub(crate) const MOST: usize = 100_000;

/// The rows of an outbox at one time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Census {
    /// Whether the database could be used. The rest says nothing if not.
    pub(crate) is_up: bool,
    pub(crate) purges: u64,
    pub(crate) deliveries: u64,
    pub(crate) dead: u64,
    /// The age of the oldest row that waits.
    pub(crate) oldest: Option<Duration>,
}
