//! Stated rates: documented numbers of requests at the documented times, in virtual time.

use super::*;
use crate::dispatcher::tickets::{Row, Tickets};

/// A request of a run.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    /// Since the start.
    after: Duration,
    node: usize,
    targets: usize,
}

/// Lets the nodes work until nothing is left, each answer coming after `latency`, and nothing looked at before it is due.
fn run(
    nodes: &mut [Bench],
    latency: Duration,
    mut verdict: impl FnMut(Duration) -> Verdict,
) -> Vec<Sent> {
    let start = nodes[0].now;
    let mut now = start;
    let mut sent = Vec::new();
    let mut flying: Vec<(Instant, usize, Request)> = Vec::new();
    let mut idle_wakings = 0;
    loop {
        let landed: Vec<_> = flying.extract_if(.., |(at, ..)| *at <= now).collect();
        let mut is_idle = landed.is_empty();
        for (_, node, request) in landed {
            nodes[node].answer_all(&request, verdict(request.first.started - start));
        }
        let before = sent.len();
        for (node, bench) in nodes.iter_mut().enumerate() {
            bench.now = now;
            bench.queue.fire_timers(now);
            is_idle &= bench.queue.tell_held_back(now).is_none();
            while let Some(request) = bench.queue.next(now) {
                sent.push(Sent {
                    after: now - start,
                    node,
                    targets: request.len(),
                });
                flying.push((now + latency, node, request));
            }
        }
        is_idle &= sent.len() == before;
        idle_wakings = if is_idle { idle_wakings + 1 } else { 0 };
        // Back-offs may end while the bucket is closed.
        assert!(idle_wakings < 10, "woken for nothing");
        let due = nodes.iter().filter_map(|bench| bench.queue.next_due());
        let due = due.filter(|_| {
            nodes
                .iter()
                .any(|bench| bench.queue.pending() + bench.queue.rebounds() > 0)
        });
        let Some(next) = due.chain(flying.iter().map(|(at, ..)| *at)).min() else {
            return sent;
        };
        now = next.max(now);
    }
}

fn tags(bench: &mut Bench, count: usize) {
    for number in 0..count {
        bench.ask_for(&Target::tag(format!("t{number}")).unwrap(), false);
    }
}

fn cloudflare(rate: f64) -> Cache {
    let limits = Limits::new().batch(100).rate(rate).burst(25);
    Cache::new("cloudflare").purges([TargetKind::Tag], limits)
}

/// Cloudflare's Pro plan: 100 targets in a request, 5 requests a second, 25 at once.
/// <https://developers.cloudflare.com/cache/how-to/purge-cache/>
#[test]
fn ten_thousand_tags_take_the_documented_requests_in_the_documented_time() {
    let mut node = Bench::with(cloudflare(5.0), &mut Buckets::default(), 0, |policy| {
        policy.concurrency = 32;
    });
    tags(&mut node, 10_000);
    let mut nodes = [node];
    let sent = run(&mut nodes, 50 * MS, |_| Verdict::Done);
    assert_eq!(sent.len(), 100);
    assert!(sent.iter().all(|request| request.targets == 100));
    let times: Vec<_> = sent.iter().map(|request| request.after).collect();
    let at_once = times.iter().filter(|after| after.is_zero()).count();
    assert_eq!(at_once, 25);
    for (number, after) in times[25..].iter().enumerate() {
        let token = u32::try_from(number + 1).unwrap();
        assert_eq!(*after, SECOND / 5 * token);
    }
    assert_eq!(times[99], 15 * SECOND);
}

/// Cloudflare's Free plan: 5 requests a minute.
#[test]
fn a_rate_below_one_a_second_is_kept_to() {
    let mut node = Bench::with(
        cloudflare(5.0 / 60.0),
        &mut Buckets::default(),
        0,
        |policy| {
            policy.concurrency = 32;
        },
    );
    tags(&mut node, 10_000);
    let sent = run(&mut [node], 50 * MS, |_| Verdict::Done);
    assert_eq!(sent.len(), 100);
    assert_eq!(
        sent.iter()
            .filter(|request| request.after.is_zero())
            .count(),
        25
    );
    let last = sent[99].after;
    assert!(last >= 900 * SECOND && last < 900 * SECOND + MS, "{last:?}");
}

