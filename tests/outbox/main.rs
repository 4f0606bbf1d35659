//! The durable outbox, on each kind of database.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod admin;
mod ages;
mod deliveries;
mod fence;
mod history;
mod instances;
mod memory;
mod newer;
mod pages;
mod paused;
mod places;
mod poolers;
mod relays;
mod renders;
mod rows;
mod snapshots;
mod starting;
mod support;
mod tiers;
mod versions;
mod writes;
