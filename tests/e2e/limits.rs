//! A cache that takes several targets in a request, and only so many requests.

use std::collections::HashMap;
use std::time::Duration;

use roan::purger::{Answer, Cache, Limits};
use roan::testing::Recorder;
use roan::{Failure, Outcome, Roan, Target, TargetKind};
use roan_tests::{Batching, HOST, wait};

use crate::support::{LONG, flush, next};

fn start(cache: Cache) -> Roan {
    let short = Duration::from_millis(20);
    Roan::builder()
        .cache(cache)
        .site(HOST)
        .rebound(None)
        .backoff(short, short)
        .build()
        .unwrap()
}

/// Purges `/first`, and while its request is under way these.
fn purge_together(roan: &Roan, node: &Batching, urls: &[String]) {
    roan.purge("/first").unwrap();
    wait::until(LONG, "the first request", || node.requests().len() == 1);
    for url in urls {
        roan.purge(url).unwrap();
    }
    wait::until(LONG, "all to wait at the node", || {
        let stats = roan.stats();
        stats.waiting == 0 && stats.nodes[0].pending == urls.len() + 1
    });
    node.open();
    flush(roan);
}

fn urls(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("/{number}")).collect()
}

#[test]
fn what_waits_leaves_in_one_request_and_is_reported_by_target() {
    let node = Batching::closed(|_| Answer::purged().verified());
    let roan = Roan::builder()
        .cache(node.cache(Limits::new().batch(30)))
        .site(HOST)
        .rebound(None)
        .concurrency(1)
        .build()
        .unwrap();
    let mut reports = roan.subscribe();
    purge_together(&roan, &node, &urls(100));
    let sizes: Vec<_> = node.requests().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 30, 30, 30, 10]);
    for number in 0..101 {
        let report = next(&mut reports);
        let url = match number {
            0 => "/first".to_owned(),
            number => format!("/{}", number - 1),
        };
        assert_eq!(report.target.to_string(), url);
        assert_eq!(report.outcome, Outcome::Purged);
        assert!(report.verified);
    }
    let stats = &roan.stats().nodes[0];
    assert_eq!((stats.requests, stats.purged), (5, 101));
}

#[test]
fn one_target_that_is_refused_harms_no_others() {
    let node = Batching::closed(|targets| {
        if targets.contains(&"/37".to_owned()) {
            Answer::refused("no such page").status(400)
        } else {
            Answer::purged()
        }
    });
    let roan = start(node.cache(Limits::new().batch(100)));
    let mut reports = roan.subscribe();
    purge_together(&roan, &node, &urls(100));
    let mut outcomes = HashMap::new();
    for _ in 0..101 {
        let report = next(&mut reports);
        let known = outcomes.insert(report.target.to_string(), report.outcome);
        assert_eq!(known, None, "one report for each");
    }
    let refused = outcomes.remove("/37").unwrap();
    assert_eq!(refused.to_string(), "refused: no such page");
    assert!(outcomes.values().all(|outcome| *outcome == Outcome::Purged));
    let stats = &roan.stats().nodes[0];
    assert_eq!((stats.purged, stats.refused), (100, 1));
    assert!(stats.requests <= 20, "{}", stats.requests);
}

#[test]
fn one_target_that_fails_takes_no_others_down() {
    let node = Batching::closed(|targets| {
        if targets.len() > 1 && targets.contains(&"/37".to_owned()) {
            Answer::failed(Failure::Status(500))
        } else {
            Answer::purged()
        }
    });
    let roan = start(node.cache(Limits::new().batch(100)));
    purge_together(&roan, &node, &urls(100));
    let stats = &roan.stats().nodes[0];
    assert_eq!(stats.purged, 101);
    assert!(stats.requests <= 30, "{}", stats.requests);
}

#[test]
fn the_next_cache_is_asked_for_each_target_of_a_batch() {
    let node = Batching::closed(|_| Answer::purged());
    let recorder = Recorder::new();
    let roan = Roan::builder()
        .cache(node.cache(Limits::new().batch(100)))
        .cache(recorder.clone())
        .site(HOST)
        .rebound(None)
        .concurrency(1)
        .build()
        .unwrap();
    purge_together(&roan, &node, &urls(50));
    assert_eq!(node.requests().len(), 2);
    assert_eq!(recorder.purges().targets().len(), 51);
}

#[test]
fn a_dispatcher_wakes_for_the_next_token() {
    let node = Batching::closed(|_| Answer::purged());
    node.open();
    let roan = start(node.cache(Limits::new().rate(20.0).burst(1)));
    for number in 0..5 {
        roan.purge(Target::tag(format!("t{number}")).unwrap())
            .unwrap();
    }
    flush(&roan);
    assert_eq!(node.requests().len(), 5);
}

#[test]
fn the_zones_of_an_account_all_get_their_turn() {
    let limits = Limits::new().batch(100).rate(50.0).burst(1);
    let zones = ["one", "two", "three"].map(|name| (name, Batching::closed(|_| Answer::purged())));
    let mut builder = Roan::builder().site(HOST).rebound(None);
    for (name, zone) in &zones {
        zone.open();
        let cache = Cache::new(name).purges([TargetKind::Tag], limits);
        builder = builder.cache(cache.account("acme").node(name, zone.clone()));
    }
    let roan = builder.build().unwrap();
    for number in 0..500 {
        roan.purge(Target::tag(format!("t{number}")).unwrap())
            .unwrap();
    }
    flush(&roan);
    for (name, zone) in &zones {
        let purged: usize = zone.requests().iter().map(Vec::len).sum();
        assert!(purged >= 500, "{purged} at {name}");
    }
}
