//! Targets that fail for themselves, and nodes that take few requests, hold up nobody who can be served.

use super::*;
use crate::dispatcher::health::Turn;
use crate::dispatcher::tickets::{Row, Tickets};

/// A server that answers each request after a millisecond, the bad ones with `failure`. Returns the longest
/// that a good purge waited for its request, one being asked for each five milliseconds, and how many
/// requests the bad ones got.
fn longest_wait(bad: usize, failure: Verdict) -> (Duration, usize) {
    let mut bench = Bench::new(|_| {});
    for number in 0..bad {
        bench.ask(&format!("/bad/{number}"));
    }
    let mut flying: Vec<Job> = Vec::new();
    let mut longest = Duration::ZERO;
    let mut bad_requests = 0;
    // The bad ones have been tried when the good ones come.
    for ms in 0..60_000 {
        if ms >= 10_000 && ms % 5 == 0 {
            bench.ask(&format!("/good/{ms}"));
        }
        for job in mem::take(&mut flying) {
            let is_bad = job.target.as_str().starts_with("/bad");
            bench.answer(&job, if is_bad { failure } else { Verdict::Done });
        }
        while let Some(job) = bench.next() {
            if job.target.as_str().starts_with("/bad") {
                bad_requests += usize::from(ms >= 10_000);
            } else {
                longest = longest.max(bench.now - job.asked);
            }
            flying.push(job);
        }
        bench.wait(MS);
    }
    assert_eq!(
        bench.queue.pending(),
        bad + flying.len().saturating_sub(bad)
    );
    (longest, bad_requests)
}

#[test]
fn targets_that_fail_for_themselves_hold_up_no_others() {
    for bad in [1, 2, 10, 100, 1000] {
        let (longest, requests) = longest_wait(bad, FAILED);
        assert_eq!(longest, Duration::ZERO, "{bad} bad ones");
        assert!(requests <= 50 * 51, "{requests} for {bad} bad ones in 50 s");
        assert!(
            requests >= bad.min(100),
            "{requests} for {bad} bad ones in 50 s"
        );
    }
}

#[test]
fn targets_that_get_no_answer_hold_up_no_others_once_one_of_those_was_answered() {
    // The node was rightly taken for down, or for slow: at most until the first probe, or until the pace is found.
    let longest = [(NO_ANSWER, 100, 3 * SECOND), (TURNED_AWAY, 10, 6 * SECOND)];
    for (failure, most_bad, most) in longest {
        for bad in [1, 2, 10, 100] {
            if bad <= most_bad {
                let (longest, _) = longest_wait(bad, failure);
                assert!(longest <= most, "{longest:?}, {bad} bad, {failure:?}");
            }
        }
    }
}

#[test]
fn retries_leave_the_half_of_a_pace_to_others() {
    let mut bench = Bench::new(|_| {});
    for number in 0..100 {
        bench.ask(&format!("/{number}"));
    }
    for number in 0..50 {
        let job = bench.next().expect("a request");
        assert_eq!(job.target.as_str(), format!("/{number}"));
        bench.answer(&job, FAILED);
    }
    bench
        .queue
        .throttle
        .pace()
        .turned_away(bench.now, bench.now, Duration::ZERO);
    for _ in 0..3 {
        bench
            .queue
            .throttle
            .pace()
            .turned_away(bench.now, bench.now, Duration::ZERO);
    }
    bench.wait(SECOND);
    let mut retries = 0;
    for _ in 0..20 {
        let job = bench.next().expect("a request");
        retries += u32::from(job.is_retry);
        bench.answer(&job, FAILED);
        bench.sends_nothing();
        bench.wait(SECOND);
    }
    assert_eq!(retries, 10);
}

#[test]
fn one_target_that_gets_no_answer_makes_no_node_down() {
    let mut bench = Bench::new(|_| {});
    bench.ask("/a");
    bench.ask("/b");
    for _ in 0..20 {
        while let Some(job) = bench.next() {
            bench.answer(&job, NO_ANSWER);
        }
        assert!(!bench.queue.is_down());
        bench.wait(31 * SECOND);
    }
    bench.ask("/c");
    assert!(
        !bench.queue.ready.is_empty(),
        "what has not failed does not wait with what has"
    );
}

#[test]
fn one_target_that_gets_no_connection_makes_the_node_down() {
    let mut bench = Bench::new(|_| {});
    bench.ask("/a");
    for _ in 0..3 {
        assert!(!bench.queue.is_down());
        let job = bench.sends("/a");
        bench.answer(&job, NO_CONNECTION);
        bench.wait(SECOND);
    }
    assert!(bench.queue.is_down());
}

