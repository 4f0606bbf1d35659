//! A fleet: purges through a stream of NATS JetStream, with real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod guide;
mod repeats;
mod seeing;
mod sending;
mod support;
mod three;
mod trouble;
mod units;
