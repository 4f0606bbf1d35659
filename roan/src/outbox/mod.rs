//! Where purges wait between the hook and the dispatcher.

mod memory;

pub(crate) use memory::{Batch, Inbox, Put};
