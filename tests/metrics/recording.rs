//! What is recorded, when, and by whom.

use std::time::Duration;

use metrics::with_local_recorder;
use roan::metrics::{METRICS, MetricKind};
use roan::{Nginx, Roan, Target};
use roan_tests::{Behaviour, Faulty, wait};

use crate::scripted::{SLOW, cache};
use crate::support::{builder, exporter, of_node, purges, recordings, value};

const LONG: Duration = wait::LONG;

fn roan(name: &str) -> Roan {
    let builder = Roan::builder().cache(cache(name));
    let builder = builder
        .rebound(None)
        .backoff(Duration::from_millis(1), Duration::from_millis(1));
    builder.build().unwrap()
}

fn purge(roan: &Roan, urls: &[&str]) {
    for url in urls {
        roan.purge(*url).unwrap();
    }
    assert_eq!(roan.flush_blocking(LONG).pending(), 0);
}

#[test]
fn each_result_is_counted() {
    let exporter = exporter();
    let roan = roan("results");
    let urls = [
        "/purged/1",
        "/purged/2",
        "/missing/1",
        "/refused/1",
        "/late/1",
    ];
    purge(&roan, &urls);
    roan.update_metrics();
    let text = exporter.render();
    let counted = |result| purges(&text, "results", result);
    assert_eq!(counted("purged"), Some(3.0), "{text}");
    assert_eq!(counted("not_cached"), Some(1.0));
    assert_eq!(counted("refused"), Some(1.0));
    assert_eq!(counted("dead"), Some(0.0));
    assert_eq!(counted("dropped"), Some(0.0));
    let of = |name| of_node(&text, name, "results");
    assert_eq!(of("roan_retries_total"), Some(2.0));
    assert_eq!(of("roan_requests_total"), Some(7.0));
    assert_eq!(of("roan_request_duration_seconds_count"), Some(7.0));
    // Each target has waited once, and four are fresh.
    assert_eq!(of("roan_purge_wait_seconds_count"), Some(5.0));
    assert_eq!(of("roan_purge_lag_seconds_count"), Some(4.0));
    assert_eq!(of("roan_purges_pending"), Some(0.0));
    assert_eq!(of("roan_oldest_pending_seconds"), Some(0.0));
    assert_eq!(of("roan_node_up"), Some(1.0));
}

#[test]
fn a_rebound_is_a_purge_without_a_lag_of_its_own() {
    let exporter = exporter();
    let caches = [cache("first tier"), cache("second tier")];
    let builder = caches
        .into_iter()
        .fold(Roan::builder(), roan::RoanBuilder::cache);
    let roan = builder.rebound(Duration::from_millis(20)).build().unwrap();
    purge(&roan, &["/purged/1"]);
    wait::until(LONG, "the rebounds of both caches", || {
        let nodes = roan.stats().nodes;
        // The first cache's second purge makes one more of the second cache, with its own.
        nodes[0].purged == 2 && nodes[1].purged >= 3 && nodes.iter().all(|node| node.rebounds == 0)
    });
    roan.update_metrics();
    let text = exporter.render();
    for cache in ["first tier", "second tier"] {
        let of = |name| of_node(&text, name, cache);
        assert_eq!(of("roan_purge_lag_seconds_count"), Some(1.0), "{cache}");
    }
}

/// The second cache is asked when the first has answered, and its pages are stale since the write.
#[test]
fn the_lag_of_a_later_cache_counts_from_the_write() {
    let exporter = exporter();
    let caches = [cache("origin side"), cache("edge")];
    let builder = caches
        .into_iter()
        .fold(Roan::builder(), roan::RoanBuilder::cache);
    let roan = builder.rebound(None).build().unwrap();
    purge(&roan, &["/slow/1"]);
    roan.update_metrics();
    let text = exporter.render();
    let of = |name| of_node(&text, name, "edge").unwrap();
    assert_eq!(of("roan_purge_lag_seconds_count"), 1.0, "{text}");
    let lag = of("roan_purge_lag_seconds_sum");
    let here = of("roan_purge_wait_seconds_sum") + of("roan_request_duration_seconds_sum");
    // The first cache took its time, too. (A lag is exact to the microsecond.)
    let before = SLOW.as_secs_f64() - 0.001;
    assert!(
        lag > here + before,
        "{lag} s since the write, {here} s at this cache"
    );
}

