//! What the durable outbox costs and does: `cargo bench -p roan-tests --bench outbox`, or with the names of some
//! tables: `cargo bench -p roan-tests --bench outbox -- insert index render latency commits backlog snapshot`.
//!
//! Real databases that wait for the disk at each commit, real nginx nodes of one worker each, and
//! each figure beside what it is compared with, in turns in the same run. Rebounds are off. The
//! backlog is of `ROAN_BACKLOG` purges, 100,000 if it is not set.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends"
)]

mod backlog;
mod commits;
mod index;
mod insert;
mod latency;
mod render;
mod snapshot;
mod support;

use roan_tests::Origin;

use support::Database;

fn main() {
    let names: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let databases = [
        Database::sqlite(),
        Database::postgres(),
        Database::mariadb(),
    ];
    let origin = Origin::start();
    runtime.block_on(async {
        if is_wanted("insert") {
            insert::table(&databases).await;
        }
        if is_wanted("index") {
            index::table(&databases).await;
        }
        if is_wanted("render") {
            render::table(&databases).await;
        }
        if is_wanted("latency") {
            latency::table(&databases, &origin).await;
        }
        if is_wanted("commits") {
            commits::table(&databases[1], &origin).await;
        }
        if is_wanted("backlog") {
            backlog::table(&databases, &origin).await;
        }
        if is_wanted("snapshot") {
            // SQLite keeps nothing in its tables for a reader.
            snapshot::table(&databases[1..]).await;
        }
    });
}
