//! Promise 8 within one node: a purge that fails holds up no other, and a node gets no more than it takes.

use std::time::{Duration, SystemTime};

use roan::{Outcome, Roan};
use roan_tests::{Behaviour, Faulty, Nginx, Options, Origin, wait};

use crate::support::{LONG, builder, flush};

/// Waits until so many purges have been answered at the first node.
#[track_caller]
fn until_done(roan: &Roan, count: u64) {
    wait::until(LONG, &format!("{count} purges to be done"), || {
        let stats = &roan.stats().nodes[0];
        stats.purged + stats.not_cached == count
    });
}

#[test]
fn purges_that_fail_for_themselves_hold_up_no_others() {
    for status in [500, 502, 503] {
        for bad in [1, 2, 10, 100] {
            let endpoint = Faulty::start(Behaviour::AnswerSome("/bad/".to_owned(), status));
            // So that none of the bad ones is tried a second time while the test lasts.
            let never = Duration::from_secs(3600);
            let roan = builder(&[endpoint.purge_url()])
                .backoff(never, never)
                .build()
                .unwrap();
            for number in 0..bad {
                roan.purge(format!("/bad/{number}")).unwrap();
            }
            if status == 500 {
                wait::until(LONG, "the bad ones to fail", || {
                    roan.stats().nodes[0].failed == bad
                });
            }
            // One after the other, so that each of them must pass the bad ones.
            for number in 1..=20 {
                roan.purge(format!("/good/{number}")).unwrap();
                until_done(&roan, number);
            }
            assert!(!roan.stats().nodes[0].down);
            let requests = endpoint.requests();
            let good = requests.iter().filter(|one| one.target.contains("/good/"));
            assert_eq!(good.count(), 20);
        }
    }
}

#[test]
fn a_node_that_fails_every_purge_is_not_run_over_and_gets_them_all_when_it_is_mended() {
    const COUNT: u64 = 2000;
    let endpoint = Faulty::start(Behaviour::Answer(500, Vec::new()));
    let roan = builder(&[endpoint.purge_url()]).build().unwrap();
    for number in 0..COUNT {
        roan.purge(format!("/{number}")).unwrap();
    }
    wait::until(LONG, "each to be tried", || {
        roan.stats().nodes[0].failed >= COUNT
    });
    assert!(!roan.stats().nodes[0].down, "it answers");
    endpoint.set(Behaviour::Purged);
    flush(&roan);
    assert_eq!(roan.stats().nodes[0].purged, COUNT);
}

#[test]
fn what_a_node_turns_away_waits_for_as_long_as_it_says() {
    let date = |seconds| {
        let time = SystemTime::now() + Duration::from_secs(seconds);
        httpdate::fmt_http_date(time)
    };
    // A date has whole seconds, and the endpoint counts from the first request.
    for (status, after) in [(429, Some("2")), (503, Some("2")), (503, None)] {
        let after = after.map_or_else(|| date(6), str::to_owned);
        let headers = vec![("Retry-After".to_owned(), after.clone())];
        let behaviour = Behaviour::AnswerFor(Duration::from_secs(2), status, headers);
        let endpoint = Faulty::start(behaviour);
        let roan = builder(&[endpoint.purge_url()])
            .backoff(Duration::from_millis(20), Duration::from_secs(30))
            .build()
            .unwrap();
        for number in 0..100 {
            roan.purge(format!("/{number}")).unwrap();
        }
        flush(&roan);
        let stats = &roan.stats().nodes[0];
        assert_eq!(stats.purged, 100);
        assert!(
            stats.failed <= 10,
            "{} of those in flight at first were turned away, {status} {after}",
            stats.failed
        );
    }
}

#[test]
fn a_limit_of_nginx_is_kept_to() {
    let origin = Origin::start();
    let limited = Options::default()
        .http_text("limit_req_zone $binary_remote_addr zone=purges:1m rate=50r/s;")
        .server_text("limit_req zone=purges;");
    let nginx = Nginx::start(&origin, &limited);
    let roan = builder(&[nginx.purge_url()])
        .backoff(Duration::from_millis(100), Duration::from_secs(30))
        .build()
        .unwrap();
    let mut reports = roan.subscribe();
    for number in 0..500 {
        roan.purge(format!("/{number}")).unwrap();
    }
    // Ten seconds at least, and more where other programs keep the cores.
    let left = roan.flush_blocking(4 * LONG);
    assert_eq!(left.pending(), 0, "{left}");
    let stats = &roan.stats().nodes[0];
    assert_eq!(stats.not_cached, 500);
    // Without a pace there are 1,600.
    assert!(
        (1..=100).contains(&stats.failed),
        "{} attempts failed",
        stats.failed
    );
    assert!(!stats.down);
    let mut done = 0;
    while done < 500 {
        let report = reports.next_blocking().expect("a report of each");
        done += u32::from(report.outcome == Outcome::NotCached);
    }
}
