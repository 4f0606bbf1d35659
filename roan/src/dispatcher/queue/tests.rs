use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::base::history::Asking;
use crate::base::target::TargetKind;
use crate::dispatcher::blame::Blame;
use crate::dispatcher::bucket::Buckets;
use crate::purger::{Cache, Limits};

const MS: Duration = Duration::from_millis(1);
/// Fails for its target.
const FAILED: Verdict = failed(Blame::Target);
/// Fails as it would at a node that does not answer.
const NO_ANSWER: Verdict = failed(Blame::NodeOrTarget);
const NO_CONNECTION: Verdict = failed(Blame::Node);
const TURNED_AWAY: Verdict = failed(Blame::Load);

const fn failed(blame: Blame) -> Verdict {
    Verdict::Failed {
        blame,
        pause: Duration::ZERO,
    }
}

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    queue: Queue,
    now: Instant,
}

impl Bench {
    /// With a cache that purges URLs, one a request.
    fn new(change: impl FnOnce(&mut Policy)) -> Self {
        Self::with(Cache::new("mine"), &mut Buckets::default(), 0, change)
    }

    fn with(
        cache: Cache,
        buckets: &mut Buckets,
        node: u32,
        change: impl FnOnce(&mut Policy),
    ) -> Self {
        let buckets = buckets.of(cache.account.as_ref(), &cache.capabilities);
        let throttle = Throttle::new(cache.capabilities, buckets, node);
        let mut policy = Policy {
            rebound: None,
            ..Policy::default()
        };
        change(&mut policy);
        Self {
            queue: Queue::new(policy, throttle),
            now: Instant::now(),
        }
    }

    fn ask(&mut self, url: &str) -> &'static str {
        self.ask_as(url, false)
    }

    fn ask_as(&mut self, url: &str, rebound: bool) -> &'static str {
        self.ask_for(&Target::url(url).unwrap(), rebound)
    }

    fn ask_for(&mut self, target: &Target, rebound: bool) -> &'static str {
        let ask = Ask {
            target,
            asking: Asking::of(self.now, &[]),
            rebound,
            ticket: None,
            onward: &ITSELF,
            gathers: false,
        };
        match self.queue.ask(ask, self.now) {
            Asked::New => "new",
            Asked::Instead(_) => "instead",
            Asked::Merged => "merged",
            Asked::Held => "held",
            Asked::Full => "full",
            Asked::Busy => "busy",
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.queue.fire_timers(self.now);
    }

    /// The one target of the next request.
    fn next(&mut self) -> Option<Job> {
        let request = self.queue.next(self.now)?;
        assert!(request.others.is_empty());
        Some(request.first)
    }

    /// The next request, and the texts of its targets.
    fn next_batch(&mut self) -> Option<(Request, Vec<String>)> {
        let request = self.queue.next(self.now)?;
        let texts = request.jobs().map(|job| job.target.to_string()).collect();
        Some((request, texts))
    }

    fn answer_all(&mut self, request: &Request, verdict: Verdict) -> Vec<(Next, Settled)> {
        let lesson = self.queue.learn(request, verdict, self.now);
        for job in &request.covered {
            if verdict == Verdict::Done {
                self.queue.answered(job, &lesson, self.now);
            } else {
                self.queue.uncovered(job);
            }
        }
        let jobs = request.jobs();
        jobs.map(|job| self.queue.answered(job, &lesson, self.now))
            .collect()
    }

    fn sends(&mut self, url: &str) -> Job {
        let job = self.next().expect("a request is due");
        assert_eq!(job.target.as_str(), url);
        job
    }

    fn sends_nothing(&mut self) {
        assert!(self.next().is_none());
    }

    fn answer(&mut self, job: &Job, verdict: Verdict) -> Next {
        self.settle(job, verdict).0
    }

    fn settle(&mut self, job: &Job, verdict: Verdict) -> (Next, Settled) {
        let request = Request {
            first: job.clone(),
            others: Vec::new(),
            covered: Vec::new(),
            group: self.queue.throttle.group(job.target.kind()),
        };
        let lesson = self.queue.learn(&request, verdict, self.now);
        self.queue.answered(job, &lesson, self.now)
    }
}

#[test]
fn a_target_that_waits_is_asked_for_once() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.ask("/a"), "new");
    assert_eq!(bench.ask("/a"), "merged");
    let job = bench.sends("/a");
    bench.sends_nothing();
    assert_eq!(bench.answer(&job, Verdict::Done), Next::Ended);
    assert_eq!(bench.queue.pending(), 0);
    bench.wait(SECOND);
    bench.sends_nothing();
}

