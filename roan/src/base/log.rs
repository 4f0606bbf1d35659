//! Errors that must not be overlooked.

use std::fmt;
use std::io::{self, Write};

/// Logs an error. It goes to standard error if the program does not have a `tracing` subscriber: a stale page that
/// nobody hears of is the worst that can happen here.
pub(crate) fn loudly(message: fmt::Arguments<'_>) {
    if tracing::dispatcher::has_been_set() {
        tracing::error!(target: "roan", "{message}");
    } else {
        // Unlike `eprintln!` this does not panic if standard error is closed: a save must not fail because of it.
        let _ = writeln!(io::stderr(), "roan: {message}");
    }
}