#[test]
fn what_waits_is_shown_while_it_waits() {
    let exporter = exporter();
    let endpoint = Faulty::start(Behaviour::Answer(503, Vec::new()));
    let nginx = Nginx::new()
        .name("broken")
        .named_node("one", &endpoint.purge_url())
        .unwrap();
    let roan = Roan::builder()
        .cache(nginx)
        .site(roan_tests::HOST)
        .build()
        .unwrap();
    for number in 0..20 {
        roan.purge(format!("/{number}").as_str()).unwrap();
    }
    let of = |name| of_node(&exporter.render(), name, "broken");
    // By the dispatcher's own thread.
    wait::until(LONG, "the node to be shown as down", || {
        of("roan_node_up") == Some(0.0)
    });
    assert_eq!(of("roan_purges_pending"), Some(20.0));
    let age = || of("roan_oldest_pending_seconds").unwrap();
    let before = age();
    wait::until(LONG, "the age to grow", || age() > before);
    endpoint.set(Behaviour::Purged);
    wait::until(LONG, "all to be purged", || {
        of("roan_purges_pending") == Some(0.0)
    });
    wait::until(LONG, "it to be shown as up", || {
        of("roan_node_up") == Some(1.0)
    });
    assert_eq!(of("roan_oldest_pending_seconds"), Some(0.0));
    assert_eq!(
        of("roan_purges_verified_total"),
        purges(&exporter.render(), "broken", "purged")
    );
}

/// The exporter may be set up after the dispatcher. What was counted before is not lost.
#[test]
fn a_recorder_that_comes_later_has_the_counters_of_before() {
    let roan = roan("late recorder");
    purge(&roan, &["/purged/1", "/purged/2", "/missing/1"]);
    let later = builder().build_recorder();
    let handle = later.handle();
    with_local_recorder(&later, || roan.update_metrics());
    let text = handle.render();
    assert_eq!(
        purges(&text, "late recorder", "purged"),
        Some(2.0),
        "{text}"
    );
    assert!(value(&text, "roan_targets_asked_total", "") >= Some(3.0));
    purge(&roan, &["/purged/3"]);
    with_local_recorder(&later, || (0..3).for_each(|_| roan.update_metrics()));
    let text = handle.render();
    assert_eq!(
        purges(&text, "late recorder", "purged"),
        Some(3.0),
        "{text}"
    );
}

/// A program may have several dispatchers, one after the other or at once.
#[test]
fn dispatchers_whose_nodes_have_the_same_names_add_up() {
    let exporter = exporter();
    let both = [roan("twice"), roan("twice")];
    for (number, roan) in both.iter().enumerate() {
        for url in 0..=number {
            purge(roan, &[&format!("/purged/{url}")]);
        }
    }
    for _ in 0..3 {
        both.iter().for_each(Roan::update_metrics);
    }
    assert_eq!(purges(&exporter.render(), "twice", "purged"), Some(3.0));
}

#[test]
fn what_does_not_reach_a_node_is_counted() {
    let recorder = builder().build_recorder();
    let roan = roan("nowhere");
    roan.purge(Target::url("/a").unwrap().at_site("unknown"))
        .unwrap();
    roan.purge(Target::tag("a").unwrap()).unwrap();
    purge(&roan, &["/purged/1"]);
    let left = roan.shutdown_blocking(LONG);
    assert_eq!(left.pending(), 0);
    roan.purge("/after").unwrap();
    with_local_recorder(&recorder, || roan.update_metrics());
    let text = recorder.handle().render();
    // Those of other tests in this process count, too.
    assert!(
        value(&text, "roan_targets_refused_total", "") >= Some(2.0),
        "{text}"
    );
    assert!(
        value(&text, "roan_targets_dropped_total", "") >= Some(1.0),
        "{text}"
    );
}

#[test]
fn each_metric_has_its_type_and_help() {
    let recorder = builder().build_recorder();
    let roan = roan("described");
    with_local_recorder(&recorder, || roan.update_metrics());
    let text = recorder.handle().render();
    let of_outbox = |name: &str| name.starts_with("roan_outbox_");
    for metric in METRICS.iter().filter(|metric| !of_outbox(metric.name)) {
        let (name, kind) = (metric.name, metric.kind.as_str());
        let has = |line: String| text.lines().any(|other| other == line);
        // The exporter shows a distribution when it has a sample.
        if metric.kind != MetricKind::Histogram {
            assert!(has(format!("# TYPE {name} {kind}")), "{name} in {text}");
            assert!(
                has(format!("# HELP {name} {}", metric.description)),
                "{name}"
            );
        }
    }
}

/// The dispatcher's thread records while something changes, and then sleeps.
#[test]
fn an_idle_dispatcher_does_not_record() {
    let exporter = exporter();
    let roan = roan("idle");
    purge(&roan, &["/purged/1"]);
    let shown = || purges(&exporter.render(), "idle", "purged");
    wait::until(LONG, "the purge to be shown", || shown() == Some(1.0));
    // It would record twice in this time.
    let still = Duration::from_millis(2500);
    wait::until(LONG, "it to record no more", || {
        let before = recordings("idle");
        std::thread::sleep(still);
        recordings("idle") == before
    });
    // Nor while a node is paused for which nothing waits.
    let _ = roan.pause("idle", "one");
    wait::until(LONG, "it to record no more of a pause", || {
        let before = recordings("idle");
        std::thread::sleep(still);
        recordings("idle") == before
    });
    let paused = of_node(&exporter.render(), "roan_node_paused", "idle");
    assert_eq!(paused, Some(1.0));
    let _ = roan.resume("idle", "one");
    purge(&roan, &["/purged/2"]);
    wait::until(LONG, "it to be woken", || shown() == Some(2.0));
}
