//! Races writes with renders where one or two instances of an app have one outbox, behind one nginx; and then no page is
//! stale.
//!
//! ```text
//! cargo test -p roan-tests --test race                                       a short run
//! ROAN_RACE_WRITES=10000 ROAN_RACE_PAGES=50 cargo test -p roan-tests --test race
//!                                                                            a long one, in each line, of 50 pages at a time
//! ROAN_RACE_DATABASE=mariadb ROAN_RACE_INSTANCES=2 ROAN_RACE_MODE=steady ... one line of it
//! ```
//!
//! A long run may be made line by line: each of the last three variables picks lines, and lines do not share anything.
//!
//! `cargo run --example race` has the same for one process without a database, with other remedies beside it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "this is a test"
)]

mod fleet;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roan::outbox::Dialect;
use roan_examples::episodes::{Mode, Race};
use roan_tests::{Database, setting};

use crate::fleet::Fleet;

const SHORT: u64 = 30;
/// The number of pages that are raced at a time.
const PAGES: u64 = 5;

fn main() -> ExitCode {
    // What cargo passes is meant for the tests that have names.
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    let writes = setting("ROAN_RACE_WRITES").unwrap_or(SHORT);
    let pages = setting("ROAN_RACE_PAGES").unwrap_or(PAGES);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match runtime.block_on(prove(writes, pages)) {
        0 => ExitCode::SUCCESS,
        stale => {
            println!("{stale} pages stay stale");
            ExitCode::FAILURE
        }
    }
}

/// Whether a line is wanted: the variable is not set, or names it.
fn picks(name: &str, all: &[&str], one: &str) -> bool {
    let Ok(wanted) = std::env::var(name) else {
        return true;
    };
    let all_names = all.join(", ");
    assert!(
        all.contains(&&*wanted),
        "{name}={wanted} is not one of {all_names}"
    );
    wanted == one
}

/// Returns the number of pages that stay stale.
async fn prove(writes: u64, pages: u64) -> u64 {
    let start = Instant::now();
    let mut stale = 0;
    println!(
        "{:<10} {:>9} {:<7} {:>14} {:>12} {:>8}",
        "database", "instances", "writes", "stale for good", "stale reads", "reads"
    );
    let databases = [("postgres", Dialect::Postgres), ("mariadb", Dialect::MySql)];
    for (name, dialect) in databases {
        if !picks("ROAN_RACE_DATABASE", &databases.map(|(name, _)| name), name) {
            continue;
        }
        let database = Database::start(dialect);
        for instances in [1, 2] {
            if !picks("ROAN_RACE_INSTANCES", &["1", "2"], &instances.to_string()) {
                continue;
            }
            let fleet = Arc::new(Fleet::start(&database, instances).await);
            let mut first = 0;
            for mode in Mode::ALL {
                if !picks("ROAN_RACE_MODE", &Mode::ALL.map(Mode::name), mode.name()) {
                    continue;
                }
                let race = Race {
                    mode,
                    readers: 10,
                    episodes: writes.div_ceil(mode.writes()).max(1),
                    at_a_time: pages,
                    window: Duration::from_millis(700),
                };
                let tally = race.run(Arc::clone(&fleet), first).await.unwrap();
                first += race.episodes;
                stale += tally.stale_for_good;
                println!(
                    "{name:<10} {instances:>9} {:<7} {:>14} {:>12} {:>8}",
                    mode.name(),
                    format!("{} of {}", tally.stale_for_good, tally.pages),
                    format!(
                        "{:.2} %",
                        100.0 * tally.stale_reads as f64 / tally.reads as f64
                    ),
                    tally.reads,
                );
            }
        }
    }
    println!("{} s", start.elapsed().as_secs());
    stale
}
