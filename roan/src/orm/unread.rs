//! Rows that a statement has written without Roan having read them before.

use crate::base::log::loudly;

/// Says that a row of this model had old pages that nobody knows.
pub(super) fn unread(model: &str) {
    loudly(format_args!(
        "a statement has written a row of `{model}` that did not match its conditions when Roan read the old rows: \
         another transaction has changed it in between, so its old pages are not purged. \
         Run such statements in a transaction at REPEATABLE READ, or on fewer rows"
    ));
}
