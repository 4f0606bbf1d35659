//! Purges that have left one queue and are not in the next one yet.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts handovers, so that whoever reads one queue after the other does not miss what moves between them.
#[derive(Debug, Default)]
pub(super) struct Handovers {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl Handovers {
    /// Call it before the lock of the queue is free that a purge has left, and drop what it returns when the next queue has it.
    #[must_use]
    pub(super) fn begin(&self) -> Handover<'_> {
        self.begun.fetch_add(1, Ordering::AcqRel);
        Handover(self)
    }

    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Acquire)
    }

    /// The number of those that have not ended.
    pub(super) fn open(&self) -> usize {
        // In this order, so that none is taken for ended.
        let ended = self.ended.load(Ordering::Acquire);
        self.begun().saturating_sub(ended)
    }
}

pub(super) struct Handover<'a>(&'a Handovers);

impl Drop for Handover<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}
