//! The first build of the quickstart compared with that of a bare axum and reqwest program with the same features:
//! `cargo bench -p roan-policy-tests --bench first_build`.
//!
//! Each is built from nothing, in turns, without incremental files; what cargo downloads is there before. The
//! figures are those of the fastest of three.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on ends")]

use std::time::{Duration, Instant};

use roan_policy_tests::cargo::{cargo, output_of};
use roan_policy_tests::plan::{LIMIT, crates};

const ROUNDS: usize = 3;

/// What is built, as arguments of `cargo build` and as a package of the build plan.
const BARE: (&[&str], Option<&str>) = (&["--package", "roan-bare"], Some("roan-bare"));
const QUICKSTART: (&[&str], Option<&str>) = (&["--example", "quickstart"], None);

fn cold_build(target: &[&str]) -> Duration {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut build = cargo("build");
    build
        .args(target)
        .arg("--target-dir")
        .arg(folder.path())
        .args(["--quiet", "--offline"])
        .env("CARGO_INCREMENTAL", "0");
    let start = Instant::now();
    let _nothing = output_of(&mut build);
    start.elapsed()
}

fn main() {
    let _downloads = output_of(&mut cargo("fetch"));
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (fastest, (target, _)) in fastest.iter_mut().zip([BARE, QUICKSTART]) {
            *fastest = cold_build(target).min(*fastest);
        }
    }
    let [bare, quickstart] = fastest.map(|time| time.as_secs_f64());
    let [bare_crates, quickstart_crates] =
        [BARE, QUICKSTART].map(|(_, package)| crates(package).len());

    println!("                         bare  quickstart  ratio");
    let ratio = |most: f64, one: f64| {
        let ratio = most / one;
        let verdict = if ratio <= LIMIT { "holds" } else { "MISSED" };
        format!("{ratio:>5.2}  (limit {LIMIT}: {verdict})")
    };
    let counts = ratio(quickstart_crates as f64, bare_crates as f64);
    println!("crates                  {bare_crates:>5}  {quickstart_crates:>10}  {counts}");
    let times = ratio(quickstart, bare);
    println!("cold build, seconds     {bare:>5.1}  {quickstart:>10.1}  {times}");
}
