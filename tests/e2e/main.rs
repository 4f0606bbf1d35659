//! End to end: real servers, real sockets.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod caches;
mod cleanup;
mod databases;
mod encoding;
mod failures;
mod faults;
mod files;
mod forks;
mod harness;
mod history;
mod limits;
mod noise;
mod open_files;
mod proxies;
mod purging;
mod races;
mod refresh;
mod save_path;
mod starvation;
mod support;
mod torsos;
mod varnish;
mod visitors;
mod warm;
