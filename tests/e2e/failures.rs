//! Promises 2 and 8: a purge that fails is tried again, and one bad node stalls nobody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use roan::{Failure, Outcome, Refusal, Reports};
use roan_tests::{Behaviour, Faulty, HOST, Nginx, Options, Origin, wait};

use crate::support::{LONG, Site, builder, flush, next, outcome, roan, until_final};

#[test]
fn purges_arrive_when_a_node_comes_back() {
    let origin = Origin::start();
    let mut nodes = [(); 2].map(|()| Nginx::start(&origin, &Options::default()));
    let roan = builder(&nodes.each_ref().map(Nginx::purge_url))
        .build()
        .unwrap();
    for node in &nodes {
        for url in ["/a", "/b"] {
            node.browser().warm(url);
        }
    }
    nodes[0].kill();
    roan.purge("/a").unwrap();
    roan.purge("/b").unwrap();
    wait::until(
        LONG,
        "the living node to be purged, and the other to be down",
        || {
            let stats = roan.stats();
            stats.nodes[1].pending == 0 && stats.nodes[0].down
        },
    );
    nodes[1].browser().assert_miss("/a");
    nodes[0].restart();
    flush(&roan);
    nodes[0].browser().assert_miss("/a");
    nodes[0].browser().assert_miss("/b");
    assert!(!roan.stats().nodes[0].down);
}

#[test]
fn a_dead_node_costs_the_others_nothing() {
    let site = Site::start();
    let hanging = Faulty::start(Behaviour::Hang);
    let roan = builder(&[hanging.purge_url(), site.nginx.purge_url()])
        .build()
        .unwrap();
    let browser = site.nginx.browser();
    let urls: Vec<_> = (0..200).map(|number| format!("/{number}")).collect();
    for url in &urls {
        browser.warm(url);
        roan.purge(url).unwrap();
    }
    wait::until(LONG, "the living node to have done all", || {
        roan.stats().nodes[1].purged == 200
    });
    assert_eq!(roan.stats().nodes[0].pending, 200);
    assert_eq!(
        hanging.count(),
        8,
        "as many requests as may be in flight, and no more"
    );
}

#[test]
fn an_nginx_that_restarts_under_load_misses_nothing() {
    let mut site = Site::start();
    let roan = roan(&site.nginx);
    let browser = site.nginx.browser();
    let urls: Vec<_> = (0..300).map(|number| format!("/{number}")).collect();
    for url in &urls {
        browser.warm(url);
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for url in urls
                .iter()
                .cycle()
                .take_while(|_| !stop.load(Ordering::Relaxed))
            {
                roan.purge(url).unwrap();
            }
        });
        for _ in 0..3 {
            let before = roan.stats().nodes[0].purged + roan.stats().nodes[0].not_cached;
            wait::until(LONG, "purges to go on", || {
                let stats = &roan.stats().nodes[0];
                stats.purged + stats.not_cached > before + 50
            });
            site.nginx.kill();
            site.nginx.restart();
        }
        stop.store(true, Ordering::Relaxed);
    });
    for url in &urls {
        browser.warm(url);
    }
    for url in &urls {
        roan.purge(url).unwrap();
    }
    site.nginx.kill();
    site.nginx.restart();
    flush(&roan);
    for url in &urls {
        browser.assert_miss(url);
    }
}

#[test]
fn an_endpoint_that_fails_is_asked_again_until_it_does_not() {
    let faults = [
        (Behaviour::Answer(500, Vec::new()), Failure::Status(500)),
        (Behaviour::Answer(503, Vec::new()), Failure::Status(503)),
        (Behaviour::Answer(429, Vec::new()), Failure::Status(429)),
        (Behaviour::Hang, Failure::Timeout),
        (Behaviour::StallMidAnswer, Failure::Timeout),
    ];
    for (behaviour, failure) in faults {
        let (endpoint, mut reports, _roan) = purge_at(behaviour.clone());
        let report = next(&mut reports);
        assert_eq!(report.outcome, Outcome::Failed(failure), "{behaviour:?}");
        endpoint.set(Behaviour::Purged);
        assert_eq!(outcome(&mut reports), Outcome::Purged, "{behaviour:?}");
    }
    for behaviour in [Behaviour::Close, Behaviour::CloseMidAnswer] {
        let (endpoint, mut reports, _roan) = purge_at(behaviour.clone());
        let report = next(&mut reports);
        let Outcome::Failed(Failure::Connection(_)) = report.outcome else {
            panic!("{behaviour:?}: {report}");
        };
        endpoint.set(Behaviour::Purged);
        assert_eq!(outcome(&mut reports), Outcome::Purged, "{behaviour:?}");
    }
}

/// One purge at an endpoint that behaves so.
fn purge_at(behaviour: Behaviour) -> (Faulty, Reports, roan::Roan) {
    let endpoint = Faulty::start(behaviour);
    let timeout = Duration::from_secs(1);
    let roan = builder(&[endpoint.purge_url()])
        .timeout(timeout)
        .build()
        .unwrap();
    let reports = roan.subscribe();
    roan.purge("/a").unwrap();
    (endpoint, reports, roan)
}

fn assert_refused(outcome: &Outcome, words: &str) {
    let Outcome::Refused(Refusal::Node(why)) = outcome else {
        panic!("not refused by the node: {outcome}");
    };
    assert!(why.contains(words), "{why}");
}

