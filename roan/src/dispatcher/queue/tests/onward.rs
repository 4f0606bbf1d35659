//! What the next cache is asked for, and how it gathers that.

use super::*;
use crate::dispatcher::tickets::{Row, Tickets};

fn tag(name: &str) -> Target {
    Target::tag(name).unwrap()
}

fn url(path: &str) -> Target {
    Target::url(path).unwrap()
}

impl Bench {
    /// Asks for a page because of this target.
    fn ask_because(&mut self, page: &str, target: &Target) -> Asked {
        let page = url(page);
        let ask = Ask {
            target: &page,
            asking: Asking::of(self.now, &[]),
            rebound: false,
            ticket: None,
            onward: &Onward::of_page(&page, target),
            gathers: false,
        };
        self.queue.ask(ask, self.now)
    }

    /// Asks for a target as an earlier cache does.
    fn ask_gathering(&mut self, target: &Target, gathers: bool) -> Asked {
        let ask = Ask {
            target,
            asking: Asking::of(self.now, &[]),
            rebound: false,
            ticket: None,
            onward: &ITSELF,
            gathers,
        };
        self.queue.ask(ask, self.now)
    }

    /// Answers the next request, and returns what the next cache is asked for.
    fn hands_on(&mut self, verdict: Verdict) -> Vec<String> {
        let job = self.next().expect("a request is due");
        let (_, settled) = self.settle(&job, verdict);
        let targets = settled.onward.targets(&job.target);
        targets.map(ToString::to_string).collect()
    }
}

#[test]
fn a_page_of_a_tag_hands_the_tag_on_and_one_that_was_asked_for_itself_both() {
    for verdict in [Verdict::Done, Verdict::Refused, FAILED] {
        let mut bench = Bench::new(|_| {});
        bench.ask_because("/a", &tag("x"));
        assert_eq!(bench.hands_on(verdict), ["tag x"], "{verdict:?}");
        bench.ask_because("/b", &tag("x"));
        bench.ask("/b");
        bench.ask_because("/b", &tag("y"));
        bench.ask_because("/b", &tag("x"));
        assert_eq!(bench.hands_on(verdict), ["tag x", "tag y", "/b"]);
        bench.ask("/c");
        assert_eq!(bench.hands_on(verdict), ["/c"]);
    }
}

#[test]
fn the_second_purge_hands_the_same_on_and_what_comes_later_nothing_of_it() {
    let mut bench = Bench::new(|policy| policy.rebound = Some(SECOND));
    bench.ask_because("/a", &tag("x"));
    assert_eq!(bench.hands_on(Verdict::Done), ["tag x"]);
    bench.wait(SECOND);
    assert_eq!(bench.hands_on(Verdict::Done), ["tag x"]);
    bench.ask("/a");
    assert_eq!(bench.hands_on(Verdict::Done), ["/a"]);
}

#[test]
fn what_is_asked_for_in_flight_is_handed_on_by_the_request_that_serves_it() {
    let mut bench = Bench::new(|_| {});
    bench.ask_because("/a", &tag("x"));
    let job = bench.sends("/a");
    bench.ask("/a");
    bench.answer(&job, Verdict::Done);
    bench.wait(REPEAT_GAP);
    assert_eq!(bench.hands_on(Verdict::Done), ["tag x", "/a"]);
}

#[test]
fn with_too_many_tags_the_page_itself_is_handed_on() {
    let mut bench = Bench::new(|_| {});
    for number in 0..100 {
        bench.ask_because("/a", &tag(&format!("t-{number}")));
    }
    let handed_on = bench.hands_on(Verdict::Done);
    assert!(handed_on.len() < 10, "{handed_on:?}");
    assert_eq!(handed_on.last().unwrap(), "/a");
}

