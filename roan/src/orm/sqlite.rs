//! SQLite has one writer at a time, and the relay of an outbox is one of them.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::log::loudly;

/// For a connection without a busy timeout: what sqlx sets by itself.
pub(in crate::orm) const SET_TIMEOUT: &str = "PRAGMA busy_timeout = 5000";

pub(in crate::orm) fn is_locked(error: &impl Display) -> bool {
    error.to_string().contains("database is locked")
}

/// Says once what mends a write that SQLite refused since another connection writes.
pub(in crate::orm) fn notice(error: &impl Display) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if is_locked(error) && !TOLD.swap(true, Ordering::Relaxed) {
        loudly(format_args!(
            "SQLite refused a write ({error}), since another connection writes, as the relay of an outbox \
             does. Give each connection a busy timeout when it is opened: `{SET_TIMEOUT}`. No timeout \
             helps a transaction that reads before it writes: begin it with `BEGIN IMMEDIATE` (Diesel: \
             `conn.immediate_transaction(..)`; sqlx: `pool.begin_with(\"BEGIN IMMEDIATE\")`; SeaORM: \
             `db.begin_with_options(..)` with `SqliteTransactionMode::Immediate`)"
        ));
    }
}

/// Says once that a connection had no busy timeout, so that Roan gave it one.
#[cfg(feature = "diesel")]
pub(in crate::orm) fn has_set_timeout() {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        loudly(format_args!(
            "a connection to SQLite has no busy timeout, so its writes fail whenever another \
             connection writes, as the relay of the outbox does. Roan has set one. Set it when the \
             connection is opened: `{SET_TIMEOUT}`"
        ));
    }
}
