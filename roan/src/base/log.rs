//! Saying loudly what nobody may overlook.

use std::fmt;
use std::io::{self, Write};

/// Logs an error; on standard error where the program has no `tracing` subscriber, since a stale
/// page that nobody was told of is the worst that can happen here.
pub(crate) fn loudly(message: fmt::Arguments<'_>) {
    if tracing::dispatcher::has_been_set() {
        tracing::error!(target: "roan", "{message}");
    } else {
        // Unlike `eprintln!` this does not panic when nobody reads: a save must not fail for it.
        let _ = writeln!(io::stderr(), "roan: {message}");
    }
}