#[test]
fn few_requests_in_flight_do_not_lose_the_burst() {
    let mut node = Bench::with(cloudflare(5.0), &mut Buckets::default(), 0, |policy| {
        policy.concurrency = 2;
    });
    tags(&mut node, 2_500);
    let sent = run(&mut [node], 50 * MS, |_| Verdict::Done);
    assert_eq!(sent.len(), 25);
    assert_eq!(sent[24].after, 12 * 50 * MS);
}

#[test]
fn a_rate_of_targets_counts_targets() {
    let limits = Limits::new().batch(50).rate(100.0).burst(100).by_target();
    let cache = Cache::new("mine").purges([TargetKind::Tag], limits);
    let mut node = Bench::with(cache, &mut Buckets::default(), 0, |_| {});
    tags(&mut node, 1_000);
    let sent = run(&mut [node], MS, |_| Verdict::Done);
    let total: usize = sent.iter().map(|request| request.targets).sum();
    assert_eq!(total, 1_000);
    assert_eq!(sent[1].after, Duration::ZERO);
    assert_eq!(sent.last().unwrap().after, 9 * SECOND);
    // Not one target each.
    assert!(sent.len() <= 2 + 90, "{}", sent.len());
}

#[test]
fn while_one_kind_waits_for_tokens_others_go_on() {
    let cache = cloudflare(5.0 / 60.0).purges([TargetKind::Url], Limits::new());
    let mut node = Bench::with(cache, &mut Buckets::default(), 0, |policy| {
        policy.concurrency = 100;
    });
    tags(&mut node, 10_000);
    for _ in 0..25 {
        assert_eq!(node.next_batch().unwrap().0.len(), 100);
    }
    assert!(node.next_batch().is_none());
    node.ask("/a");
    let (request, texts) = node.next_batch().expect("the URL");
    assert_eq!(texts, ["/a"]);
    node.answer_all(&request, FAILED);
    node.wait(SECOND);
    let (_, texts) = node.next_batch().expect("its retry");
    assert_eq!(texts, ["/a"]);
}

#[test]
fn a_retry_takes_a_token_too() {
    let limits = Limits::new().rate(1.0).burst(2);
    let cache = Cache::new("mine").purges([TargetKind::Url], limits);
    let mut node = Bench::with(cache, &mut Buckets::default(), 0, |_| {});
    node.ask("/a");
    node.ask("/b");
    let mut failures = 2;
    let sent = run(&mut [node], MS, |_| {
        failures -= i32::from(failures > 0);
        if failures > 0 { FAILED } else { Verdict::Done }
    });
    assert_eq!(sent.len(), 3);
    assert!(sent[2].after >= SECOND - MS, "{sent:?}");
}

#[test]
fn nodes_of_an_account_share_a_bucket_in_turns() {
    let mut buckets = Buckets::default();
    let mut node = |number| {
        let cache = cloudflare(5.0).account("acme");
        Bench::with(cache, &mut buckets, number, |policy| policy.concurrency = 4)
    };
    let mut nodes = [node(0), node(1), node(2)];
    let now = nodes[0].now;
    for bench in &mut nodes {
        bench.now = now;
        tags(bench, 4_000);
    }
    let sent = run(&mut nodes, 300 * MS, |_| Verdict::Done);
    assert_eq!(sent.len(), 120);
    let last = sent.last().unwrap().after;
    assert_eq!(last, SECOND / 5 * 95);
    // Beyond the burst each gets a third, until the first has nothing left.
    for node in 0..3 {
        let limited = sent[25..100].iter().filter(|request| request.node == node);
        let count = limited.count();
        assert!((24..=26).contains(&count), "{count} of node {node}");
    }
}

#[test]
fn accounts_and_kinds_have_buckets_of_their_own() {
    let mut buckets = Buckets::default();
    let both = |rate| {
        Cache::new("mine")
            .purges([TargetKind::Url], Limits::new().rate(rate).burst(1))
            .purges(
                [TargetKind::Tag, TargetKind::Host],
                Limits::new().rate(rate).burst(1),
            )
    };
    let caches = [
        both(1.0).account("a"),
        both(1.0).account("b"),
        both(1.0),
        both(1.0),
    ];
    for (number, cache) in (0..).zip(caches) {
        let mut node = Bench::with(cache, &mut buckets, number, |_| {});
        node.ask("/a");
        node.ask("/b");
        tags(&mut node, 1);
        node.ask_for(&Target::host(), false);
        let (_, texts) = node.next_batch().unwrap();
        assert_eq!(texts, ["/a"]);
        let (_, texts) = node.next_batch().unwrap();
        assert_eq!(texts, ["tag t0"]);
        assert!(node.next_batch().is_none());
    }
}

