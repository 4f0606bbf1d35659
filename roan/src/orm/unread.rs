//! Rows that a statement has written without Roan having read them before.

use std::collections::BTreeSet;

use crate::base::lock::Mutex;
use crate::base::log::loudly;

/// Says once for a model that a row of it had old pages that nobody knows.
pub(super) fn unread(model: &'static str) {
    static TOLD: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let is_first = TOLD.lock().insert(model);
    if !is_first {
        return;
    }
    loudly(format_args!(
        "a statement has written a row of `{model}` that did not match its conditions when Roan read the old rows: \
         another transaction has changed it in between, so its old pages are not purged. \
         Run such statements in a transaction at REPEATABLE READ, or on fewer rows"
    ));
}
