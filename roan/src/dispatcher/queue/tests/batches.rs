//! Requests for several targets.

use super::*;
use crate::dispatcher::tickets::{Row, Tickets};

/// A node whose cache takes so many URLs or tags in a request.
fn node(batch: usize, change: impl FnOnce(&mut Policy)) -> Bench {
    let cache = Cache::new("mine").purges(
        [TargetKind::Url, TargetKind::Tag],
        Limits::new().batch(batch),
    );
    Bench::with(cache, &mut Buckets::default(), 0, change)
}

fn tag(name: &str) -> Target {
    Target::tag(name).unwrap()
}

impl Bench {
    fn sends_batch(&mut self, texts: &[&str]) -> Request {
        let (request, sent) = self.next_batch().expect("a request is due");
        assert_eq!(sent, texts);
        request
    }

    /// Answers what is due until nothing is left. `verdict` takes the targets of a request.
    fn run(&mut self, verdict: impl Fn(&[String]) -> Verdict) -> Vec<Vec<String>> {
        let mut requests = Vec::new();
        while self.queue.pending() > 0 {
            match self.next_batch() {
                Some((request, texts)) => {
                    self.answer_all(&request, verdict(&texts));
                    requests.push(texts);
                    assert!(requests.len() < 1000, "without end");
                }
                None => {
                    let due = self.queue.next_due().expect("some wait");
                    self.wait(due.saturating_duration_since(self.now));
                }
            }
        }
        requests
    }
}

#[test]
fn what_waits_leaves_together_up_to_the_limit() {
    let mut bench = node(3, |_| {});
    for url in ["/a", "/b", "/c", "/d"] {
        bench.ask(url);
    }
    let first = bench.sends_batch(&["/a", "/b", "/c"]);
    let second = bench.sends_batch(&["/d"]);
    assert_eq!(bench.queue.in_flight(), 2, "requests, not targets");
    assert_eq!(bench.queue.pending(), 4);
    bench.answer_all(&first, Verdict::Done);
    bench.answer_all(&second, Verdict::Done);
    assert_eq!((bench.queue.in_flight(), bench.queue.pending()), (0, 0));
}

#[test]
fn a_lone_purge_does_not_wait_for_others() {
    let mut bench = node(100, |_| {});
    bench.ask("/a");
    bench.sends_batch(&["/a"]);
}

#[test]
fn a_request_has_one_kind_and_one_site() {
    let mut bench = node(100, |_| {});
    let shop = |url: &str| Target::url(url).unwrap().at_site("shop");
    for number in 0..2 {
        bench.ask(&format!("/{number}"));
        bench.ask_for(&tag(&format!("t{number}")), false);
        bench.ask_for(&shop(&format!("/{number}")), false);
    }
    bench.sends_batch(&["/0", "/1"]);
    bench.sends_batch(&["tag t0", "tag t1"]);
    bench.sends_batch(&["/0 at site shop", "/1 at site shop"]);
    assert!(bench.next_batch().is_none());
}

#[test]
fn classes_take_turns() {
    let mut bench = node(2, |_| {});
    for number in 0..6 {
        bench.ask(&format!("/{number}"));
    }
    bench.ask_for(&tag("t"), false);
    bench.sends_batch(&["/0", "/1"]);
    bench.sends_batch(&["tag t"]);
    bench.sends_batch(&["/2", "/3"]);
}

#[test]
fn a_rebound_and_a_fresh_purge_may_share_a_request() {
    let mut bench = node(10, |policy| policy.rebound = Some(SECOND));
    bench.ask("/a");
    let request = bench.sends_batch(&["/a"]);
    bench.answer_all(&request, Verdict::Done);
    bench.wait(SECOND);
    bench.ask("/b");
    let request = bench.sends_batch(&["/a", "/b"]);
    assert!(request.first.rebound && !request.others[0].rebound);
    bench.answer_all(&request, Verdict::Done);
    assert_eq!((bench.queue.pending(), bench.queue.rebounds()), (0, 1));
    bench.wait(SECOND);
    bench.sends_batch(&["/b"]);
}

