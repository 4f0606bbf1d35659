//! The origins of what waits for one node.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::queue::Request;
use crate::base::lock::Mutex;
use crate::base::origin::Origin;
use crate::base::target::Target;

/// By target. Mostly none.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    of_targets: Mutex<HashMap<Target, Origin>>,
    /// How many there are.
    count: AtomicUsize,
}

impl Origins {
    pub(super) fn add(&self, target: &Target, origin: &Origin) {
        if origin.is_none() {
            return;
        }
        let mut known = self.of_targets.lock();
        known.entry(target.clone()).or_default().add(origin);
        self.count.store(known.len(), Ordering::Relaxed);
    }

    /// Takes out those of the targets of a request that leaves.
    pub(super) fn take(&self, request: &Request) -> HashMap<Target, Origin> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return HashMap::new();
        }
        let mut known = self.of_targets.lock();
        let targets = request
            .jobs()
            .chain(&request.covered)
            .map(|job| &job.target);
        let taken = targets
            .filter_map(|target| known.remove_entry(target))
            .collect();
        self.count.store(known.len(), Ordering::Relaxed);
        taken
    }

    /// Drops that of a target which does not wait any more.
    pub(super) fn forget(&self, target: &Target) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut known = self.of_targets.lock();
        let forgotten = known.remove(target);
        self.count.store(known.len(), Ordering::Relaxed);
        drop(known);
        drop(forgotten);
    }
}
