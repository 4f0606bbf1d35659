//! The end of the program: reports the purges that were not sent by then.

use std::sync::{Arc, Weak};
use std::thread;

use super::engine::Engine;
use super::stats::Remaining;
use crate::base::counted::counted;
use crate::base::exit;
use crate::base::lock::Mutex;
use crate::base::log::to_standard_error;

/// The dispatchers whose purges may be lost at the end of the program.
static DISPATCHERS: Mutex<Vec<Weak<Engine>>> = Mutex::new(Vec::new());

pub(super) fn watch(engine: &Arc<Engine>) {
    {
        let mut dispatchers = DISPATCHERS.lock();
        dispatchers.retain(|known| known.strong_count() > 0);
        dispatchers.push(Arc::downgrade(engine));
    }
    exit::set_last_words(tell_all);
    watch_this_thread();
}

/// If this is the main thread, observes its end from now on. A program with a model does so before `main` begins.
pub(super) fn watch_this_thread() {
    if thread::current().name() == Some("main") {
        exit::watch_main_thread();
    }
}

fn tell_all() {
    let engines: Vec<_> = DISPATCHERS
        .lock()
        .iter()
        .filter_map(Weak::upgrade)
        .collect();
    for engine in engines {
        tell(&engine);
    }
}

/// What waits at the nodes, and in the inbox. Purges move from the inbox to the nodes, and from cache to cache: while some
/// do, they are counted again, and at last rather twice than not at all.
fn counts(engine: &Engine) -> (Remaining, usize) {
    let mut waiting = engine.inbox.waiting();
    for _ in 0..1000 {
        let (begun, open) = (engine.handovers.begun(), engine.handovers.open());
        let left = engine.left(true);
        let still = engine.inbox.waiting();
        if still == waiting && open == 0 && engine.handovers.begun() == begun {
            return (left, waiting);
        }
        waiting = still;
        thread::yield_now();
    }
    (engine.left(true), waiting)
}

/// On standard error: a subscriber may already have lost its own thread locals.
fn tell(engine: &Engine) {
    let (left, waiting) = counts(engine);
    let waiting = waiting + engine.unmarked();
    let (pending, rebounds) = (left.pending() + waiting, left.rebounds());
    let what = match (pending, rebounds) {
        (0, 0) => return,
        (0, _) => counted(rebounds, "rebound"),
        (_, 0) => counted(pending, "purge"),
        _ => format!(
            "{} and {}",
            counted(pending, "purge"),
            counted(rebounds, "rebound")
        ),
    };
    let lost = if engine.source.is_some() {
        "those of the outbox's rows are sent at the next start, and all others are lost"
    } else if pending + rebounds == 1 {
        "it is lost, and its page may stay stale"
    } else {
        "they are lost, and their pages may stay stale"
    };
    to_standard_error(format_args!(
        "the program ends before {what} could be sent: {lost}. Write at the start of `main`: \
         `let _guard = roan::global()?.guard(Duration::from_secs(10));`"
    ));
}
