//! Promise 7: memory grows with the distinct targets that wait, up to a limit.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::fs;

use roan::{Nginx, Outcome, Roan};
use roan_tests::{Behaviour, Faulty, wait};
use wait::LONG;

/// The memory of this process in bytes. This test has a process of its own, so that the memory of
/// others does not count.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: usize = status
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("a number");
    pages * 4096
}

fn wait_for_pending(roan: &Roan, pending: usize) {
    wait::until(LONG, "the targets to reach the node's queue", || {
        let stats = roan.stats();
        stats.waiting == 0 && stats.nodes[0].pending == pending
    });
}

fn page(number: usize) -> String {
    format!("/a/page/of/some/length/{number:016}")
}

#[test]
fn a_million_waiting_targets_stay_within_the_stated_memory() {
    const COUNT: usize = 1_000_000;
    let endpoint = Faulty::start(Behaviour::Hang);
    let nginx = Nginx::at(&endpoint.purge_url()).unwrap();
    let roan = Roan::builder().cache(nginx).build().unwrap();
    let before = resident();
    for number in 0..COUNT {
        roan.purge(page(number)).unwrap();
        if number % 10_000 == 0 {
            wait::until(LONG, "the dispatcher to keep up", || {
                roan.stats().waiting < 100_000
            });
        }
    }
    wait_for_pending(&roan, COUNT);
    let each = (resident() - before) / COUNT;
    println!("{each} bytes for a waiting target of 39 bytes");
    assert!(
        each <= 39 + 350,
        "{each} bytes for a target, where the docs state 39 + 350"
    );

    // Repeats cost nothing, and one more is dropped, which is told.
    let mut reports = roan.subscribe();
    roan.purge(page(5)).unwrap();
    wait_for_pending(&roan, COUNT);
    roan.purge("/one/more").unwrap();
    assert_eq!(reports.next_blocking().unwrap().outcome, Outcome::Dropped);
    assert_eq!(roan.stats().nodes[0].dropped, 1);
}
