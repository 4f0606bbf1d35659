//! Saying loudly what nobody may overlook.

use std::fmt;
use std::io::{self, Write};

use tracing::Level;

/// Logs an error; on standard error where no `tracing` subscriber takes it, since a stale page that nobody knows of
/// is the worst that can happen here. A filter that names only the app (`EnvFilter` of `app=info`) takes none.
pub(crate) fn loudly(message: fmt::Arguments<'_>) {
    if errors_are_heard() {
        tracing::error!(target: "roan", "{message}");
    } else {
        to_standard_error(message);
    }
}

/// Logs a warning about the set-up, as loudly.
pub(crate) fn warn_loudly(message: fmt::Arguments<'_>) {
    if tracing::event_enabled!(target: "roan", Level::WARN) {
        tracing::warn!(target: "roan", "{message}");
    } else if !errors_are_heard() {
        to_standard_error(message);
    }
}

/// Whether somebody takes what is logged as an error.
pub(crate) fn errors_are_heard() -> bool {
    tracing::event_enabled!(target: "roan", Level::ERROR)
}

fn to_standard_error(message: fmt::Arguments<'_>) {
    // Unlike `eprintln!` this does not panic when nobody reads: a save must not fail for it.
    let _ = writeln!(io::stderr(), "roan: {message}");
}
