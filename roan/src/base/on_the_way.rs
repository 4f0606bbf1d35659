//! Pages that are on their way into a cache while they are purged.

use std::time::{Duration, Instant};

use super::target::Target;

/// A page that has left this process may be on its way into a cache for so long. If it is purged meanwhile, the purge may
/// come before it, and so may the rebound: it is purged once more after this time.
pub(crate) const ON_THE_WAY: Duration = Duration::from_secs(2);

/// What a purge has found.
#[derive(Debug, Default)]
pub(crate) struct Purged {
    /// The URLs of pages that caches may have.
    pub(crate) urls: Vec<Target>,
    /// What is to be purged once more, because a page may still be on its way, and when.
    pub(crate) stragglers: Vec<(Target, Instant)>,
}
