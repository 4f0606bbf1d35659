//! Targets that a broader one purges as well.

use super::*;
use crate::dispatcher::tickets::{Row, Tickets};

/// A node whose cache purges one URL a second, and all others at once.
fn node(change: impl FnOnce(&mut Policy)) -> Bench {
    let cache = Cache::new("mine")
        .purges(
            [TargetKind::Url, TargetKind::Tag],
            Limits::new().batch(2).rate(1.0),
        )
        .purges(
            [TargetKind::Prefix, TargetKind::Host, TargetKind::Everything],
            Limits::new(),
        );
    Bench::with(cache, &mut Buckets::default(), 0, change)
}

fn texts(jobs: &[Job]) -> Vec<String> {
    let mut texts: Vec<_> = jobs.iter().map(|job| job.target.to_string()).collect();
    texts.sort();
    texts
}

/// Uses up the token.
fn use_up(bench: &mut Bench) {
    bench.ask("/first");
    let (request, _) = bench.next_batch().expect("a token");
    bench.answer_all(&request, Verdict::Done);
}

#[test]
fn a_broader_purge_takes_along_what_it_covers() {
    let all = || {
        let url = |url: &str| Target::url(url).unwrap();
        [
            url("/docs/a"),
            url("/docs/b?x"),
            url("/docs"),
            url("/docs/c").at_site("shop"),
            Target::tag("/docs/t").unwrap(),
        ]
    };
    for (broad, covered) in [
        (
            Target::prefix("/docs/").unwrap(),
            &["/docs/a", "/docs/b?x"][..],
        ),
        (Target::host(), &["/docs", "/docs/a", "/docs/b?x"]),
        (Target::host().at_site("shop"), &["/docs/c at site shop"]),
        (
            Target::everything(),
            &[
                "/docs",
                "/docs/a",
                "/docs/b?x",
                "/docs/c at site shop",
                "tag /docs/t",
            ],
        ),
    ] {
        let mut bench = node(|_| {});
        use_up(&mut bench);
        for target in all() {
            bench.ask_for(&target, false);
        }
        assert!(bench.next_batch().is_none());
        bench.ask_for(&broad, false);
        let (request, sent) = bench.next_batch().expect("the broad one");
        assert_eq!(sent, [broad.to_string()]);
        assert_eq!(texts(&request.covered), covered);
        assert_eq!(bench.queue.pending(), 6);
        bench.answer_all(&request, Verdict::Done);
        assert_eq!(bench.queue.pending(), 5 - covered.len());
    }
}

#[test]
fn what_was_covered_in_vain_leaves_as_if_nothing_had_been() {
    for verdict in [Verdict::Refused, FAILED, NO_CONNECTION] {
        let mut bench = node(|_| {});
        use_up(&mut bench);
        bench.ask("/a");
        bench.ask_for(&Target::host(), false);
        let (request, _) = bench.next_batch().expect("the host");
        assert_eq!(request.covered.len(), 1);
        // Served by the request to come.
        bench.ask("/a");
        bench.answer_all(&request, verdict);
        bench.wait(SECOND);
        let jobs: Vec<_> = std::iter::from_fn(|| bench.next()).collect();
        let of_a = jobs.iter().find(|job| job.target.as_str() == "/a");
        let of_a = of_a.expect("a request of its own");
        assert_eq!((of_a.attempts, of_a.is_retry), (1, false));
        for job in &jobs {
            bench.answer(job, Verdict::Done);
        }
        assert_eq!(bench.queue.pending(), 0);
    }
}

#[test]
fn what_is_asked_for_while_it_is_covered_is_sent_again() {
    let mut bench = node(|_| {});
    use_up(&mut bench);
    bench.ask("/a");
    bench.ask_for(&Target::host(), false);
    let (request, _) = bench.next_batch().expect("the host");
    bench.ask("/a");
    bench.answer_all(&request, Verdict::Done);
    assert_eq!(bench.queue.pending(), 1);
    bench.wait(SECOND);
    bench.sends("/a");
}

#[test]
fn a_covered_target_keeps_its_tickets_and_its_rebound() {
    let tickets = Tickets::default();
    let [a, b] = [1, 2].map(|id| tickets.open(Row::Purge(id), 0, None));
    let mut bench = node(|policy| policy.rebound = Some(SECOND));
    use_up(&mut bench);
    let _ = bench.ask_with("/a", a);
    let _ = bench.ask_with("/b", b);
    bench.ask_for(&Target::host(), false);
    let (request, _) = bench.next_batch().expect("the host");
    let lesson = bench.queue.learn(&request, Verdict::Done, bench.now);
    for (job, ticket) in request.covered.iter().zip([a, b]) {
        let (next, settled) = bench.queue.answered(job, &lesson, bench.now);
        assert_eq!(next, Next::Ended);
        assert_eq!((settled.served, settled.done), (vec![ticket], vec![]));
    }
    for job in request.jobs() {
        bench.queue.answered(job, &lesson, bench.now);
    }
    assert_eq!(bench.queue.pending(), 0);
    bench.wait(SECOND);
    let mut done = Vec::new();
    while bench.queue.rebounds() > 0 {
        match bench.next_batch() {
            Some((request, _)) => {
                let lesson = bench.queue.learn(&request, Verdict::Done, bench.now);
                for job in request.jobs().chain(&request.covered) {
                    done.extend(bench.queue.answered(job, &lesson, bench.now).1.done);
                }
            }
            None => bench.wait(SECOND),
        }
    }
    assert!(done.len() == 2 && done.contains(&a) && done.contains(&b));
}

#[test]
fn a_probe_takes_nothing_along() {
    let mut bench = node(|_| {});
    for _ in 0..3 {
        bench.ask_for(&Target::host(), false);
        while let Some((request, _)) = bench.next_batch() {
            bench.answer_all(&request, NO_CONNECTION);
        }
        bench.wait(31 * SECOND);
    }
    assert!(bench.queue.is_down());
    bench.ask("/a");
    let (probe, _) = bench.next_batch().expect("a probe");
    assert!(probe.covered.is_empty());
}
