//! When to try again: the meaning of a status, and the time to wait.

mod backoff;
mod classify;

pub(crate) use backoff::Backoff;
pub(crate) use classify::classify;
