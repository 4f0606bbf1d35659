//! The learned index: which pages carry which keys, and under which URLs they were asked for.

mod find;
mod forget;
mod learn;

pub use find::{Found, Resolving};

use crate::base::target::Target;
use crate::outbox::stored_target::{self, Unreadable};

/// Reads a page. The error says which one it is.
fn read(id: i64, text: &str) -> Result<Target, Unreadable> {
    let of_page = |error| format!("page {id} of the index cannot be purged: {error}");
    stored_target::read_target(text).map_err(|error| match error {
        Unreadable::Newer(why) => Unreadable::Newer(of_page(why)),
        Unreadable::Invalid(error) => Unreadable::Invalid(of_page(error)),
    })
}
