//! Purges with a ticket: they come from a durable outbox, and failures go back to it.

use super::*;
use crate::dispatcher::tickets::{Row, Ticket, Tickets};

impl Bench {
    pub(super) fn ask_with(&mut self, url: &str, ticket: Ticket) -> Asked {
        let ask = Ask {
            target: &Target::url(url).unwrap(),
            asking: Asking::of(self.now, &[]),
            rebound: false,
            ticket: Some((ticket, 0)),
            onward: &ITSELF,
            gathers: false,
        };
        self.queue.ask(ask, self.now)
    }

    fn settles(&mut self, job: &Job, verdict: Verdict) -> (Vec<Ticket>, Vec<Ticket>) {
        let (_, settled) = self.settle(job, verdict);
        (settled.done, settled.served)
    }
}

fn some() -> [Ticket; 3] {
    let tickets = Tickets::default();
    [1, 2, 3].map(|id| tickets.open(Row::Purge(id), 0, None))
}

#[test]
fn one_answer_settles_all_tickets_that_waited() {
    let [a, b, c] = some();
    let mut bench = Bench::new(|_| {});
    bench.ask_with("/a", a);
    bench.ask_with("/a", b);
    let job = bench.sends("/a");
    bench.ask_with("/a", c);
    assert_eq!(bench.settles(&job, Verdict::Done), (vec![a, b], vec![a, b]));
    bench.wait(SECOND);
    let job = bench.sends("/a");
    assert_eq!(bench.settles(&job, Verdict::Done), (vec![c], vec![c]));
    assert_eq!(bench.queue.pending(), 0);
}

#[test]
fn a_ticket_is_settled_by_the_rebound() {
    let [a, ..] = some();
    let mut bench = Bench::new(|policy| policy.rebound = Some(SECOND));
    bench.ask_with("/a", a);
    let job = bench.sends("/a");
    assert_eq!(bench.settles(&job, Verdict::Done), (vec![], vec![a]));
    bench.wait(SECOND);
    let job = bench.sends("/a");
    assert_eq!(bench.settles(&job, Verdict::Done), (vec![a], vec![a]));
    assert_eq!((bench.queue.pending(), bench.queue.rebounds()), (0, 0));
}

#[test]
fn the_tickets_of_a_page_that_is_saved_all_the_time_are_settled() {
    let [a, b, c] = some();
    let mut bench = Bench::new(|policy| policy.rebound = Some(SECOND));
    bench.ask_with("/a", a);
    let job = bench.sends("/a");
    bench.settles(&job, Verdict::Done);
    bench.wait(SECOND / 2);
    bench.ask_with("/a", b);
    let job = bench.sends("/a");
    assert_eq!(bench.settles(&job, Verdict::Done).0, vec![]);
    bench.wait(SECOND * 3 / 4);
    bench.ask_with("/a", c);
    let job = bench.sends("/a");
    // Sent for c, and late enough to be the rebound of a, but not of b.
    assert_eq!(bench.settles(&job, Verdict::Done).0, vec![a]);
    bench.wait(SECOND);
    let job = bench.sends("/a");
    assert_eq!(bench.settles(&job, Verdict::Done).0, vec![b, c]);
    bench.wait(SECOND * 5);
    bench.sends_nothing();
}

#[test]
fn a_failure_gives_all_tickets_back_and_keeps_nothing() {
    let [a, b, _] = some();
    let mut bench = Bench::new(|_| {});
    bench.ask_with("/a", a);
    let job = bench.sends("/a");
    bench.ask_with("/a", b);
    assert_eq!(bench.settles(&job, FAILED), (vec![], vec![a, b]));
    assert_eq!(bench.queue.pending(), 0);
    bench.wait(SECOND * 100);
    bench.sends_nothing();
}

#[test]
fn whoever_asked_without_a_ticket_is_still_served_after_a_failure() {
    let [a, ..] = some();
    let mut bench = Bench::new(|_| {});
    bench.ask_with("/a", a);
    bench.ask("/a");
    let job = bench.sends("/a");
    let (next, settled) = bench.settle(&job, FAILED);
    assert_eq!((next, settled.served), (Next::Retry, vec![a]));
    bench.wait(SECOND);
    bench.sends("/a");
}

#[test]
fn a_refusal_gives_back_those_it_was_sent_for() {
    let [a, b, _] = some();
    let mut bench = Bench::new(|_| {});
    bench.ask_with("/a", a);
    let job = bench.sends("/a");
    bench.ask_with("/a", b);
    assert_eq!(bench.settles(&job, Verdict::Refused), (vec![], vec![a]));
    bench.wait(SECOND);
    let job = bench.sends("/a");
    assert_eq!(bench.settles(&job, Verdict::Done).0, vec![b]);
}

#[test]
fn a_node_that_is_down_holds_one_probe_and_no_more() {
    let [a, b, c] = some();
    let mut bench = Bench::new(|policy| policy.concurrency = 8);
    for url in ["/a", "/b", "/c"] {
        bench.ask_with(url, a);
    }
    bench.ask_with("/d", b);
    let jobs = [bench.sends("/a"), bench.sends("/b"), bench.sends("/c")];
    for job in &jobs {
        bench.settles(job, NO_ANSWER);
    }
    assert!(bench.queue.is_down());
    let deferred = bench.queue.defer_all();
    assert_eq!(deferred.len(), 1);
    assert_eq!(deferred[0].tickets, vec![b]);
    assert_eq!(bench.queue.pending(), 0);
    assert!(matches!(bench.ask_with("/a", a), Asked::New));
    assert!(matches!(bench.ask_with("/a", b), Asked::Busy));
    assert!(matches!(bench.ask_with("/b", c), Asked::Busy));
    bench.wait(SECOND);
    let probe = bench.sends("/a");
    assert_eq!(bench.settles(&probe, Verdict::Done).0, vec![a]);
    assert!(matches!(bench.ask_with("/b", c), Asked::New));
}

#[test]
fn what_comes_from_the_database_may_be_older_than_the_maximum_age() {
    let [a, ..] = some();
    let mut bench = Bench::new(|policy| policy.max_age = SECOND);
    let start = bench.now;
    bench.wait(SECOND * 100);
    let ask = Ask {
        target: &Target::url("/a").unwrap(),
        asking: Asking::of(start, &[]),
        rebound: false,
        ticket: Some((a, 7)),
        onward: &ITSELF,
        gathers: false,
    };
    bench.queue.ask(ask, bench.now);
    assert!(bench.queue.expire(bench.now).is_empty());
    let job = bench.sends("/a");
    assert_eq!((job.asked, job.attempts), (start, 8));
}