#[test]
fn a_target_asked_for_while_its_batch_is_in_flight_is_sent_again() {
    let mut bench = node(10, |_| {});
    bench.ask("/a");
    bench.ask("/b");
    let request = bench.sends_batch(&["/a", "/b"]);
    bench.ask("/b");
    bench.answer_all(&request, Verdict::Done);
    assert!(bench.next_batch().is_none(), "before the gap is over");
    bench.wait(REPEAT_GAP);
    bench.sends_batch(&["/b"]);
}

#[test]
fn one_bad_target_of_a_batch_is_found_and_ends_alone() {
    let mut bench = node(100, |_| {});
    for number in 0..100 {
        bench.ask(&format!("/{number}"));
    }
    let requests = bench.run(|texts| {
        if texts.iter().any(|text| text == "/37") {
            Verdict::Refused
        } else {
            Verdict::Done
        }
    });
    let refused = requests
        .iter()
        .filter(|texts| texts.contains(&"/37".to_owned()));
    let sizes: Vec<_> = refused.map(Vec::len).collect();
    assert_eq!(sizes, [100, 50, 25, 13, 6, 3, 1]);
    assert_eq!(requests.len(), 13);
    let served: usize = requests
        .iter()
        .filter(|texts| !texts.contains(&"/37".to_owned()))
        .map(Vec::len)
        .sum();
    assert_eq!(served, 99, "each of the others once");
}

#[test]
fn a_refused_batch_settles_no_ticket_and_no_ask() {
    let tickets = Tickets::default();
    let [a, b, c] = [1, 2, 3].map(|id| tickets.open(Row::Purge(id), 0, None));
    let mut bench = node(10, |_| {});
    bench.ask_with("/a", a);
    bench.ask_with("/b", b);
    let request = bench.sends_batch(&["/a", "/b"]);
    // Served by the request to come.
    bench.ask_with("/a", c);
    for (next, settled) in bench.answer_all(&request, Verdict::Refused) {
        assert_eq!((next, settled), (Next::Divided, Settled::default()));
    }
    bench.wait(REPEAT_GAP);
    let request = bench.sends_batch(&["/a"]);
    let answers = bench.answer_all(&request, Verdict::Refused);
    assert_eq!(answers[0].0, Next::Ended);
    assert_eq!(answers[0].1.served, [a, c]);
    let request = bench.sends_batch(&["/b"]);
    let answers = bench.answer_all(&request, Verdict::Done);
    assert_eq!(answers[0].1.done, [b]);
    assert_eq!(bench.queue.pending(), 0);
}

#[test]
fn a_batch_that_is_denied_whatever_is_in_it_is_over() {
    let tickets = Tickets::default();
    let [a, b] = [1, 2].map(|id| tickets.open(Row::Purge(id), 0, None));
    let mut bench = node(10, |_| {});
    bench.ask_with("/a", a);
    bench.ask_with("/b", b);
    let request = bench.sends_batch(&["/a", "/b"]);
    // Served by the request to come.
    bench.ask_with("/b", a);
    let answers = bench.answer_all(&request, Verdict::Denied);
    for ((next, settled), ticket) in answers.iter().zip([a, b]) {
        assert_eq!((next, &settled.served[..]), (&Next::Ended, &[ticket][..]));
        assert_eq!(settled.done, []);
    }
    bench.wait(REPEAT_GAP);
    let request = bench.sends_batch(&["/b"]);
    bench.answer_all(&request, Verdict::Done);
    assert_eq!(bench.queue.pending(), 0);
}

#[test]
fn a_target_that_fails_its_batches_takes_no_others_down_for_ever() {
    for failure in [FAILED, NO_ANSWER, TURNED_AWAY] {
        let mut bench = node(64, |policy| policy.max_age = 3600 * SECOND);
        for number in 0..64 {
            bench.ask(&format!("/{number}"));
        }
        let requests = bench.run(|texts| {
            if texts.len() > 1 && texts.iter().any(|text| text == "/37") {
                failure
            } else {
                // Alone it is purged, so that the run ends.
                Verdict::Done
            }
        });
        assert!(requests.len() <= 15, "{requests:?}");
    }
}