#[test]
fn the_lower_rate_of_an_account_counts() {
    let mut buckets = Buckets::default();
    let of = |rate, burst| {
        let limits = Limits::new().rate(rate).burst(burst);
        Cache::new("mine")
            .purges([TargetKind::Tag], limits)
            .account("a")
    };
    let node = Bench::with(of(50.0, 5), &mut buckets, 0, |_| {});
    let _other = Bench::with(of(1.0, 10), &mut buckets, 1, |_| {});
    let mut nodes = [node];
    tags(&mut nodes[0], 7);
    let sent = run(&mut nodes, MS, |_| Verdict::Done);
    let at_once = sent
        .iter()
        .filter(|request| request.after < SECOND / 2)
        .count();
    assert_eq!((sent.len(), at_once), (7, 5));
    assert_eq!(sent[6].after, 2 * SECOND);
}

#[test]
fn a_node_that_does_not_take_its_turn_holds_up_no_other() {
    let mut buckets = Buckets::default();
    let limits = Limits::new().rate(1.0);
    let cache = || {
        Cache::new("mine")
            .purges([TargetKind::Tag], limits)
            .account("a")
    };
    let mut first = Bench::with(cache(), &mut buckets, 0, |_| {});
    let mut second = Bench::with(cache(), &mut buckets, 1, |_| {});
    second.now = first.now;
    tags(&mut first, 10);
    tags(&mut second, 10);
    assert!(first.next_batch().is_some());
    assert!(first.next_batch().is_none());
    assert!(second.next_batch().is_none());
    // The first one's turn comes, and it does not come.
    second.wait(SECOND);
    assert!(second.next_batch().is_none());
    let due = second.queue.next_due().unwrap();
    assert_eq!(due, second.now + 100 * MS);
    second.wait(100 * MS);
    assert!(second.next_batch().is_some());
}

#[test]
fn retry_after_empties_the_bucket_of_all_nodes_of_the_account() {
    let mut buckets = Buckets::default();
    let mut node = |number| {
        Bench::with(
            cloudflare(5.0).account("acme"),
            &mut buckets,
            number,
            |_| {},
        )
    };
    let (mut first, mut second) = (node(0), node(1));
    second.now = first.now;
    tags(&mut first, 1_000);
    tags(&mut second, 1_000);
    let (request, _) = first.next_batch().unwrap();
    let (late, _) = second.next_batch().unwrap();
    let pause = 60 * SECOND;
    let verdict = Verdict::Failed {
        blame: Blame::Rate,
        pause,
    };
    first.answer_all(&request, verdict);
    for bench in [&mut first, &mut second] {
        bench.wait(59 * SECOND);
        assert!(bench.next_batch().is_none());
    }
    second.answer_all(&late, Verdict::Done);
    assert_eq!(first.queue.next_due(), Some(first.now + SECOND));
    second.wait(SECOND);
    first.wait(SECOND);
    assert!(second.next_batch().is_none(), "the other one waits longer");
    assert!(first.next_batch().is_some());
    assert!(
        first.next_batch().is_none(),
        "one request, and what the rate is from then on"
    );
    second.wait(SECOND / 5);
    assert!(second.next_batch().is_some());
}

#[test]
fn a_stated_rate_is_not_searched_for() {
    let mut node = Bench::with(cloudflare(5.0), &mut Buckets::default(), 0, |policy| {
        policy.concurrency = 8;
    });
    tags(&mut node, 10_000);
    let mut nodes = [node];
    // Another program has used the tokens of the account: all of the first requests are turned away.
    let sent = run(&mut nodes, 50 * MS, |after| {
        if after < SECOND / 2 {
            Verdict::Failed {
                blame: Blame::Rate,
                pause: Duration::ZERO,
            }
        } else {
            Verdict::Done
        }
    });
    assert!(!nodes[0].queue.is_down());
    assert_eq!(sent.len(), 100 + 8);
    assert!(sent.iter().all(|request| request.targets == 100));
    // A pause of a second, and the rate.
    let last = sent.last().unwrap().after;
    let most = 50 * MS + SECOND + 100 * SECOND / 5;
    assert!(last <= most, "{last:?}");
}

