//! Purges of CDNs, which are stand-ins made from their public documents: see `tests/src/stand_ins/`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod batches;
mod cloudflare;
mod cloudfront;
mod configuration;
mod fastly;
mod hostile;
mod secrets;
mod support;
