//! The fault run of a fleet: three nats-server in a cluster, five nodes with nginx and an agent each, and three sending
//! programs with one outbox in PostgreSQL. All of them are killed, frozen, cut off and slowed at random, under load; and
//! then no node serves a page that is older than its row.
//!
//! ```text
//! cargo test -p roan-tests --test outages                 a short run with a fixed seed
//! ROAN_FAULTS=3000 cargo test -p roan-tests --test outages
//! ```
//!
//! `ROAN_FAULTS` is how many faults there are at least. `ROAN_SEED` decides what is done, and it is printed; at which
//! point of a program's work a fault hits it is up to the machine, so a failure may need several runs of its seed.
//!
//! Where root runs it and the kernel allows it, each server and each node is in a network namespace, and links are cut
//! and slowed; else all are on ports of one machine, and the output says so. A link is slowed by `netem` (delay and loss)
//! where the kernel has it, else by a token bucket (`tbf`) of 400 kbit/s with a queue of 300 ms.
//!
//! The clock is set of agents, by libfaketime. That of nats-server is not: a Go program asks the kernel (the vDSO), not the C
//! library, so libfaketime has no effect on it; and a time namespace (`unshare --time`) shifts the monotonic and the boot
//! clock, not the one of the day. What a wrong clock there would do, messages that expire early, the rounds with a node
//! that is away for longer than `max_age` do, too.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this is a test"
)]

mod faults;
mod instance;
mod model;
mod node;
mod sender;
mod site;
mod stream;
mod tally;
mod verdict;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fastrand::Rng;
use roan_tests::setting;

use crate::site::Site;

const SHORT: u64 = 300;
const SEED: u64 = 3;

/// Of faults, until the next judgement.
const ROUND: Duration = Duration::from_secs(5);

/// In one of so many rounds a node leaves for longer than `max_age`.
const LEAVING: u64 = 3;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if let Ok(mode) = std::env::var(sender::MODE) {
        sender::run(&mode, args);
        return ExitCode::SUCCESS;
    }
    // What cargo passes is meant for the tests that have names.
    if args.any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    roan_tests::enter_network();
    prove()
}

fn prove() -> ExitCode {
    let seed = setting("ROAN_SEED").unwrap_or(SEED);
    let faults = setting("ROAN_FAULTS").unwrap_or(SHORT);
    println!("outages: ROAN_SEED={seed} ROAN_FAULTS={faults}");
    let start = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, faults, start)));
    match outcome {
        Ok(table) => {
            println!("\n{table}{} s", start.elapsed().as_secs());
            ExitCode::SUCCESS
        }
        Err(_) => {
            println!(
                "outages FAILED after {} s; to repeat it:\n    \
                 ROAN_SEED={seed} ROAN_FAULTS={faults} cargo test -p roan-tests --test outages",
                start.elapsed().as_secs()
            );
            ExitCode::FAILURE
        }
    }
}

fn run(seed: u64, faults: u64, start: Instant) -> String {
    let mut rng = Rng::with_seed(seed);
    let mut site = Site::start(seed, &mut rng);
    println!("outages: ready after {} s", start.elapsed().as_secs());
    while site.tally.faults() < faults {
        let round = site.tally.rounds;
        site.return_from_away();
        site.start_senders();
        // The first one spares the servers, as some later ones do: their elections take longer than all else.
        site.round(&mut rng, ROUND, !round.is_multiple_of(2));
        if round.is_multiple_of(LEAVING) {
            site.send_away(&mut rng);
        }
        site.judge();
        println!(
            "outages: {} faults, {} pages compared, no stale one, after {} s",
            site.tally.faults(),
            site.tally.comparisons,
            start.elapsed().as_secs()
        );
    }
    let fills = site.nodes.iter().map(node::Node::fills).sum();
    let emptied = site.nodes.iter().map(node::Node::emptied).sum();
    site.tally.table(fills, emptied)
}
