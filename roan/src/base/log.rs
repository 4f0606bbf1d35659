//! Events, and errors that must not be overlooked.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::Level;

thread_local! {
    static IN_SUBSCRIBER: Cell<bool> = const { Cell::new(false) };
}

/// Runs code of the program's `tracing` subscriber. Never call it under a lock: that code may do anything.
///
/// A subscriber that panics does not fail a save or stop the dispatcher. A subscriber that fires a hook does not receive
/// the events of that hook: otherwise the two would call each other forever.
fn in_subscriber<T>(work: impl FnOnce() -> T) -> Option<T> {
    if IN_SUBSCRIBER.replace(true) {
        return None;
    }
    // The panic hook has shown the panic.
    let result = catch_unwind(AssertUnwindSafe(work)).ok();
    IN_SUBSCRIBER.set(false);
    result
}

/// Emits an event of `tracing`, and returns whether the subscriber received it and did not panic.
pub(crate) fn emit(event: impl FnOnce()) -> bool {
    in_subscriber(event).is_some()
}

/// Logs an error. It goes to standard error if no `tracing` subscriber accepts it, because a stale page that nobody hears
/// of is the worst that can happen here. A filter for the app alone (`EnvFilter` of `app=info`) does not accept it.
pub(crate) fn loudly(message: fmt::Arguments<'_>) {
    let is_taken = errors_are_heard() && emit(|| tracing::error!(target: "roan", "{message}"));
    if !is_taken {
        to_standard_error(message);
    }
}

/// Logs the end of what was logged loudly: as an event, or on standard error if its beginning went there.
pub(crate) fn end_loudly(message: fmt::Arguments<'_>, event: impl FnOnce()) {
    if errors_are_heard() {
        emit(event);
    } else {
        to_standard_error(message);
    }
}

/// Logs one of many errors of a kind: loudly if its number is a power of two, else as an event.
pub(crate) fn loudly_at_times(count: u64, message: fmt::Arguments<'_>, event: impl FnOnce()) {
    if count.is_power_of_two() {
        loudly(message);
    } else {
        emit(event);
    }
}

/// Logs a warning about the configuration as [`loudly`] logs an error.
pub(crate) fn warn_loudly(message: fmt::Arguments<'_>) {
    warn_loudly_as(message, || tracing::warn!(target: "roan", "{message}"));
}

/// The same, with the event that a subscriber gets.
pub(crate) fn warn_loudly_as(message: fmt::Arguments<'_>, event: impl FnOnce()) {
    let warnings = in_subscriber(|| tracing::event_enabled!(target: "roan", Level::WARN));
    if warnings == Some(true) {
        emit(event);
    } else if !errors_are_heard() {
        to_standard_error(message);
    }
}

/// Whether a subscriber accepts errors.
pub(crate) fn errors_are_heard() -> bool {
    in_subscriber(|| tracing::event_enabled!(target: "roan", Level::ERROR)) == Some(true)
}

/// Writes to standard error.
pub(crate) fn to_standard_error(message: fmt::Arguments<'_>) {
    // Unlike `eprintln!` this does not panic if standard error is closed: a save must not fail because of it.
    let _ = writeln!(io::stderr(), "roan: {message}");
}