#[test]
fn a_failure_that_no_target_can_have_caused_divides_nothing() {
    for failure in [NO_CONNECTION, failed(Blame::Rate)] {
        let mut bench = node(64, |_| {});
        for number in 0..64 {
            bench.ask(&format!("/{number}"));
        }
        for _ in 0..2 {
            let (request, _) = bench.next_batch().expect("all of them");
            assert_eq!(request.len(), 64);
            bench.answer_all(&request, failure);
            bench.wait(60 * SECOND);
        }
    }
}

#[test]
fn a_target_that_failed_its_batch_is_known_when_the_database_gives_it_back() {
    let tickets = Tickets::default();
    let open = || tickets.open(Row::Purge(1), 0, None);
    let mut bench = node(4, |_| {});
    let all = ["/a", "/b", "/c", "/d"];
    for url in all {
        bench.ask_with(url, open());
    }
    let request = bench.sends_batch(&all);
    for (next, _) in bench.answer_all(&request, FAILED) {
        assert_eq!(next, Next::Deferred);
    }
    bench.wait(SECOND);
    for url in all {
        bench.ask_with(url, open());
    }
    let request = bench.sends_batch(&["/a", "/b"]);
    bench.answer_all(&request, Verdict::Done);
    bench.ask_with("/a", open());
    bench.sends_batch(&["/a"]);
    bench.sends_batch(&["/c", "/d"]);
}

#[test]
fn a_request_has_no_more_targets_than_each_of_them_may_share_it_with() {
    let tickets = Tickets::default();
    let open = || tickets.open(Row::Purge(1), 0, None);
    let mut bench = node(4, |_| {});
    for url in ["/x", "/y"] {
        bench.ask_with(url, open());
    }
    let request = bench.sends_batch(&["/x", "/y"]);
    bench.answer_all(&request, FAILED);
    bench.wait(SECOND);
    // From another run of the program: nothing is known of what it failed of.
    let ask = Ask {
        target: &Target::url("/a").unwrap(),
        asking: Asking::of(bench.now, &[]),
        rebound: false,
        ticket: Some((open(), 1)),
        onward: &ITSELF,
        gathers: false,
    };
    bench.queue.ask(ask, bench.now);
    bench.ask_with("/x", open());
    let request = bench.sends_batch(&["/a"]);
    bench.answer_all(&request, Verdict::Done);
    bench.sends_batch(&["/x"]);
}

#[test]
fn a_node_that_is_down_is_probed_with_one_target() {
    let mut bench = node(10, |policy| policy.concurrency = 3);
    for number in 0..40 {
        bench.ask(&format!("/{number}"));
    }
    let requests: Vec<_> = std::iter::from_fn(|| bench.next_batch()).collect();
    assert_eq!(requests.len(), 3);
    for (request, _) in &requests {
        bench.answer_all(request, NO_CONNECTION);
    }
    assert!(bench.queue.is_down());
    bench.wait(3 * SECOND);
    let probe = bench.sends_batch(&["/39"]);
    bench.answer_all(&probe, Verdict::Done);
    let (request, _) = bench.next_batch().expect("all others");
    assert_eq!(request.len(), 10);
}

