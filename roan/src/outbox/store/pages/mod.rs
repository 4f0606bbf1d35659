//! The learned index: which pages carry which keys, and under which URLs they were asked for.

mod find;
mod forget;
mod learn;

pub use find::{Found, Resolving};

use crate::base::log::loudly;

fn unreadable(id: i64, error: &str) {
    loudly(format_args!(
        "page {id} of the index cannot be purged: {error}"
    ));
}