#[test]
fn a_node_that_answers_one_purge_with_a_failure_of_its_own_is_not_down() {
    let mut bench = Bench::new(|_| {});
    for number in 0..4 {
        bench.ask(&format!("/{number}"));
    }
    let jobs: Vec<_> = std::iter::from_fn(|| bench.next()).collect();
    bench.answer(&jobs[0], NO_ANSWER);
    bench.answer(&jobs[1], NO_ANSWER);
    bench.answer(&jobs[2], FAILED);
    bench.answer(&jobs[3], NO_ANSWER);
    assert!(!bench.queue.is_down());
}

#[test]
fn retries_are_few_while_they_fail_and_as_fast_as_others_when_they_do_not() {
    const COUNT: usize = 100_000;
    let mut bench = Bench::new(|_| {});
    for number in 0..COUNT {
        bench.ask(&format!("/{number}"));
    }
    while let Some(job) = bench.next() {
        bench.answer(&job, FAILED);
    }
    assert!(!bench.queue.is_down());
    bench.wait(60 * SECOND);
    let mut requests = 0;
    for _ in 0..10_000 {
        while let Some(job) = bench.next() {
            requests += 1;
            bench.answer(&job, FAILED);
        }
        bench.wait(MS);
    }
    assert!((400..=501).contains(&requests), "{requests} in ten seconds");
    // Mended: each round of answers lets more go.
    let mut rounds = 0;
    let mut sent = 0;
    while bench.queue.pending() > 0 {
        let jobs: Vec<_> = std::iter::from_fn(|| bench.next()).collect();
        assert!(
            jobs.len() <= 4,
            "half of the requests that may be in flight"
        );
        sent += jobs.len();
        for job in &jobs {
            bench.answer(job, Verdict::Done);
        }
        rounds += 1;
        bench.wait(MS);
        if rounds > 2 * COUNT {
            break;
        }
    }
    assert_eq!(sent, COUNT);
    assert!(rounds < COUNT / 3, "{rounds}");
}

#[test]
fn a_retry_is_not_held_up_for_ever_by_a_storm_of_others() {
    let mut bench = Bench::new(|policy| policy.concurrency = 1);
    bench.ask("/failed");
    let job = bench.sends("/failed");
    bench.answer(&job, FAILED);
    bench.wait(SECOND);
    for number in 0..10 {
        bench.ask(&format!("/{number}"));
    }
    bench.sends("/failed");
}

#[test]
fn a_target_that_failed_keeps_its_turn_when_it_is_asked_for_again() {
    let mut bench = Bench::new(|policy| {
        policy.backoff_base = 600 * SECOND;
        policy.backoff_cap = 600 * SECOND;
        policy.rebound = Some(SECOND);
    });
    bench.ask_as("/a", true);
    let job = bench.sends("/a");
    bench.answer(&job, FAILED);
    assert_eq!(bench.ask("/a"), "merged");
    bench.sends_nothing();
    assert_eq!((bench.queue.pending(), bench.queue.rebounds()), (1, 0));
    bench.wait(600 * SECOND);
    let job = bench.sends("/a");
    assert!(!job.rebound);
}

#[test]
fn a_target_waits_as_long_as_the_node_has_asked_for() {
    let mut bench = Bench::new(|_| {});
    bench.ask("/a");
    let job = bench.sends("/a");
    let pause = 60 * SECOND;
    let blame = Blame::Load;
    bench.answer(&job, Verdict::Failed { blame, pause });
    bench.ask("/b");
    bench.sends("/b");
    bench.wait(60 * SECOND - MS);
    bench.sends_nothing();
    bench.wait(MS);
    bench.sends("/a");
}

#[test]
fn a_node_that_turns_many_away_is_left_in_peace_as_long_as_it_has_asked_for() {
    let mut bench = Bench::new(|_| {});
    for number in 0..20 {
        bench.ask(&format!("/{number}"));
    }
    let jobs: Vec<_> = std::iter::from_fn(|| bench.next()).collect();
    let (blame, pause) = (Blame::Load, 7 * SECOND);
    for job in &jobs {
        bench.answer(job, Verdict::Failed { blame, pause });
    }
    bench.wait(7 * SECOND - MS);
    bench.sends_nothing();
    assert_eq!(bench.queue.next_due(), Some(bench.now + MS));
    bench.wait(MS);
    let job = bench.next().expect("one request");
    bench.sends_nothing();
    bench.answer(&job, Verdict::Done);
    assert!(!bench.queue.is_down());
}

#[test]
fn a_node_that_turns_all_away_is_down_at_last() {
    let mut bench = Bench::new(|_| {});
    for number in 0..100 {
        bench.ask(&format!("/{number}"));
    }
    let mut requests = 0;
    while !bench.queue.is_down() {
        while let Some(job) = bench.next() {
            requests += 1;
            bench.wait(MS);
            bench.answer(&job, TURNED_AWAY);
        }
        let due = bench.queue.next_due().expect("some wait");
        bench.wait(due.saturating_duration_since(bench.now));
        assert!(requests < 40, "{requests}");
    }
}