proptest! {
    /// Promise 3 with batches: the last ask of a target is followed by a request that starts after it, whatever happens
    /// meanwhile; requests do not mix kinds or sites, and no more leave than the rate allows.
    #[test]
    fn the_last_ask_is_followed_by_a_request_for_it(
        steps in prop::collection::vec(step(), 0..200),
        rebound in any::<bool>(),
        by_target in any::<bool>(),
        batch in 1..5_usize,
    ) {
        const BURST: usize = 6;
        let mut limits = Limits::new().batch(batch).rate(5.0).burst(6);
        if by_target {
            limits = limits.by_target();
        }
        let cache = Cache::new("mine")
            .purges([TargetKind::Tag], limits)
            .purges([TargetKind::Url, TargetKind::Host], Limits::new().batch(3));
        let mut bench = Bench::with(cache, &mut Buckets::default(), 0, |policy| {
            policy.rebound = rebound.then_some(SECOND);
            policy.max_age = 1_000_000 * SECOND;
            policy.concurrency = 4;
        });
        let targets = [
            tag("a"),
            tag("b"),
            tag("c"),
            tag("d"),
            Target::url("/a").unwrap(),
            Target::url("/b").unwrap(),
            tag("e").at_site("shop"),
            Target::host(),
        ];
        let mut clock = 0_u64;
        let mut asks = HashMap::new();
        let mut starts = HashMap::new();
        let mut flying: Vec<(Request, u64)> = Vec::new();
        let mut tokens: Vec<(Instant, usize)> = Vec::new();
        let mut land = |bench: &mut Bench, (request, start): (Request, u64), verdict| {
            for (job, (next, _)) in request.jobs().zip(bench.answer_all(&request, verdict)) {
                if next == Next::Ended {
                    starts.insert(job.target.to_string(), start);
                }
            }
            for job in request.covered.iter().filter(|_| verdict == Verdict::Done) {
                starts.insert(job.target.to_string(), start);
            }
        };
        let mut send = |bench: &mut Bench, clock: u64| -> Result<_, TestCaseError> {
            let Some(request) = bench.queue.next(bench.now) else {
                return Ok(None);
            };
            let of = |job: &Job| (job.target.kind(), job.target.site().map(str::to_owned));
            let class = of(&request.first);
            prop_assert!(request.jobs().all(|job| of(job) == class));
            let most = if class.0 == TargetKind::Tag { batch } else { 3 };
            prop_assert!(request.len() <= most);
            if class.0 == TargetKind::Tag {
                tokens.push((bench.now, if by_target { request.len() } else { 1 }));
                for (from, (start, _)) in tokens.iter().enumerate() {
                    let used: usize = tokens[from..].iter().map(|(_, tokens)| tokens).sum();
                    let window = (bench.now - *start).as_secs_f64();
                    prop_assert!(used as f64 <= BURST as f64 + window * 5.0 + 1e-6);
                }
            }
            Ok(Some((request, clock)))
        };
        for step in steps {
            clock += 1;
            match step {
                Step::Ask(number, rebound) => {
                    let target = &targets[usize::from(number) + usize::from(clock.is_multiple_of(4)) * 3];
                    bench.ask_for(target, rebound);
                    asks.insert(target.to_string(), clock);
                }
                Step::Send => flying.extend(send(&mut bench, clock)?),
                Step::Answer(which, how) if !flying.is_empty() => {
                    let flight = flying.swap_remove(which % flying.len());
                    let verdicts =
                        [Verdict::Done, Verdict::Refused, FAILED, NO_ANSWER, NO_CONNECTION, failed(Blame::Rate)];
                    land(&mut bench, flight, verdicts[how as usize]);
                }
                Step::Answer(..) => {}
                Step::Wait(ms) => bench.wait(MS * u32::from(ms)),
            }
            let fresh = bench.queue.entries.iter().filter(|(_, entry)| entry.is_fresh()).count();
            prop_assert_eq!(fresh, bench.queue.pending());
            prop_assert_eq!(flying.len(), bench.queue.in_flight());
            lanes_hold_what_is_ready(&bench.queue)?;
        }
        for _ in 0..1000 {
            clock += 1;
            for flight in mem::take(&mut flying) {
                land(&mut bench, flight, Verdict::Done);
            }
            flying.extend(send(&mut bench, clock)?);
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
        prop_assert!(bench.queue.entries.is_empty() && bench.queue.timers.is_empty());
        prop_assert!(bench.queue.ready.is_empty() && bench.queue.index.is_empty());
        prop_assert!(bench.queue.retries.ready.is_empty());
        for (target, ask) in asks {
            prop_assert!(starts.get(&target) > Some(&ask), "{} asked at {}", target, ask);
        }
    }
}
