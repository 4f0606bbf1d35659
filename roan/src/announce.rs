//! Saying loudly what nobody may overlook.

use std::fmt;

/// Logs an error; on standard error where the program has no `tracing` subscriber, since a stale
/// page that nobody was told of is the worst that can happen here.
pub(crate) fn loudly(message: fmt::Arguments<'_>) {
    if tracing::dispatcher::has_been_set() {
        tracing::error!(target: "roan", "{message}");
    } else {
        eprintln!("roan: {message}");
    }
}