#[test]
fn a_refusal_is_told_once_with_the_fix_and_not_tried_again() {
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let wrong_key = format!("returned the key \"other.test/a\" instead of \"{HOST}/a\"");
    let cases = [
        (
            Behaviour::Answer(401, Vec::new()),
            "status 401: set the credentials",
        ),
        (
            Behaviour::Answer(403, Vec::new()),
            "status 403: `allow` this machine",
        ),
        (
            Behaviour::Answer(405, Vec::new()),
            "another method than GET",
        ),
        (
            Behaviour::Answer(301, header("Location", "https://x/")),
            "status 301, a redirect",
        ),
        (
            Behaviour::Answer(204, Vec::new()),
            "status 204, which a purge location does not answer",
        ),
        (
            Behaviour::Answer(200, header("X-Roan-Purge", "other.test/a")),
            wrong_key.as_str(),
        ),
        (
            Behaviour::Answer(404, header("X-Roan-Purge", "other.test/a")),
            wrong_key.as_str(),
        ),
    ];
    for (behaviour, words) in cases {
        let (endpoint, mut reports, roan) = purge_at(behaviour);
        let reports = until_final(&mut reports);
        assert_eq!(reports.len(), 1);
        assert_refused(&reports[0].outcome, words);
        flush(&roan);
        assert_eq!(endpoint.count(), 1);
        assert_eq!(roan.stats().nodes[0].refused, 1);
    }
}

#[test]
fn a_purge_location_of_nginx_that_refuses_is_named() {
    let origin = Origin::start();
    for (text, words) in [
        ("deny all; proxy_cache_purge pages \"x\";", "status 403"),
        ("return 302 /login;", "status 302"),
    ] {
        let nginx = Nginx::start(&origin, &Options::default().purge_location(text));
        let roan = roan(&nginx);
        let mut reports = roan.subscribe();
        roan.purge("/a").unwrap();
        assert_refused(&outcome(&mut reports), words);
    }
    // The seed's recipe: the capture is decoded, so the key is another than the page's.
    let seed =
        "proxy_cache_purge pages \"$host$uri\"; add_header X-Roan-Purge \"$host$uri\" always;";
    let nginx = Nginx::start(&origin, &Options::default().purge_location(seed));
    let roan = roan(&nginx);
    let mut reports = roan.subscribe();
    roan.purge("/a%20b").unwrap();
    let message = outcome(&mut reports).to_string();
    assert!(
        message.contains(&format!("{HOST}/a%20b")) && message.contains("instead of"),
        "{message}"
    );
}

#[test]
fn a_purge_that_fails_for_too_long_is_reported_dead() {
    let endpoint = Faulty::start(Behaviour::Answer(500, Vec::new()));
    let roan = builder(&[endpoint.purge_url()])
        .max_age(Duration::from_millis(200))
        .build()
        .unwrap();
    let mut reports = roan.subscribe();
    roan.purge("/a").unwrap();
    assert_eq!(outcome(&mut reports), Outcome::Dead(Failure::Status(500)));
    assert_eq!(roan.stats().nodes[0].dead, 1);
}

#[test]
fn a_shutdown_says_what_was_left_and_reports_it() {
    let endpoint = Faulty::start(Behaviour::Hang);
    let roan = builder(&[endpoint.purge_url()]).build().unwrap();
    let mut reports = roan.subscribe();
    roan.purge("/a").unwrap();
    endpoint.wait_for(1);
    let left = roan.shutdown_blocking(Duration::from_millis(50));
    assert_eq!(left.pending(), 1, "{left}");
    assert_eq!(outcome(&mut reports), Outcome::Abandoned);
    roan.purge("/b").unwrap();
    assert_eq!(roan.stats().dropped, 1);
    let again = roan.shutdown_blocking(Duration::from_secs(1));
    assert_eq!(again.pending(), 1, "what was left is left: {again}");
    let mut reports = roan.subscribe();
    assert!(
        reports.next_blocking().is_none(),
        "nothing is reported after the end"
    );
}

#[test]
fn all_who_wait_learn_what_a_shutdown_left() {
    let endpoint = Faulty::start(Behaviour::Hang);
    let roan = builder(&[endpoint.purge_url()]).build().unwrap();
    let mut reports = roan.subscribe();
    roan.purge("/a").unwrap();
    endpoint.wait_for(1);
    thread::scope(|scope| {
        let flush = scope.spawn(|| roan.flush_blocking(LONG));
        let ends =
            [(); 2].map(|()| scope.spawn(|| roan.shutdown_blocking(Duration::from_millis(100))));
        assert_eq!(flush.join().unwrap().pending(), 1);
        for end in ends {
            assert_eq!(end.join().unwrap().pending(), 1);
        }
    });
    assert_eq!(outcome(&mut reports), Outcome::Abandoned);
    assert!(reports.next_blocking().is_none(), "the subscription ends");
}

#[test]
fn credentials_and_method_are_sent_and_the_proxy_of_the_environment_is_not_asked() {
    let endpoint = Faulty::start(Behaviour::Purged);
    let url = endpoint.purge_url().replace("http://", "http://me:pw@");
    let nginx = roan::Nginx::at(&url).unwrap().method("PURGE").unwrap();
    let nginx = nginx.header("X-Token", "t0ken").unwrap();
    let roan = roan::Roan::builder()
        .cache(nginx)
        .site("https://www.example.org:8443")
        .build()
        .unwrap();
    let mut reports = roan.subscribe();
    roan.purge("/a?b=c").unwrap();
    until_final(&mut reports);
    let request = endpoint.requests().remove(0);
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("PURGE", "/purge/a?b=c")
    );
    assert_eq!(request.header("Host"), Some("www.example.org:8443"));
    assert_eq!(request.header("X-Forwarded-Proto"), Some("https"));
    assert_eq!(request.header("X-Token"), Some("t0ken"));
    assert_eq!(request.header("Authorization"), Some("Basic bWU6cHc="));
}