#[test]
fn an_area_serves_the_pages_that_a_cache_finds_below_it() {
    let docs = Target::prefix("/docs/").unwrap();
    let shop = Target::host().at_site("shop");
    for (page, target, itself) in [
        (url("/docs/a"), &docs, false),
        // The index knows it as a page below, and a cache may not.
        (url("//docs//a"), &docs, true),
        (url("/docs/a").at_site("shop"), &docs, true),
        (url("/a").at_site("shop"), &shop, false),
        (url("/a"), &shop, true),
        (url("/a").at_site("shop"), &Target::everything(), false),
        // Another spelling of the page.
        (url("/a?x"), &url("/a"), true),
    ] {
        let onward = Onward::of_page(&page, target);
        assert_eq!(onward == ITSELF, itself, "{page} for {target}");
    }
}

#[test]
fn pages_are_awaited_until_the_last_one_is_answered() {
    let mut bench = Bench::new(|policy| policy.rebound = Some(SECOND));
    let (x, y) = (tag("x"), tag("y"));
    for page in ["/a", "/b", "/c"] {
        bench.ask_because(page, &x);
    }
    bench.ask_because("/c", &y);
    let awaits = |bench: &Bench, target, rebounds| bench.queue.awaits(target, rebounds);
    for page in ["/a", "/b"] {
        let job = bench.sends(page);
        bench.answer(&job, Verdict::Done);
        assert!(awaits(&bench, &x, false) && awaits(&bench, &x, true));
    }
    let job = bench.sends("/c");
    assert!(awaits(&bench, &y, false));
    bench.answer(&job, Verdict::Done);
    assert!(!awaits(&bench, &x, false) && !awaits(&bench, &y, false));
    bench.wait(SECOND);
    for page in ["/a", "/b", "/c"] {
        assert!(awaits(&bench, &x, true));
        let job = bench.sends(page);
        bench.answer(&job, Verdict::Done);
    }
    assert!(!awaits(&bench, &x, true) && !awaits(&bench, &y, true));
}

#[test]
fn a_tag_takes_along_the_pages_that_are_purged_for_it_alone() {
    let kinds = [TargetKind::Url, TargetKind::Tag];
    let cache = Cache::new("mine").purges(kinds, Limits::new());
    let mut bench = Bench::with(cache, &mut Buckets::default(), 0, |_| {});
    let (x, y) = (tag("x"), tag("y"));
    for verdict in [Verdict::Done, FAILED] {
        bench.ask_for(&x, false);
        for page in ["/a", "/b", "/itself", "/both"] {
            bench.ask_because(page, &x);
        }
        bench.ask("/itself");
        bench.ask_because("/both", &y);
        bench.ask_because("/other", &y);
        let (request, sent) = bench.next_batch().expect("the tag");
        assert_eq!(sent, ["tag x"]);
        assert_eq!(
            texts_of(&request.covered),
            [("/a", false), ("/b", false)].map(|(page, is)| (page.to_owned(), is))
        );
        assert!(bench.queue.awaits(&x, false));
        bench.answer_all(&request, verdict);
        let mut left: Vec<_> = std::iter::from_fn(|| bench.next()).collect();
        for job in &left {
            bench.answer(job, Verdict::Done);
        }
        left.sort_by_key(|job| job.target.to_string());
        let left: Vec<_> = left.iter().map(|job| job.target.as_str()).collect();
        let pages = ["/a", "/b", "/both", "/itself", "/other"];
        assert_eq!(
            left,
            if verdict == Verdict::Done {
                &pages[2..]
            } else {
                &pages
            }
        );
        bench.wait(60 * SECOND);
        while let Some(job) = bench.next() {
            bench.answer(&job, Verdict::Done);
        }
        assert_eq!(bench.queue.pending(), 0);
        assert!(bench.queue.awaited.counts().is_empty());
    }
}

