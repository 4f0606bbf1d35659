//! The durable outbox, on each kind of database.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod deliveries;
mod relays;
mod support;
mod writes;
