//! A tracker on every new connection of the program.

use std::sync::OnceLock;

use diesel::QueryResult;
use diesel::connection::{
    Instrumentation, get_default_instrumentation, set_default_instrumentation,
};
use diesel::result::Error;

use super::tracker::TransactionTracker;

type MakeInstrumentation = fn() -> Option<Box<dyn Instrumentation>>;

static OF_USER: OnceLock<MakeInstrumentation> = OnceLock::new();

/// Puts a [`TransactionTracker`] on every connection that is opened from now on, those of pools included. One line
/// at the start of the program; without a durable outbox, purges leave after the commit by it.
///
/// # Errors
///
/// When the program has set a default instrumentation already: give it to [`install_with`].
pub fn install() -> QueryResult<()> {
    match get_default_instrumentation() {
        None => set_default_instrumentation(tracked),
        Some(installed) if installed.is::<TransactionTracker>() => Ok(()),
        Some(_) => Err(refusal(
            "there is a default instrumentation: call `roan::orm::diesel::install_with` in place of `set_default_instrumentation`",
        )),
    }
}

/// As [`install`], for a program with an instrumentation of its own, which sees all events as
/// before. In place of Diesel's `set_default_instrumentation`.
///
/// # Errors
///
/// When it was called before with another one.
pub fn install_with(instrumentation: MakeInstrumentation) -> QueryResult<()> {
    let kept = *OF_USER.get_or_init(|| instrumentation);
    if !std::ptr::fn_addr_eq(kept, instrumentation) {
        return Err(refusal(
            "`roan::orm::diesel::install_with` was called before, with another instrumentation",
        ));
    }
    set_default_instrumentation(tracked)
}

fn tracked() -> Option<Box<dyn Instrumentation>> {
    let mut tracker = TransactionTracker::new();
    if let Some(user) = OF_USER.get().and_then(|make| make()) {
        tracker = tracker.and(user);
    }
    Some(Box::new(tracker))
}

fn refusal(text: &'static str) -> Error {
    Error::QueryBuilderError(text.into())
}
