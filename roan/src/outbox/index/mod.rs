//! The learned index and the fence of several instances of a program, in the outbox's database.
//!
//! The *index* has each URL under which a page was asked for, with the keys that the page carries. The *fence* has the last
//! purge of each key. Together they keep two promises: each page in a cache is reached by a purge of any of its keys, and a
//! page that was rendered before a purge is not stored after it.
//!
//! An *area* (a prefix, a host, everything) is a key that a page is in without carrying it, so that an area that is new
//! reaches pages that are old. It is resolved by a pass over the URLs of all pages, and marked by its own hash. A check asks
//! for the areas around its page, too: they are few, because they are the folders of its URL.
//!
//! # Why it is sound
//!
//! The last seen number is that of a check, of a mark or a look of the own relay, or of a notification that came with the
//! commit of a mark.
//!
//! A render, in this order: take the last seen number as `since`; read the rows and make the page; *learn* it, and wait for
//! the commit; *check* its keys since `since`; release the page as cacheable if there was no purge.
//!
//! A purge, in this order: the write commits; *mark* its keys with the next number, and wait for the commit; *resolve* the
//! keys to pages; send the purges.
//!
//! 1. *Either the check sees the mark, or resolving sees the page.* If the check does not see the mark, its snapshot is
//!    older than the commit of the mark. The page was learned before the check, and the keys are resolved after the mark, so
//!    resolving sees the page. Its purge leaves after the release was decided. (What is on the wire then is for the rebound.
//!    If it takes longer, the process that released the page finds the mark, whose number is above that of the check, as long
//!    as the page may be on its way: see `pages/released.rs`. A body that takes longer than half of the rebound is checked
//!    again before its end leaves: if there was a purge, the row of another one is in the outbox before a cache can store the
//!    page.)
//! 2. *A purge that the check does not count does not matter.* Marks wait for each other at the row of `roan_epoch`, so
//!    numbers are in the order of commits. Who sees a number sees all marks up to it. A mark up to `since` had committed
//!    before the render began to read, and so had its write. Any earlier `since` is safe, too: it costs at most one page that
//!    is not stored.
//! 3. *A page that is known needs no second learning*, as long as no page was forgotten. [`Store::forget`] removes pages,
//!    purges them through the outbox and changes `forgets`, in one transaction. If a check returns the same `forgets` that was
//!    last seen before the page was learned, the page is still there. Else all that is known is learned again.
//! 4. *Crashes.* Learning and marking are durable when they return. If a crash takes a commit whose answer had not come, the
//!    page is not cacheable, or the purge has not left. Numbers are not below the time in milliseconds, so none is used twice
//!    even if a failover loses the last commits.

mod key;
mod shared;

pub use key::Key;
pub use shared::{Release, SharedIndex};

use super::store::Store;
use super::{Outbox, OutboxError};

/// A connection for the statements of index and fence.
///
/// # Errors
///
/// If the database cannot be reached.
pub async fn open_store(outbox: &Outbox) -> Result<Store, OutboxError> {
    outbox.open_durable().await
}
