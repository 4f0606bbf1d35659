//! The end of the main thread, which is the end of the program.

use std::cell::Cell;
use std::sync::OnceLock;

static LAST_WORDS: OnceLock<fn()> = OnceLock::new();

thread_local! {
    static WATCH: Cell<Option<Watch>> = const { Cell::new(None) };
}

/// Runs `last_words` when a thread ends that is observed, as its last code.
pub(crate) fn set_last_words(last_words: fn()) {
    let _ = LAST_WORDS.set(last_words);
}

/// Observes the end of this thread, which must be the main thread: its destructors are the last code that runs.
pub(crate) fn watch_main_thread() {
    let _ = WATCH.try_with(|watch| {
        // A `Watch` that is dropped here, even one just made, would speak too early.
        let known = watch.take();
        let is_new = known.is_none();
        watch.set(known);
        if is_new {
            watch.set(Some(Watch));
        }
    });
}

struct Watch;

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(last_words) = LAST_WORDS.get() {
            last_words();
        }
    }
}
