//! Events, and saying loudly what nobody may overlook.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static EMITTING: Cell<bool> = const { Cell::new(false) };
}

/// Emits an event of `tracing`, and says whether the subscriber has taken it. Not under a lock: the
/// subscriber is code of the program.
///
/// A subscriber that panics fails no save and stops no dispatcher. One that fires a hook gets no
/// event of that hook, or the two would call each other without end.
pub(crate) fn emit(event: impl FnOnce()) -> bool {
    if EMITTING.replace(true) {
        return false;
    }
    // The panic itself was shown by the panic hook.
    let is_taken = catch_unwind(AssertUnwindSafe(event)).is_ok();
    EMITTING.set(false);
    is_taken
}

/// Logs an error; on standard error where no `tracing` subscriber takes it, since a stale page that
/// nobody was told of is the worst that can happen here.
pub(crate) fn loudly(message: fmt::Arguments<'_>) {
    if !tracing::dispatcher::has_been_set()
        || !emit(|| tracing::error!(target: "roan", "{message}"))
    {
        to_standard_error(message);
    }
}

/// Writes to standard error.
pub(crate) fn to_standard_error(message: fmt::Arguments<'_>) {
    // Unlike `eprintln!` this does not panic when nobody reads: a save must not fail for it.
    let _ = writeln!(io::stderr(), "roan: {message}");
}
