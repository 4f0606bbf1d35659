//! The end of the program: reports the purges that were not sent by then.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use super::engine::Engine;
use crate::base::log::to_standard_error;

/// The dispatchers whose purges may be lost at the end of the program.
static DISPATCHERS: Mutex<Vec<Weak<Engine>>> = Mutex::new(Vec::new());

thread_local! {
    static WATCH: Cell<Option<Watch>> = const { Cell::new(None) };
}

fn dispatchers() -> MutexGuard<'static, Vec<Weak<Engine>>> {
    DISPATCHERS.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn watch(engine: &Arc<Engine>) {
    {
        let mut dispatchers = dispatchers();
        dispatchers.retain(|known| known.strong_count() > 0);
        dispatchers.push(Arc::downgrade(engine));
    }
    watch_this_thread();
}

/// If this is the main thread, observes its end from now on. The main thread ends with the program, so its destructors are
/// the last code that runs.
pub(super) fn watch_this_thread() {
    let _ = WATCH.try_with(|watch| {
        if thread::current().name() == Some("main") {
            watch.set(Some(Watch));
        }
    });
}

struct Watch;

impl Drop for Watch {
    fn drop(&mut self) {
        let engines: Vec<_> = dispatchers().iter().filter_map(Weak::upgrade).collect();
        for engine in engines {
            tell(&engine);
        }
    }
}

/// On standard error: a subscriber may already have lost its own thread locals.
fn tell(engine: &Engine) {
    let left = engine.left(true);
    let (pending, rebounds) = (left.pending() + engine.inbox.waiting(), left.rebounds());
    let what = match (pending, rebounds) {
        (0, 0) => return,
        (0, _) => format!("{rebounds} rebounds"),
        (_, 0) => format!("{pending} purges"),
        _ => format!("{pending} purges and {rebounds} rebounds"),
    };
    let lost = if engine.source.is_some() {
        "those of the outbox's rows are sent at the next start, and all others are lost"
    } else {
        "they are lost, and their pages may stay stale"
    };
    to_standard_error(format_args!(
        "the program ends while {what} wait: {lost}. Write at the start of `main`: \
         `let _guard = roan::global()?.guard(Duration::from_secs(10));`"
    ));
}
