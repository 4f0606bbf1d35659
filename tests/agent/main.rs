//! The agent of a fleet: with real NATS servers and a real nginx.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod command;
mod denied;
mod emptying;
mod faults;
mod mute;
mod settings;
mod silence;
mod stand;
mod unproven;
