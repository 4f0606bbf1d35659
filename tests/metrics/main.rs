//! Metrics and spans: what is recorded, and what Prometheus and OpenTelemetry make of it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod guide;
mod outbox;
mod prometheus;
mod recording;
mod scripted;
mod spans;
mod support;
