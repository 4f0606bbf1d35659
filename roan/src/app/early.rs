//! Hooks that fire while the global dispatcher is being made.
//!
//! They must not wait for it: its making emits events (of the libraries that it uses, too), and the
//! program's `tracing` subscriber may fire hooks, on the thread that makes it or on another one that
//! this thread waits for.

use std::cell::Cell;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashSet;

use super::handle::Roan;
use crate::base::target::{Target, TargetRef};
use crate::dispatcher::is_starting;

/// More distinct targets are not kept.
const MOST: usize = 100_000;

/// How many threads make one. Changes under the lock of [`KEPT`].
static MAKERS: AtomicUsize = AtomicUsize::new(0);

static KEPT: Mutex<Option<HashSet<Target>>> = Mutex::new(None);

thread_local! {
    static MAKES_IT: Cell<bool> = const { Cell::new(false) };
}

fn kept() -> MutexGuard<'static, Option<HashSet<Target>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This thread makes the global dispatcher, until the drop.
pub(super) struct Making(());

impl Making {
    pub(super) fn begin() -> Self {
        let _kept = kept();
        MAKERS.fetch_add(1, Ordering::Release);
        MAKES_IT.set(true);
        Self(())
    }

    fn end() {
        MAKERS.fetch_sub(1, Ordering::Release);
        MAKES_IT.set(false);
    }
}

/// It could not be made.
impl Drop for Making {
    fn drop(&mut self) {
        let _kept = kept();
        Self::end();
    }
}

/// Whether a thread makes the global dispatcher.
pub(super) fn is_made() -> bool {
    MAKERS.load(Ordering::Acquire) > 0
}

/// Whether it is made by this thread, or this is its own, which has not started.
pub(super) fn is_made_here() -> bool {
    MAKES_IT.get() || is_made() && is_starting()
}

/// Keeps a target for the dispatcher. `false`: it is made by now, or too much is kept.
pub(super) fn keep(target: TargetRef<'_>) -> bool {
    let mut kept = kept();
    let kept = kept.get_or_insert_default();
    if !is_made() || kept.len() >= MOST {
        return false;
    }
    if !kept.contains(&target) {
        kept.insert(target.to_target());
    }
    true
}

/// Gives the dispatcher what was kept for it, and ends its making.
pub(super) fn hand_over(roan: &Roan, making: Option<Making>) {
    let not_let_in: Vec<Target> = {
        // Under the lock, so that whoever has got the dispatcher can flush what its hooks have put.
        let mut kept = kept();
        let targets = kept.take().into_iter().flatten();
        let not_let_in = targets
            .filter(|target| !roan.engine().lets_in(TargetRef::from(target)))
            .collect();
        if let Some(making) = making {
            Making::end();
            mem::forget(making);
        }
        not_let_in
    };
    for target in &not_let_in {
        // This says so, and not under the lock.
        roan.engine().put(TargetRef::from(target));
    }
}

/// There will be no dispatcher. Says how much was kept for it.
pub(super) fn give_up() -> usize {
    kept().take().map_or(0, |kept| kept.len())
}