#[test]
fn what_fails_or_is_down_is_not_awaited() {
    let mut bench = Bench::new(|_| {});
    let x = tag("x");
    bench.ask_because("/bad", &x);
    bench.ask_because("/good", &x);
    let bad = bench.sends("/bad");
    bench.answer(&bad, FAILED);
    assert!(bench.queue.awaits(&x, false));
    let good = bench.sends("/good");
    bench.answer(&good, Verdict::Done);
    assert!(!bench.queue.awaits(&x, false));

    let mut bench = Bench::new(|policy| policy.concurrency = 8);
    for page in ["/a", "/b", "/c", "/d"] {
        bench.ask_because(page, &x);
    }
    let jobs = [bench.sends("/a"), bench.sends("/b"), bench.sends("/c")];
    for job in &jobs {
        bench.answer(job, NO_CONNECTION);
    }
    assert!(bench.queue.is_down() && !bench.queue.awaits(&x, false));
    // All are handed on at once, those that failed as well; and once more when they are answered.
    let handed_on = bench.queue.pass_all_on();
    assert!(
        handed_on
            .iter()
            .all(|passed| passed.onward.broader() == [tag("x")])
    );
    assert_eq!(handed_on.len(), 4);
    assert!(bench.queue.pass_all_on().is_empty());
    bench.wait(60 * SECOND);
    assert_eq!(bench.hands_on(Verdict::Done), ["tag x"]);
}

#[test]
fn what_died_of_age_says_whether_it_was_handed_on() {
    let mut bench = Bench::new(|policy| (policy.max_age, policy.concurrency) = (SECOND, 1));
    bench.ask_because("/in-flight", &tag("x"));
    let job = bench.sends("/in-flight");
    bench.ask_because("/waits", &tag("x"));
    bench.wait(2 * SECOND);
    let dead = bench.queue.expire(bench.now);
    assert_eq!(texts_of(&dead), [("/waits".to_owned(), false)]);
    assert_eq!(dead[0].onward.broader(), [tag("x")]);
    bench.answer(&job, Verdict::Done);
    assert!(!bench.queue.awaits(&tag("x"), false));
}

fn texts_of(jobs: &[Job]) -> Vec<(String, bool)> {
    let jobs = jobs.iter();
    jobs.map(|job| (job.target.to_string(), job.passed_on))
        .collect()
}

#[test]
fn what_others_will_follow_waits_for_the_last_of_them() {
    let mut bench = Bench::new(|_| {});
    let x = tag("x");
    bench.ask_gathering(&x, true);
    for _ in 0..9 {
        bench.wait(GATHERING / 10);
        bench.sends_nothing();
        bench.ask_gathering(&x, true);
    }
    bench.ask_gathering(&x, false);
    let job = bench.sends("x");
    bench.answer(&job, Verdict::Done);
    bench.wait(10 * SECOND);
    bench.sends_nothing();
}

#[test]
fn what_is_gathered_leaves_in_time_however_many_follow() {
    let mut bench = Bench::new(|_| {});
    let x = tag("x");
    let mut sent = 0;
    for _ in 0..1000 {
        bench.ask_gathering(&x, true);
        if let Some(job) = bench.next() {
            sent += 1;
            bench.answer(&job, Verdict::Done);
        }
        bench.wait(10 * MS);
    }
    assert!((9..=10).contains(&sent), "{sent} requests in ten seconds");
    bench.wait(GATHERING);
    bench.sends("x");
}

#[test]
fn asks_that_come_in_flight_are_gathered_for_the_next_request() {
    let mut bench = Bench::new(|_| {});
    let x = tag("x");
    for last_one_comes in [true, false] {
        bench.ask_gathering(&x, false);
        let job = bench.sends("x");
        bench.ask_gathering(&x, true);
        if last_one_comes {
            bench.ask_gathering(&x, false);
        }
        bench.ask_gathering(&x, true);
        bench.answer(&job, Verdict::Done);
        bench.wait(REPEAT_GAP);
        if !last_one_comes {
            bench.sends_nothing();
            bench.wait(GATHERING);
        }
        let job = bench.sends("x");
        bench.answer(&job, Verdict::Done);
        assert_eq!(bench.queue.pending(), 0);
        bench.wait(SECOND);
    }
}

#[test]
fn gathering_takes_the_place_of_a_rebound_and_has_one_of_its_own() {
    let mut bench = Bench::new(|policy| policy.rebound = Some(2 * SECOND));
    let x = tag("x");
    bench.ask_gathering(&x, false);
    let job = bench.sends("x");
    bench.answer(&job, Verdict::Done);
    bench.wait(SECOND + SECOND / 2);
    bench.ask_gathering(&x, true);
    assert_eq!(bench.queue.pending(), 1);
    // The rebound would leave now, and those that follow are not there yet.
    bench.wait(SECOND / 2);
    bench.sends_nothing();
    bench.wait(SECOND / 2);
    let job = bench.sends("x");
    assert!(!job.rebound);
    bench.answer(&job, Verdict::Done);
    bench.wait(2 * SECOND);
    assert!(bench.sends("x").rebound);
}

