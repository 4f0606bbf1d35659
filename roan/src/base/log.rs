//! Events, and saying loudly what nobody may overlook.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::Level;

thread_local! {
    static IN_SUBSCRIBER: Cell<bool> = const { Cell::new(false) };
}

/// Runs code of the program's `tracing` subscriber. Not under a lock: that code may do anything.
///
/// A subscriber that panics fails no save and stops no dispatcher. One that fires a hook gets no event of that hook,
/// or the two would call each other without end.
fn in_subscriber<T>(work: impl FnOnce() -> T) -> Option<T> {
    if IN_SUBSCRIBER.replace(true) {
        return None;
    }
    // The panic itself was shown by the panic hook.
    let result = catch_unwind(AssertUnwindSafe(work)).ok();
    IN_SUBSCRIBER.set(false);
    result
}

/// Emits an event of `tracing`, and says whether the subscriber was asked and did not panic.
pub(crate) fn emit(event: impl FnOnce()) -> bool {
    in_subscriber(event).is_some()
}

/// Logs an error; on standard error where no `tracing` subscriber takes it, since a stale page that nobody knows of
/// is the worst that can happen here. A filter that names only the app (`EnvFilter` of `app=info`) takes none.
pub(crate) fn loudly(message: fmt::Arguments<'_>) {
    let is_taken = errors_are_heard() && emit(|| tracing::error!(target: "roan", "{message}"));
    if !is_taken {
        to_standard_error(message);
    }
}

/// Logs a warning about the set-up, as loudly.
pub(crate) fn warn_loudly(message: fmt::Arguments<'_>) {
    let warnings = in_subscriber(|| tracing::event_enabled!(target: "roan", Level::WARN));
    if warnings == Some(true) {
        emit(|| tracing::warn!(target: "roan", "{message}"));
    } else if !errors_are_heard() {
        to_standard_error(message);
    }
}

/// Whether somebody takes what is logged as an error.
pub(crate) fn errors_are_heard() -> bool {
    in_subscriber(|| tracing::event_enabled!(target: "roan", Level::ERROR)) == Some(true)
}

/// Writes to standard error.
pub(crate) fn to_standard_error(message: fmt::Arguments<'_>) {
    // Unlike `eprintln!` this does not panic when nobody reads: a save must not fail for it.
    let _ = writeln!(io::stderr(), "roan: {message}");
}
