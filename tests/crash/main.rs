//! The crash harness: writers with a durable outbox are killed with SIGKILL, nodes, relays and
//! databases fail in turn, all under load; and then no page of any cache is stale, and nothing was
//! purged that was rolled back.
//!
//! ```text
//! cargo test -p roan-tests --test crash                 a short run with a fixed seed
//! ROAN_CRASHES=2000 cargo test --release -p roan-tests --test crash -- sqlite postgres mariadb
//! ```
//!
//! `ROAN_CRASHES` is how many writers are killed at least, for each database; after every
//! [`ROUND`] each fault comes once. `ROAN_SEED` decides what is done, and it is printed; at which
//! point of a program's work a kill hits it is up to the machine, so a failure may need several
//! runs of its seed. SQLite's disk is filled only where root runs it and may mount a tmpfs.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this is a test"
)]

mod database;
mod disk;
mod faults;
mod front;
mod instance;
mod model;
mod readers;
mod site;
mod tally;
mod verdict;
mod writer;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fastrand::Rng;
use roan::outbox::Dialect;
use roan_tests::setting;

use crate::faults::Fault;
use crate::site::Site;
use crate::tally::Tally;

/// Between two passes of all faults.
const ROUND: u64 = 100;

const SHORT: u64 = 20;
const SEED: u64 = 3;

const DATABASES: [(&str, Dialect); 3] = [
    ("sqlite", Dialect::Sqlite),
    ("postgres", Dialect::Postgres),
    ("mariadb", Dialect::MySql),
];

fn main() -> ExitCode {
    let args = std::env::args().skip(1);
    if let Ok(mode) = std::env::var(writer::MODE) {
        writer::run(&mode, args);
        return ExitCode::SUCCESS;
    }
    let (options, names): (Vec<_>, Vec<_>) = args.partition(|arg| arg.starts_with('-'));
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let chosen = DATABASES.into_iter().filter(|(name, _)| is_wanted(name));
    let chosen: Vec<_> = chosen.collect();
    // What cargo passes is meant for the tests that have names.
    if chosen.is_empty() || options.iter().any(|option| option == "--list") {
        return ExitCode::SUCCESS;
    }
    disk::enter_namespace();
    prove(&chosen)
}

fn prove(databases: &[(&'static str, Dialect)]) -> ExitCode {
    let seed = setting("ROAN_SEED").unwrap_or(SEED);
    let crashes = setting("ROAN_CRASHES").unwrap_or(SHORT);
    println!("crash: ROAN_SEED={seed} ROAN_CRASHES={crashes}");
    let start = Instant::now();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = databases
            .iter()
            .map(|&(name, dialect)| {
                let prove = move || prove_one(name, dialect, seed, crashes);
                (name, scope.spawn(move || catch_unwind(prove)))
            })
            .collect();
        let joined = threads.into_iter().map(|(name, thread)| {
            let result = thread.join().expect("what panics is caught");
            (name, result.ok())
        });
        joined.collect()
    });
    let tallies: Vec<Tally> = results
        .iter()
        .filter_map(|(_, tally)| tally.clone())
        .collect();
    println!("\n{}", tally::table(&tallies));
    println!("{} s", start.elapsed().as_secs());
    let mut code = ExitCode::SUCCESS;
    for (name, _) in results.iter().filter(|(_, tally)| tally.is_none()) {
        println!(
            "{name} FAILED; to repeat it:\n    \
             ROAN_SEED={seed} ROAN_CRASHES={crashes} cargo test -p roan-tests --test crash -- {name}"
        );
        code = ExitCode::FAILURE;
    }
    code
}

fn prove_one(name: &'static str, dialect: Dialect, seed: u64, crashes: u64) -> Tally {
    let salt = name
        .bytes()
        .fold(0, |salt, byte| salt * 31 + u64::from(byte));
    let rng = Rng::with_seed(seed ^ salt);
    let mut site = Site::start(name, dialect, rng);
    let start = Instant::now();
    let mut told = Instant::now();
    let mut faults_at = 0;
    while site.tally.crashes < crashes {
        if site.tally.crashes >= faults_at {
            faults_at += ROUND;
            let mut faults = Fault::ALL;
            site.rng.shuffle(&mut faults);
            for fault in faults {
                site.suffer(fault);
            }
        }
        site.crashes(crashes - site.tally.crashes.min(crashes));
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            let Tally {
                crashes, writes, ..
            } = site.tally;
            let seconds = start.elapsed().as_secs();
            println!("{name}: {crashes} crashes and {writes} writes in {seconds} s");
        }
    }
    site.tally
}

/// A client of ours, which asks nobody else.
fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()
        .expect("a client")
}
