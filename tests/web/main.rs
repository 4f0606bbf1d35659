//! The response side: what pages carry, which are shared, and how they are purged.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod alarms;
mod areas;
mod embedded;
mod nginx;
mod pages;
mod privacy;
mod race;
mod settings;
mod streams;
mod support;
mod tagging;
mod values;
mod varnish;
mod wire;
mod writes;