#[test]
fn a_target_asked_for_while_in_flight_is_sent_again_after_the_gap() {
    let mut bench = Bench::new(|_| {});
    bench.ask("/a");
    let job = bench.sends("/a");
    bench.wait(MS);
    assert_eq!(bench.ask("/a"), "merged");
    assert_eq!(bench.ask("/a"), "merged");
    bench.answer(&job, Verdict::Done);
    assert_eq!(bench.queue.pending(), 1);
    bench.sends_nothing();
    bench.wait(REPEAT_GAP);
    let job = bench.sends("/a");
    bench.answer(&job, Verdict::Done);
    assert_eq!(bench.queue.pending(), 0);
}

#[test]
fn an_answered_purge_rebounds_once() {
    let mut bench = Bench::new(|policy| policy.rebound = Some(2 * SECOND));
    bench.ask("/a");
    let job = bench.sends("/a");
    bench.answer(&job, Verdict::Done);
    assert_eq!((bench.queue.pending(), bench.queue.rebounds()), (0, 1));
    bench.wait(2 * SECOND - MS);
    bench.sends_nothing();
    bench.wait(MS);
    let job = bench.sends("/a");
    assert!(job.rebound);
    bench.answer(&job, Verdict::Done);
    assert_eq!((bench.queue.pending(), bench.queue.rebounds()), (0, 0));
    bench.wait(10 * SECOND);
    bench.sends_nothing();
}

#[test]
fn an_ask_before_the_rebound_is_sent_at_once_and_puts_the_rebound_off() {
    let mut bench = Bench::new(|policy| policy.rebound = Some(2 * SECOND));
    bench.ask("/a");
    let job = bench.sends("/a");
    bench.answer(&job, Verdict::Done);
    bench.wait(SECOND);
    bench.ask("/a");
    let job = bench.sends("/a");
    assert!(!job.rebound);
    bench.answer(&job, Verdict::Done);
    bench.wait(2 * SECOND - MS);
    bench.sends_nothing();
    bench.wait(MS);
    assert!(bench.sends("/a").rebound);
}

#[test]
fn a_refused_purge_is_neither_retried_nor_repeated() {
    let mut bench = Bench::new(|policy| policy.rebound = Some(2 * SECOND));
    bench.ask("/a");
    let job = bench.sends("/a");
    assert_eq!(bench.answer(&job, Verdict::Refused), Next::Ended);
    bench.wait(10 * SECOND);
    bench.sends_nothing();
}

#[test]
fn a_failed_purge_is_retried_until_it_is_too_old() {
    let mut bench = Bench::new(|policy| policy.max_age = 60 * SECOND);
    bench.ask("/a");
    for attempt in 1..=3 {
        let job = bench.sends("/a");
        assert_eq!(job.attempts, attempt);
        assert_eq!(bench.answer(&job, FAILED), Next::Retry);
        bench.wait(10 * SECOND);
    }
    let job = bench.sends("/a");
    bench.wait(30 * SECOND);
    assert_eq!(bench.answer(&job, FAILED), Next::Dead);
    assert_eq!(bench.queue.pending(), 0);
}

#[test]
fn what_waits_for_a_dead_node_dies_of_age_unless_asked_for_again() {
    let mut bench = Bench::new(|policy| policy.max_age = 60 * SECOND);
    for url in ["/a", "/b", "/c", "/d", "/e"] {
        bench.ask(url);
    }
    let jobs: Vec<_> = std::iter::from_fn(|| bench.next()).take(3).collect();
    for job in &jobs {
        bench.answer(job, NO_ANSWER);
    }
    assert!(bench.queue.is_down());
    bench.wait(59 * SECOND);
    bench.ask("/d");
    bench.wait(SECOND);
    let mut dead: Vec<_> = bench
        .queue
        .expire(bench.now)
        .iter()
        .map(|job| job.target.to_string())
        .collect();
    dead.sort();
    assert_eq!(dead, ["/a", "/b", "/c", "/e"]);
    assert_eq!(bench.queue.pending(), 1);
    assert!(bench.queue.next_due().is_some());
}

