//! What an agent costs that has nothing to do.

use std::fs;
use std::time::Duration;

use roan_tests::{Nats, NatsOptions};

use crate::agent;
use crate::stand_in::StandIns;

const TIME: Duration = Duration::from_secs(20);

/// Ticks of a process's time in a second, on every Linux (`getconf CLK_TCK`).
const TICKS: f64 = 100.0;

pub(crate) fn run() {
    let nats = Nats::start(&NatsOptions::default());
    let stand_ins = StandIns::start(1);
    let url = format!("http://{}/purge", stand_ins.addrs[0]);
    let agents = [agent::start(&nats.url(), "idle", &url)];
    agent::wait_until_ready(&agents);
    let id = agents[0].id().expect("it runs");
    let before = ticks(id);
    std::thread::sleep(TIME);
    let ticks = ticks(id) - before;
    let share = ticks / TICKS / TIME.as_secs_f64();
    println!(
        "{:<58} {:>8.2} % of a core, {:.1} MiB",
        format!("an idle agent, for {} s", TIME.as_secs()),
        share * 100.0,
        resident(id) / 1024.0
    );
}

/// Of its own and of the kernel for it: the fields 14 and 15.
fn ticks(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(") ").expect("a name in parentheses");
    let fields = rest.split(' ').skip(11).take(2);
    fields
        .map(|field| field.parse::<f64>().expect("a number"))
        .sum()
}

/// In KiB.
fn resident(id: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let size = line.and_then(|line| line.split_whitespace().nth(1));
    size.and_then(|size| size.parse().ok()).expect("its size")
}
