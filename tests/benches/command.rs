//! What `roan purge --file` makes of 100,000 URLs: `cargo bench -p roan-tests --bench command`.
//!
//! Its rate is compared with that of the dispatcher in a program, which sends the same purges to the same nginx, in turns in the same
//! run. Its memory is compared between 10,000 and 100,000 URLs.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends"
)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use roan::{Roan, Target};
use roan_tests::{HOST, Nginx, Options, Origin, median};

const MANY: usize = 100_000;
const FEW: usize = 10_000;
const ROUNDS: usize = 11;
const LONG: Duration = Duration::from_mins(2);
/// The command must be as quick as the dispatcher, but for this.
const LEAST: f64 = 0.9;
/// What waits is bounded, and more than 10,000 URLs fill it: they may take so much more memory, in MB, however many they are.
const MOST_GROWTH: f64 = 8.0;

fn main() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default().keys_zone("128m").one_worker());
    let folder = tempfile::tempdir().unwrap();
    let many = file_of(folder.path(), MANY);
    let few = file_of(folder.path(), FEW);
    let roan = Roan::builder()
        .cache(roan::Nginx::at(&nginx.purge_url()).unwrap())
        .site(HOST)
        .rebound(None)
        .max_waiting(MANY * 2)
        .build()
        .unwrap();
    let targets: Vec<Target> = urls(MANY).map(|url| Target::url(url).unwrap()).collect();

    // The first ones find a cold nginx.
    command(&nginx, &many);
    dispatch(&roan, &targets);
    let mut times = [Vec::new(), Vec::new()];
    let mut peaks = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        // In turns, for the second to go finds another nginx than the first.
        for who in [round % 2, 1 - round % 2] {
            times[who].push(match who {
                0 => timed(|| dispatch(&roan, &targets)),
                _ => timed(|| peaks[1].push(command(&nginx, &many))),
            });
        }
        peaks[0].push(command(&nginx, &few));
    }
    let ratios = times[0].iter().zip(&times[1]);
    let ratio = median(ratios.map(|(dispatcher, command)| dispatcher / command));
    let [dispatcher, command] = times.map(|times| MANY as f64 / median(times));
    println!(
        "{:<32} {:>10} {:>10} {:>6}",
        "", "dispatcher", "command", "ratio"
    );
    println!(
        "{:<32} {dispatcher:>8.0}/s {command:>8.0}/s {ratio:>6.2}{}",
        "roan purge --file, 100,000 URLs",
        missed(ratio >= LEAST, "least 0.9"),
    );
    let [small, large] = peaks.map(|peaks| median(peaks) / 1024.0);
    let growth = large - small;
    println!(
        "\n{:<32} {:>10} {:>10} {:>9}",
        "", "10,000", "100,000", "growth"
    );
    println!(
        "{:<32} {small:>7.1} MB {large:>7.1} MB {growth:>6.1} MB{}",
        "the most memory",
        missed(growth <= MOST_GROWTH, "most 8"),
    );
}

fn missed(is_met: bool, wanted: &str) -> String {
    if is_met {
        String::new()
    } else {
        format!("  ({wanted}: MISSED)")
    }
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// The pages are not in the cache: so nginx answers as quickly as it can.
fn urls(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|page| format!("/archive/{page}/page-{page}"))
}

fn file_of(folder: &Path, count: usize) -> PathBuf {
    let mut text = String::new();
    for url in urls(count) {
        writeln!(text, "http://{HOST}{url}").unwrap();
    }
    let file = folder.join(format!("{count}.txt"));
    std::fs::write(&file, text).unwrap();
    file
}

fn dispatch(roan: &Roan, targets: &[Target]) {
    for target in targets {
        roan.purge(target).unwrap();
    }
    assert_eq!(roan.flush_blocking(LONG).pending(), 0);
}

/// Runs the command, and returns the most memory that it had, in kB.
fn command(nginx: &Nginx, file: &Path) -> f64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_roan-tests-command"))
        .args(["purge", "--no-rebound", "--file"])
        .arg(file)
        .env_clear()
        .env("ROAN_PURGE_URL", nginx.purge_url())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0;
    loop {
        // Until it is gone, its peak only grows (proc_pid_status(5)).
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.trim().strip_suffix("kB"));
        if let Some(now) = number.and_then(|number| number.trim().parse().ok()) {
            peak = now;
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