#[test]
fn a_node_that_fails_is_probed_by_one_request_at_a_time_and_then_hurried() {
    for failure in [NO_ANSWER, NO_CONNECTION] {
        let mut bench = Bench::new(|_| {});
        for number in 0..20 {
            bench.ask(&format!("/{number}"));
        }
        let jobs: Vec<_> = std::iter::from_fn(|| bench.next()).collect();
        assert_eq!(jobs.len(), 8);
        for job in &jobs {
            bench.answer(job, failure);
        }
        assert!(bench.queue.is_down());
        bench.wait(SECOND);
        for number in [19, 18] {
            // The newest that has not failed, and never one that has.
            let probe = bench.sends(&format!("/{number}"));
            bench.sends_nothing();
            bench.answer(&probe, failure);
            bench.sends_nothing();
            bench.wait(3 * SECOND);
        }
        let probe = bench.sends("/17");
        bench.answer(&probe, Verdict::Done);
        assert!(!bench.queue.is_down());
        let mut sent = 0;
        while let Some(job) = bench.next() {
            bench.answer(&job, Verdict::Done);
            sent += 1;
        }
        assert_eq!(sent, 19, "all others, those that had failed included");
        assert_eq!(bench.queue.pending(), 0);
    }
}

#[test]
fn one_target_too_many_is_not_let_in() {
    let mut bench = Bench::new(|policy| policy.max_waiting = 2);
    assert_eq!(bench.ask("/a"), "new");
    assert_eq!(bench.ask("/b"), "new");
    assert_eq!(bench.ask("/c"), "full");
    assert_eq!(bench.ask("/a"), "merged");
    let job = bench.sends("/a");
    bench.answer(&job, Verdict::Done);
    assert_eq!(bench.ask("/c"), "new");
}

#[test]
fn a_rebound_makes_room_for_a_purge_that_was_never_sent() {
    let mut bench = Bench::new(|policy| {
        policy.max_waiting = 2;
        policy.rebound = Some(SECOND);
    });
    for url in ["/a", "/b"] {
        bench.ask(url);
        let job = bench.sends(url);
        bench.answer(&job, Verdict::Done);
        bench.wait(MS);
    }
    assert_eq!((bench.queue.pending(), bench.queue.rebounds()), (0, 2));
    assert_eq!(bench.ask_as("/c", true), "full");
    let target = Target::url("/c").unwrap();
    let ask = Ask {
        target: &target,
        asking: Asking::of(bench.now, &[]),
        rebound: false,
        ticket: None,
        onward: &ITSELF,
        gathers: false,
    };
    match bench.queue.ask(ask, bench.now) {
        Asked::Instead(evicted) => assert_eq!(evicted.target.as_str(), "/a"),
        other => panic!("{other:?}"),
    }
    assert_eq!((bench.queue.pending(), bench.queue.rebounds()), (1, 1));
    assert_eq!(bench.ask("/d"), "instead");
    assert_eq!(bench.ask("/e"), "full");
}

#[test]
fn a_rebound_asked_for_in_flight_stays_a_rebound() {
    let mut bench = Bench::new(|policy| policy.rebound = Some(SECOND));
    bench.ask_as("/a", true);
    let job = bench.sends("/a");
    assert_eq!(bench.ask_as("/a", true), "merged");
    assert_eq!(bench.queue.pending(), 0);
    bench.answer(&job, Verdict::Done);
    bench.wait(REPEAT_GAP);
    let job = bench.sends("/a");
    assert!(job.rebound);
    bench.answer(&job, Verdict::Done);
    bench.wait(10 * SECOND);
    bench.sends_nothing();
}

#[test]
fn a_target_is_passed_on_once_for_each_ask_that_gets_no_answer() {
    let mut bench = Bench::new(|_| {});
    bench.ask("/a");
    let job = bench.sends("/a");
    bench.answer(&job, FAILED);
    assert!(bench.queue.pass_on(&job));
    bench.wait(SECOND);
    let job = bench.sends("/a");
    bench.answer(&job, FAILED);
    assert!(!bench.queue.pass_on(&job));
    bench.ask("/a");
    bench.ask("/b");
    let mut passed: Vec<_> = bench
        .queue
        .pass_all_on()
        .iter()
        .map(|passed| passed.target.to_string())
        .collect();
    passed.sort();
    assert_eq!(passed, ["/a", "/b"]);
    assert!(bench.queue.pass_all_on().is_empty());
}

#[test]
fn the_end_leaves_nothing() {
    let mut bench = Bench::new(|policy| policy.rebound = Some(SECOND));
    for url in ["/a", "/b", "/c"] {
        bench.ask(url);
    }
    let job = bench.sends("/a");
    bench.answer(&job, Verdict::Done);
    bench.sends("/b");
    assert_eq!(bench.queue.drain(bench.now).len(), 3);
    assert_eq!((bench.queue.pending(), bench.queue.rebounds()), (0, 0));
    assert_eq!(bench.queue.next_due(), None);
}

