//! The policies that a build cannot show: see the file of each.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod build_plan;
mod layout;
mod public_api;
