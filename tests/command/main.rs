//! The command `roan`, run as a program before real servers.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod basics;
mod doctor;
mod fleet;
mod history;
mod init;
mod mistakes;
mod newcomer;
mod nginx_conf;
mod other_caches;
mod other_doctor;
mod outbox;
mod purging;
mod sitemaps;
mod support;
mod tls;
mod vcl;