#[test]
fn a_node_that_goes_up_and_down_is_told_to_be_down_once_and_back_once() {
    let mut bench = Bench::new(|_| {});
    let mut told = Vec::new();
    let mut number = 0;
    for _ in 0..10 {
        while !bench.queue.is_down() {
            number += 1;
            bench.ask(&format!("/{number}"));
            let job = bench.next().expect("a request");
            bench.answer(&job, NO_CONNECTION);
            told.extend(bench.queue.tell(bench.now));
        }
        bench.wait(SECOND);
        let probe = bench.next().expect("a probe");
        bench.answer(&probe, Verdict::Done);
        told.extend(bench.queue.tell(bench.now));
        bench.wait(4 * SECOND);
        told.extend(bench.queue.tell(bench.now));
    }
    assert_eq!(told, [Turn::Down { failures: 3 }]);
    while let Some(job) = bench.next() {
        bench.answer(&job, Verdict::Done);
    }
    assert_eq!(bench.queue.next_due(), Some(bench.now + SECOND));
    bench.wait(SECOND);
    assert_eq!(bench.queue.tell(bench.now), Some(Turn::Back));
    assert_eq!(bench.queue.tell(bench.now), None);
}

#[test]
fn a_node_that_was_wrongly_taken_for_down_is_believed_longer() {
    let mut bench = Bench::new(|_| {});
    let mut failures = Vec::new();
    let mut number = 0;
    for _ in 0..4 {
        let mut count = 0;
        while !bench.queue.is_down() {
            number += 1;
            bench.ask(&format!("/{number}"));
            while let Some(job) = bench.next() {
                count += u32::from(!job.is_retry);
                bench.answer(&job, NO_ANSWER);
            }
        }
        failures.push(count);
        bench.ask("/good");
        bench.wait(SECOND);
        let probe = bench.sends("/good");
        bench.answer(&probe, Verdict::Done);
    }
    assert_eq!(failures, [3, 6, 12, 24]);
}

#[test]
fn a_node_that_is_down_takes_a_probe_that_has_not_failed_from_the_database() {
    let tickets = Tickets::default();
    let open = || tickets.open(Row::Purge(1), 0, None);
    let mut bench = Bench::new(|_| {});
    for url in ["/a", "/b", "/c"] {
        let _ = bench.ask_with(url, open());
    }
    let jobs: Vec<_> = std::iter::from_fn(|| bench.next()).collect();
    for job in &jobs {
        bench.answer(job, NO_ANSWER);
    }
    let room = bench.queue.room();
    assert_eq!((room.is_down, room.new, room.failed), (true, 1, 1));
    // One that has failed waits to be the probe, and leaves room for a better one.
    let _ = bench.ask_with("/a", open());
    let room = bench.queue.room();
    assert_eq!((room.is_down, room.new, room.failed), (true, 1, 0));
    let _ = bench.ask_with("/new", open());
    let room = bench.queue.room();
    assert_eq!((room.is_down, room.new, room.failed), (true, 0, 0));
    assert!(matches!(bench.ask_with("/d", open()), Asked::Busy));
    bench.wait(SECOND);
    bench.sends("/new");
}

#[test]
fn a_slow_node_takes_little_from_the_database() {
    let tickets = Tickets::default();
    let open = || tickets.open(Row::Purge(1), 0, None);
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.queue.room().new, usize::MAX);
    for number in 0..1000 {
        let asked = bench.ask_with(&format!("/{number}"), open());
        assert!(matches!(asked, Asked::New));
    }
    let jobs: Vec<_> = std::iter::from_fn(|| bench.next()).collect();
    for job in &jobs {
        bench.answer(job, TURNED_AWAY);
    }
    assert_eq!(bench.queue.room().new, 0);
    assert!(matches!(bench.ask_with("/more", open()), Asked::Busy));
    assert!(matches!(bench.ask_with("/999", open()), Asked::Merged));
}

#[test]
fn what_failed_and_is_written_again_is_a_retry() {
    let tickets = Tickets::default();
    let open = || tickets.open(Row::Purge(1), 0, None);
    let mut bench = Bench::new(|_| {});
    for _ in 0..10 {
        let _ = bench.ask_with("/bad", open());
        bench.wait(SECOND);
        let job = bench.sends("/bad");
        // It does not count as one target more each time.
        bench.answer(&job, NO_ANSWER);
        assert!(!bench.queue.is_down());
    }
    let _ = bench.ask_with("/bad", open());
    bench.wait(SECOND);
    let job = bench.sends("/bad");
    bench.answer(&job, Verdict::Done);
    assert!(bench.queue.suspects.is_empty());
}