#[test]
fn an_account_that_takes_nothing_is_down() {
    let mut node = Bench::with(cloudflare(5.0), &mut Buckets::default(), 0, |_| {});
    tags(&mut node, 10_000);
    let mut requests = 0;
    while !node.queue.is_down() {
        match node.next_batch() {
            Some((request, _)) => {
                requests += 1;
                node.wait(MS);
                node.answer_all(&request, failed(Blame::Rate));
            }
            None => {
                let due = node.queue.next_due().unwrap();
                node.wait(due.saturating_duration_since(node.now));
            }
        }
    }
    assert_eq!(requests, 3);
}

#[test]
fn a_node_that_is_down_leaves_the_tokens_to_others() {
    let mut buckets = Buckets::default();
    let cache = cloudflare(5.0).account("acme");
    let mut node = Bench::with(cache, &mut buckets, 0, |_| {});
    tags(&mut node, 10_000);
    while !node.queue.is_down() {
        let (request, _) = node.next_batch().unwrap();
        node.answer_all(&request, NO_ANSWER);
    }
    let mut last = node.now;
    let mut probes = 0;
    while probes < 10 {
        match node.next_batch() {
            Some((probe, _)) => {
                assert!(node.now - last >= 4 * SECOND / 5);
                last = node.now;
                probes += 1;
                node.answer_all(&probe, NO_ANSWER);
            }
            None => {
                let due = node.queue.next_due().unwrap();
                node.wait(due.saturating_duration_since(node.now));
            }
        }
    }
}

#[test]
fn a_node_with_a_rate_holds_little_of_what_waits_in_a_database() {
    let tickets = Tickets::default();
    let open = || tickets.open(Row::Purge(1), 0, None);
    let cache = cloudflare(5.0).purges([TargetKind::Url], Limits::new());
    let mut node = Bench::with(cache, &mut Buckets::default(), 0, |_| {});
    assert_eq!(node.queue.room().new, usize::MAX);
    let ask = |bench: &mut Bench, target: &Target| {
        let ask = Ask {
            target,
            asking: Asking::of(bench.now, &[]),
            rebound: false,
            ticket: Some((open(), 0)),
            onward: &ITSELF,
            gathers: false,
        };
        bench.queue.ask(ask, bench.now)
    };
    let tag = |number: usize| Target::tag(format!("t{number}")).unwrap();
    // What leaves within ten seconds.
    for number in 0..7_500 {
        assert!(matches!(ask(&mut node, &tag(number)), Asked::New));
    }
    assert!(matches!(ask(&mut node, &tag(7_500)), Asked::Busy));
    assert_eq!(node.queue.room().new, 0);
    // URLs have room.
    let url = Target::url("/a").unwrap();
    assert!(matches!(ask(&mut node, &url), Asked::New));
}

#[test]
fn a_node_that_a_rate_holds_back_for_long_is_told_once() {
    let mut node = Bench::with(
        cloudflare(5.0 / 60.0),
        &mut Buckets::default(),
        0,
        |policy| policy.concurrency = 100,
    );
    tags(&mut node, 10_000);
    let mut told = Vec::new();
    let start = node.now;
    while node.queue.pending() > 0 {
        while let Some((request, _)) = node.next_batch() {
            node.answer_all(&request, Verdict::Done);
        }
        let held_back = node.queue.tell_held_back(node.now);
        told.extend(held_back.map(|held_back| (node.now - start, held_back.waiting)));
        if let Some(due) = node.queue.next_due() {
            node.wait(due.saturating_duration_since(node.now));
        }
    }
    assert_eq!(told, [(60 * SECOND, 7_000)]);
    tags(&mut node, 200);
    assert_eq!(node.queue.tell_held_back(node.now + 59 * SECOND), None);
    assert!(node.queue.tell_held_back(node.now + 60 * SECOND).is_some());
}
