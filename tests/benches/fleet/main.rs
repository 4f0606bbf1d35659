//! What a fleet costs, and how fast it is: `cargo bench -p roan-tests --bench fleet`, or `-- latency`, `rates`, `idle`.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on ends"
)]

mod agent;
mod bare;
mod idle;
mod latency;
mod rates;
mod stand_in;

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&String> = names.iter().filter(|name| !name.starts_with('-')).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| *wanted == name);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if wanted("latency") {
        latency::run(&runtime);
    }
    if wanted("rates") {
        rates::run(&runtime);
    }
    if wanted("idle") {
        idle::run();
    }
}
