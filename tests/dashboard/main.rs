//! The dashboard: its service, and its page in a real Chromium.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod asset;
mod axe;
mod fleet;
mod page;
mod pictures;
mod proxies;
mod service;
mod stored;
mod support;
