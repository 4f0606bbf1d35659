//! What `#[purge_on]` makes of a type, key by key.
//!
//! The mistakes that it refuses are in `../ui`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod explain;
mod links;
mod places;
mod pointers;
mod registry;
mod routes;
mod support;
mod targets;
mod templates;
mod watching;