#[test]
fn the_last_of_those_that_follow_does_not_hurry_what_has_failed() {
    let mut bench = Bench::new(|policy| policy.backoff_base = 10 * SECOND);
    let x = tag("x");
    bench.ask_gathering(&x, false);
    let job = bench.sends("x");
    bench.answer(&job, FAILED);
    let due = bench.queue.next_due();
    bench.ask_gathering(&x, true);
    bench.ask_gathering(&x, false);
    assert_eq!(bench.queue.next_due(), due);
    bench.sends_nothing();
}

#[test]
fn a_ticket_that_asks_again_for_what_waits_is_held_once() {
    let tickets = Tickets::default();
    let [a, b] = [1, 2].map(|id| tickets.open(Row::Purge(id), 0, None));
    let mut bench = Bench::new(|policy| policy.rebound = Some(SECOND));
    assert!(matches!(bench.ask_with("/a", a), Asked::New));
    assert!(matches!(bench.ask_with("/a", b), Asked::Merged));
    for ticket in [a, b, a] {
        assert!(matches!(bench.ask_with("/a", ticket), Asked::Held));
    }
    let job = bench.sends("/a");
    // The request has left, so that it may be too early for this one.
    assert!(matches!(bench.ask_with("/a", a), Asked::Merged));
    assert!(matches!(bench.ask_with("/a", a), Asked::Held));
    assert_eq!(bench.settle(&job, Verdict::Done).1.served, [a, b]);
    // Its second purge is due, and a first one is asked for.
    assert!(matches!(bench.ask_with("/a", b), Asked::Merged));
    bench.wait(REPEAT_GAP);
    let job = bench.sends("/a");
    assert_eq!(bench.settle(&job, Verdict::Done).1.done, []);
    bench.wait(SECOND);
    let job = bench.sends("/a");
    let mut done = bench.settle(&job, Verdict::Done).1.done;
    done.sort_by_key(|ticket| *ticket == b);
    assert_eq!(done, [a, a, b, b]);
    assert_eq!(bench.queue.rebounds(), 0);
}

proptest! {
    /// Whatever happens, the counts are those of the entries.
    #[test]
    fn no_page_is_awaited_for_ever(steps in prop::collection::vec((0u8..12, 0u8..4, 0u8..3), 0..200)) {
        let mut bench = Bench::new(|policy| {
            policy.rebound = Some(SECOND);
            policy.max_age = 20 * SECOND;
            policy.max_waiting = 5;
        });
        let mut requests = Vec::new();
        for (what, page, name) in steps {
            let path = format!("/{page}");
            match what {
                0..=3 => _ = bench.ask_because(&path, &tag(&format!("t-{name}"))),
                4 => _ = bench.ask(&path),
                5..=6 => requests.extend(bench.queue.next(bench.now)),
                7 => bench.wait(SECOND),
                8 => _ = bench.queue.expire(bench.now),
                9..=11 if !requests.is_empty() => {
                    let request = requests.remove(0);
                    let verdict = [Verdict::Done, FAILED, NO_CONNECTION][usize::from(name)];
                    bench.answer_all(&request, verdict);
                }
                _ => {}
            }
            let mut counts: HashMap<Target, [usize; 2]> = HashMap::new();
            for (_, entry) in &bench.queue.entries {
                for target in entry.onward.broader() {
                    if !entry.failed {
                        counts.entry(target.clone()).or_default()[usize::from(!entry.is_fresh())] += 1;
                    }
                }
            }
            prop_assert_eq!(bench.queue.awaited.counts(), &counts);
        }
        bench.queue.drain(bench.now);
        prop_assert!(bench.queue.awaited.counts().is_empty());
    }
}
