//! Notices that the purges of a node never find a page.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::outcome::Outcome;

/// This many answers *not cached*, without a *purged* among them, are suspicious.
pub(crate) const ODD: u32 = 20;

/// The answers *not cached* of a node, without any *purged* before.
#[derive(Debug, Default)]
pub(crate) struct NeverFound(AtomicU32);

impl NeverFound {
    /// Notes an answer, and returns whether this is the one that makes the node suspicious.
    pub(crate) fn is_odd(&self, outcome: &Outcome) -> bool {
        if *outcome == Outcome::Purged {
            // From here on the node is not suspicious.
            self.0.store(u32::MAX, Ordering::Relaxed);
            return false;
        }
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                count.checked_add(1)
            });
        before == Ok(ODD - 1)
    }
}
