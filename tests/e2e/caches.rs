//! Several caches are purged in the order given.

use std::time::{Duration, Instant};

use roan::testing::Recorder;
use roan::{Nginx, Roan};
use roan_tests::{Behaviour, Faulty, HOST, wait};

use crate::support::{LONG, builder, flush, outcome};

/// An nginx tier of these nodes, and behind it a cache that notes its purges.
fn two_tiers(nodes: &[&Faulty]) -> (Roan, Recorder) {
    let urls: Vec<_> = nodes.iter().map(|node| node.purge_url()).collect();
    let recorder = Recorder::new();
    let roan = builder(&urls).cache(recorder.clone()).build().unwrap();
    (roan, recorder)
}

fn urls(recorder: &Recorder) -> Vec<String> {
    recorder
        .requests()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_second_cache_waits_for_the_answer_of_the_first() {
    let origin_side = Faulty::start(Behaviour::Hang);
    let (roan, recorder) = two_tiers(&[&origin_side]);
    roan.purge("/a").unwrap();
    origin_side.wait_for(1);
    assert_eq!(urls(&recorder), [""; 0]);
    origin_side.set(Behaviour::Purged);
    flush(&roan);
    assert_eq!(urls(&recorder), ["/a"]);
}

/// At no time do the counters say that nothing is left while the second cache has not been asked.
#[test]
fn a_purge_between_two_caches_is_counted() {
    let second = Recorder::named("second");
    let roan = Roan::builder()
        .site(format!("http://{HOST}"))
        .cache(Recorder::named("first"))
        .cache(second.clone())
        .rebound(None)
        .build()
        .unwrap();
    for round in 0..2_000 {
        roan.purge("/a").unwrap();
        let start = Instant::now();
        while is_busy(&roan) {
            assert!(start.elapsed() < LONG, "in round {round}");
        }
        assert_eq!(urls(&second), ["/a"], "in round {round}");
        second.clear();
    }
}

fn is_busy(roan: &Roan) -> bool {
    let stats = roan.stats();
    let mut nodes = stats.nodes.iter();
    stats.waiting > 0 || nodes.any(|node| node.pending > 0)
}

#[test]
fn a_first_cache_that_is_down_is_not_waited_for_and_the_second_is_purged_again_after_it() {
    let origin_side = Faulty::start(Behaviour::Close);
    let (roan, recorder) = two_tiers(&[&origin_side]);
    for url in ["/a", "/c", "/d"] {
        roan.purge(url).unwrap();
    }
    wait::until(LONG, "the second cache to be purged", || {
        urls(&recorder).len() == 3
    });
    wait::until(LONG, "the first cache to be down", || {
        roan.stats().nodes[0].down
    });
    roan.purge("/b").unwrap();
    wait::until(LONG, "the second cache to be purged", || {
        urls(&recorder).contains(&"/b".to_owned())
    });
    let before = recorder.requests().len();
    origin_side.set(Behaviour::Purged);
    flush(&roan);
    let mut after = urls(&recorder).split_off(before);
    after.sort();
    assert_eq!(after, ["/a", "/b", "/c", "/d"]);
}

#[test]
fn a_first_cache_that_goes_down_holds_nothing_back() {
    let origin_side = Faulty::start(Behaviour::Close);
    let (roan, recorder) = two_tiers(&[&origin_side]);
    for number in 0..500 {
        roan.purge(format!("/{number}")).unwrap();
    }
    wait::until(LONG, "every purge to reach the second cache", || {
        recorder.purges().targets().len() == 500
    });
    assert!(roan.stats().nodes[0].down);
}

#[test]
fn a_purge_that_merges_into_a_retry_reaches_the_second_cache() {
    let origin_side = Faulty::start(Behaviour::Close);
    let recorder = Recorder::new();
    let wait_long = Duration::from_secs(600);
    let roan = builder(&[origin_side.purge_url()])
        .cache(recorder.clone())
        .backoff(wait_long, wait_long)
        .build()
        .unwrap();
    roan.purge("/a").unwrap();
    wait::until(LONG, "the second cache to be purged", || {
        recorder.requests().len() == 1
    });
    // The first cache waits for its retry now; two more failures make it go down.
    roan.purge("/a").unwrap();
    for url in ["/b", "/c"] {
        roan.purge(url).unwrap();
    }
    wait::until(LONG, "the first cache to be down", || {
        roan.stats().nodes[0].down
    });
    wait::until(LONG, "the second purge to reach the second cache", || {
        urls(&recorder).iter().filter(|url| *url == "/a").count() == 2
    });
}

#[test]
fn the_second_cache_keeps_its_gap_and_no_more() {
    // Both caches answer at once, and nothing else wakes the dispatcher for the gap's end.
    let (first, second) = (
        Faulty::start(Behaviour::Hang),
        Faulty::start(Behaviour::Purged),
    );
    let roan = builder(&[first.purge_url()])
        .cache(Nginx::at(&second.purge_url()).unwrap().name("second"))
        .build()
        .unwrap();
    for round in 1..=20 {
        first.set(Behaviour::Hang);
        roan.purge("/a").unwrap();
        first.wait_for(2 * round - 1);
        roan.purge("/a").unwrap();
        wait::until(LONG, "the purge to be noted", || roan.stats().waiting == 0);
        first.set(Behaviour::Purged);
        flush(&roan);
    }
    assert_eq!((first.count(), second.count()), (40, 40));
}

#[test]
fn a_tag_goes_to_the_caches_that_know_tags() {
    let nginx = Faulty::start(Behaviour::Purged);
    let (roan, recorder) = two_tiers(&[&nginx]);
    roan.purge(roan::Target::tag("author-7").unwrap()).unwrap();
    flush(&roan);
    assert_eq!(urls(&recorder), ["tag author-7"]);
    assert_eq!(nginx.count(), 0);
}

#[test]
fn without_a_cache_for_tags_a_tag_is_refused_aloud() {
    let nginx = Faulty::start(Behaviour::Purged);
    let roan = builder(&[nginx.purge_url()]).build().unwrap();
    let mut reports = roan.subscribe();
    roan.purge(roan::Target::tag("author-7").unwrap()).unwrap();
    let message = outcome(&mut reports).to_string();
    assert!(message.contains("can purge by tag"), "{message}");
}

#[test]
fn names_are_given_once() {
    let nginx = || Nginx::at("http://localhost/purge").unwrap();
    let message = |builder: roan::RoanBuilder| builder.build().unwrap_err().to_string();
    let twice = Roan::builder().cache(nginx().node("http://localhost/other").unwrap());
    assert!(message(twice).contains("node \"localhost\" is configured twice"));
    let twice = Roan::builder().cache(nginx()).cache(nginx());
    assert!(message(twice).contains("cache \"nginx\" is configured twice"));
    let named = nginx().named_node("b", "http://localhost/other").unwrap();
    assert!(
        Roan::builder()
            .cache(named)
            .cache(nginx().name("other"))
            .build()
            .is_ok()
    );
}