#[derive(Debug, Clone)]
enum Step {
    Ask(u8, bool),
    Send,
    Answer(usize, u8),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..5u8, any::<bool>()).prop_map(|(target, rebound)| Step::Ask(target, rebound)),
        3 => Just(Step::Send),
        3 => (any::<usize>(), 0..6u8).prop_map(|(which, how)| Step::Answer(which, how)),
        1 => (0..3000u16).prop_map(Step::Wait),
    ]
}

/// Each entry that is ready waits in one lane, once, by whether it has failed; and no other does.
fn lanes_hold_what_is_ready(queue: &Queue) -> Result<(), TestCaseError> {
    let mut waits = HashMap::new();
    let lanes = [(&queue.ready, false), (&queue.retries.ready, true)];
    for (lane, failed) in lanes {
        for place in lane.places() {
            prop_assert!(waits.insert(place as usize, failed).is_none());
        }
    }
    for (place, entry) in &queue.entries {
        let expected = (entry.phase == Phase::Ready).then_some(entry.failed);
        prop_assert_eq!(waits.remove(&place), expected);
    }
    prop_assert!(waits.is_empty());
    Ok(())
}

proptest! {
    /// Promise 3: whatever happens meanwhile, the last ask of a target is followed by a request
    /// that starts after it.
    #[test]
    fn the_last_ask_is_followed_by_a_request(
        steps in prop::collection::vec(step(), 0..200),
        rebound in any::<bool>(),
    ) {
        let mut bench = Bench::new(|policy| {
            policy.rebound = rebound.then_some(SECOND);
            policy.max_age = 1_000_000 * SECOND;
            policy.concurrency = 2;
        });
        let mut clock = 0_u64;
        let mut asks = HashMap::new();
        let mut starts = HashMap::new();
        let mut flying: Vec<(Job, u64)> = Vec::new();
        let mut land = |bench: &mut Bench, (job, start): (Job, u64), verdict| {
            bench.answer(&job, verdict);
            if matches!(verdict, Verdict::Done | Verdict::Refused) {
                starts.insert(job.target.to_string(), start);
            }
        };
        for step in steps {
            clock += 1;
            match step {
                Step::Ask(target, rebound) => {
                    let url = format!("/{target}");
                    let target = Target::url(&url).unwrap();
                    let ask = Ask { target: &target, asking: Asking::of(bench.now, &[]), rebound, ticket: None, onward: &ITSELF, gathers: false };
                    bench.queue.ask(ask, bench.now);
                    asks.insert(url, clock);
                }
                Step::Send => flying.extend(bench.next().map(|job| (job, clock))),
                Step::Answer(which, how) if !flying.is_empty() => {
                    let flight = flying.swap_remove(which % flying.len());
                    let verdicts =
                        [Verdict::Done, Verdict::Refused, FAILED, NO_ANSWER, NO_CONNECTION, TURNED_AWAY];
                    let verdict = verdicts[how as usize];
                    // A refusal ends a purge for good, so it cannot stand for a late request.
                    land(&mut bench, flight, verdict);
                }
                Step::Answer(..) => {}
                Step::Wait(ms) => bench.wait(MS * u32::from(ms)),
            }
            let fresh = bench.queue.entries.iter().filter(|(_, entry)| entry.is_fresh()).count();
            prop_assert_eq!(fresh, bench.queue.pending());
            lanes_hold_what_is_ready(&bench.queue)?;
        }
        for _ in 0..1000 {
            clock += 1;
            for flight in mem::take(&mut flying) {
                land(&mut bench, flight, Verdict::Done);
            }
            flying.extend(bench.next().map(|job| (job, clock)));
            if flying.is_empty() {
                match bench.queue.next_due() {
                    Some(due) if bench.queue.pending() + bench.queue.rebounds() > 0 => {
                        let time = due.saturating_duration_since(bench.now);
                        bench.wait(time);
                    }
                    _ => break,
                }
            }
        }
        prop_assert_eq!(bench.queue.pending() + bench.queue.rebounds(), 0);
        prop_assert!(bench.queue.entries.is_empty() && bench.queue.timers.is_empty());
        prop_assert!(bench.queue.ready.is_empty() && bench.queue.index.is_empty());
        prop_assert!(bench.queue.retries.ready.is_empty());
        for (url, ask) in asks {
            prop_assert!(starts.get(&url) > Some(&ask), "{} asked at {}", url, ask);
        }
    }
}

mod batches;
mod covered;
mod onward;
mod paused;
mod rates;
mod starvation;
mod tickets;
