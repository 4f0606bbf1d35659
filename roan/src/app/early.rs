//! Hooks that fire while the global dispatcher starts.
//!
//! They must not wait for it. Its start emits events (also of the libraries that it uses), and the program's `tracing`
//! subscriber may fire hooks: on the starting thread, or on another one for which this thread waits.

use std::cell::Cell;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;

use super::handle::Roan;
use crate::base::history::{Because, Causes, Fired};
use crate::base::lock::Mutex;
use crate::base::target::{Target, TargetRef};
use crate::dispatcher::is_starting;

/// The maximum number of distinct targets that are kept.
const MOST: usize = 100_000;

/// The number of threads that start one. Changes under the lock of [`KEPT`].
static MAKERS: AtomicUsize = AtomicUsize::new(0);

static KEPT: Mutex<Option<HashMap<Target, Causes>>> = Mutex::new(None);

thread_local! {
    static MAKES_IT: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as the one that starts the global dispatcher, until the drop.
pub(super) struct Making(());

impl Making {
    pub(super) fn begin() -> Self {
        let _kept = KEPT.lock();
        MAKERS.fetch_add(1, Ordering::Release);
        MAKES_IT.set(true);
        Self(())
    }

    fn end() {
        MAKERS.fetch_sub(1, Ordering::Release);
        MAKES_IT.set(false);
    }
}

/// The start failed.
impl Drop for Making {
    fn drop(&mut self) {
        let _kept = KEPT.lock();
        Self::end();
    }
}

/// Whether a thread is starting the global dispatcher.
pub(super) fn is_made() -> bool {
    MAKERS.load(Ordering::Acquire) > 0
}

/// Whether this thread starts it, or is the dispatcher's own thread before its start has ended.
pub(super) fn is_made_here() -> bool {
    MAKES_IT.get() || is_made() && is_starting()
}

/// Keeps a target for the dispatcher. `false` if it has started by now, or too many targets are kept.
pub(super) fn keep(target: TargetRef<'_>, because: Because<'_>) -> bool {
    let mut kept = KEPT.lock();
    let kept = kept.get_or_insert_default();
    if !is_made() || kept.len() >= MOST {
        return false;
    }
    match kept.get_mut(&target) {
        Some(causes) => causes.add(because),
        None => _ = kept.insert(target.to_target(), Causes::of(because)),
    }
    true
}

/// Passes the kept targets to the dispatcher, and ends its start.
pub(super) fn hand_over(roan: &Roan, making: Option<Making>) {
    let not_let_in: Vec<Fired> = {
        // Under the lock, so that a thread that has the dispatcher can flush the targets of its hooks.
        let mut kept = KEPT.lock();
        let targets = kept.take().into_iter().flatten();
        let targets = targets.map(|(target, causes)| Fired { target, causes });
        let is_let_in = |fired: &Fired| {
            let because = Because::All(&fired.causes);
            let target = TargetRef::from(&fired.target);
            roan.engine().lets_in(target, because)
        };
        let not_let_in = targets.filter(|fired| !is_let_in(fired)).collect();
        if let Some(making) = making {
            Making::end();
            mem::forget(making);
        }
        not_let_in
    };
    for fired in &not_let_in {
        // This logs, so it must not run under the lock.
        let because = Because::All(&fired.causes);
        roan.engine().put(TargetRef::from(&fired.target), because);
    }
}

/// Ends a failed start, and returns the number of targets that were kept.
pub(super) fn give_up() -> usize {
    KEPT.lock().take().map_or(0, |kept| kept.len())
}
