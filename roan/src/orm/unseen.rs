//! Purges of a transaction whose commit Roan cannot see.

use std::sync::Arc;
#[cfg(any(feature = "diesel", feature = "sea-orm"))]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::app::Roan;
use crate::base::history::Fired;
#[cfg(any(feature = "diesel", feature = "sea-orm"))]
use crate::base::log::loudly;
use crate::hooks;
use crate::hooks::scope::Scope;

/// When such a purge is repeated: the commit has mostly come by then.
pub(super) const LATER: Duration = Duration::from_secs(1);

#[cfg(any(feature = "diesel", feature = "sea-orm"))]
/// Purges twice, and says so the first time, unless a scope is current: see [`purge_twice`].
pub(super) fn purge(roan: &Roan, targets: &[Fired], told: &AtomicBool, text: &str) {
    if Scope::current().is_none() && !told.swap(true, Ordering::Relaxed) {
        loudly(format_args!(
            "{text}: what it writes is purged at once and again {LATER:?} later"
        ));
    }
    purge_twice(roan, targets);
}

/// Purges when the scope around it ends. Without a scope it purges now, and once more [`LATER`], to do
/// again what was done too early.
pub(super) fn purge_twice(roan: &Roan, targets: &[Fired]) {
    purge_now(roan, targets);
    if targets.is_empty() || Scope::current().is_some() {
        return;
    }
    let (handle, targets) = (roan.clone(), targets.to_vec());
    let needed = Arc::new(());
    roan.later(LATER, Arc::downgrade(&needed), move || {
        purge_now(&handle, &targets);
        drop(needed);
    });
}

/// Without a durable outbox.
pub(super) fn purge_now(roan: &Roan, targets: &[Fired]) {
    for target in targets {
        hooks::send(Some(roan), target);
    }
}
