//! What the project asks of itself: what its first command builds, what it depends on, and which types of others
//! are in its public API. Nothing here builds Roan.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a check that cannot be made fails, with a clear message"
)]

pub mod cargo;
pub mod plan;
