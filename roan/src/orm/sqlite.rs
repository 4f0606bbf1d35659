//! SQLite has one writer at a time, and the relay of an outbox is one of them.

use std::fmt::Display;
use std::sync::Once;

use crate::base::log::loudly;

/// Fails when the connection has a busy timeout. (An integer has no such negative.)
#[cfg(feature = "diesel")]
pub(in crate::orm) const FAILS_WITH_TIMEOUT: &str =
    "SELECT CASE WHEN timeout > 0 THEN abs(-9223372036854775807 - 1) END FROM pragma_busy_timeout";

/// For a connection without a busy timeout: what sqlx sets by itself.
pub(in crate::orm) const SET_TIMEOUT: &str = "PRAGMA busy_timeout = 5000";

pub(in crate::orm) fn is_locked(error: &impl Display) -> bool {
    error.to_string().contains("database is locked")
}

/// Says once what mends a write that SQLite refused since another connection writes.
pub(in crate::orm) fn notice(error: &impl Display, in_transaction: bool) {
    static OF_TRANSACTION: Once = Once::new();
    static OF_STATEMENT: Once = Once::new();
    if !is_locked(error) {
        return;
    }
    if in_transaction {
        OF_TRANSACTION.call_once(|| {
            loudly(format_args!(
                "SQLite refused a write in a transaction ({error}): a transaction that begins by \
                 reading cannot write after another connection has written, and the relay of the \
                 outbox does. No busy timeout helps. Begin it with `BEGIN IMMEDIATE`: in Diesel \
                 `conn.immediate_transaction(..)`, in sqlx `pool.begin_with(\"BEGIN IMMEDIATE\")`, in \
                 SeaORM `db.begin_with_options(..)` with `SqliteTransactionMode::Immediate`"
            ));
        });
    } else {
        OF_STATEMENT.call_once(|| {
            loudly(format_args!(
                "SQLite refused a write ({error}): another connection writes, perhaps the relay of the \
                 outbox. Give each connection a busy timeout when it is opened: `{SET_TIMEOUT}`"
            ));
        });
    }
}

/// As [`notice`]. SQLite has a code of its own for what no timeout helps: `SQLITE_BUSY_SNAPSHOT`.
#[cfg(feature = "sql")]
pub(in crate::orm) fn notice_sqlx(error: &sqlx::Error) {
    let code = error.as_database_error().and_then(|error| error.code());
    notice(error, code.is_some_and(|code| code == "517"));
}

/// Says once that a connection had no busy timeout, so that Roan gave it one.
#[cfg(feature = "diesel")]
pub(in crate::orm) fn has_set_timeout() {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        loudly(format_args!(
            "a connection to SQLite has no busy timeout, so its writes fail whenever another \
             connection writes, as the relay of the outbox does. Roan has set one. Set it when the \
             connection is opened: `{SET_TIMEOUT}`"
        ));
    });
}
