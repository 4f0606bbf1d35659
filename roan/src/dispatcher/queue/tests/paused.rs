//! A node that is paused: nothing leaves, and nothing ages.

use super::*;
use crate::dispatcher::tickets::{Row, Tickets};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn a_paused_node_gets_nothing_until_it_is_resumed() {
    let mut bench = Bench::new(|_| {});
    bench.ask("/a");
    assert!(bench.queue.pause(bench.now, bench.now));
    assert!(!bench.queue.pause(bench.now, bench.now), "once is enough");
    bench.ask("/b");
    assert_eq!(bench.ask("/a"), "merged");
    bench.sends_nothing();
    bench.wait(HOUR / 2);
    bench.sends_nothing();
    assert_eq!(bench.queue.pending(), 2);
    assert!(bench.queue.resume(bench.now));
    assert!(!bench.queue.resume(bench.now), "it is not paused");
    for url in ["/a", "/b"] {
        let job = bench.sends(url);
        assert_eq!(job.attempts, 1);
        bench.answer(&job, Verdict::Done);
    }
    assert_eq!(bench.queue.pending(), 0);
}

#[test]
fn what_waits_for_a_paused_node_does_not_age() {
    let mut bench = Bench::new(|policy| policy.max_age = DAY);
    bench.ask("/old");
    bench.wait(20 * HOUR);
    bench.queue.pause(bench.now, bench.now);
    bench.ask("/new");
    bench.wait(10 * DAY);
    assert!(bench.queue.expire(bench.now).is_empty());
    bench.queue.remind(bench.now);
    assert!(
        bench.queue.next_due().is_none_or(|due| due > bench.now),
        "the thread need not look at ages"
    );
    bench.queue.resume(bench.now);
    assert!(bench.queue.expire(bench.now).is_empty());
    let job = bench.sends("/old");
    bench.answer(&job, NO_ANSWER);
    // It was 20 hours old when the pause began.
    bench.wait(4 * HOUR + SECOND);
    let dead = bench.queue.expire(bench.now);
    let dead: Vec<_> = dead.iter().map(|job| job.target.as_str()).collect();
    assert_eq!(dead, ["/old"]);
    bench.wait(20 * HOUR);
    assert_eq!(bench.queue.expire(bench.now).len(), 1);
}

#[test]
fn a_purge_in_flight_ends_and_its_rebound_waits() {
    let mut bench = Bench::new(|policy| policy.rebound = Some(SECOND));
    bench.ask("/a");
    bench.ask("/b");
    let (a, b) = (bench.sends("/a"), bench.sends("/b"));
    bench.queue.pause(bench.now, bench.now);
    bench.answer(&a, Verdict::Done);
    bench.answer(&b, NO_ANSWER);
    bench.wait(HOUR / 2);
    bench.sends_nothing();
    bench.queue.resume(bench.now);
    let urls: Vec<_> = std::iter::from_fn(|| bench.next())
        .map(|job| job.target.to_string())
        .collect();
    assert_eq!(urls.len(), 2, "{urls:?}");
}

#[test]
fn tickets_are_not_held_for_a_paused_node() {
    let tickets = Tickets::default();
    let [a, b, c] = [1, 2, 3].map(|id| tickets.open(Row::Purge(id), 0, None));
    let mut bench = Bench::new(|policy| policy.rebound = Some(SECOND));
    bench.ask_with("/a", a);
    let job = bench.sends("/a");
    bench.ask_with("/b", b);
    bench.queue.pause(bench.now, bench.now);
    assert!(matches!(bench.ask_with("/c", c), Asked::Busy));
    let given_back = |bench: &mut Bench| {
        let jobs = bench.queue.defer_all();
        let jobs = jobs
            .into_iter()
            .map(|job| (job.target.to_string(), job.tickets));
        jobs.collect::<Vec<_>>()
    };
    assert_eq!(given_back(&mut bench), [("/b".to_owned(), vec![b])]);
    bench.answer(&job, Verdict::Done);
    // Its rebound would wait for the end of the pause, and the row with it.
    assert_eq!(given_back(&mut bench), [("/a".to_owned(), vec![a])]);
    let room = bench.queue.room();
    assert_eq!((room.new, room.failed), (0, 0));
    bench.queue.resume(bench.now);
    assert!(bench.queue.room().new > 0);
    assert!(matches!(bench.ask_with("/c", c), Asked::New));
}

#[test]
fn a_person_is_reminded_of_a_paused_node_every_hour() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.queue.remind(bench.now), None);
    let since = bench.now;
    bench.wait(2 * HOUR);
    // Another program has paused it.
    bench.queue.pause(since, bench.now);
    bench.ask("/a");
    assert_eq!(bench.queue.remind(bench.now), None);
    for hours in 3..6 {
        let due = bench.queue.next_due().expect("a reminder");
        bench.wait(due - bench.now);
        let paused = bench.queue.remind(bench.now).expect("it is due");
        assert_eq!((paused.so_long, paused.pending), (hours * HOUR, 1));
        assert_eq!(bench.queue.remind(bench.now), None);
    }
    bench.queue.resume(bench.now);
    bench.wait(2 * HOUR);
    assert_eq!(bench.queue.remind(bench.now), None);
}

#[test]
fn a_paused_node_that_was_down_is_not_probed() {
    let mut bench = Bench::new(|_| {});
    for url in ["/a", "/b", "/c", "/d"] {
        bench.ask(url);
    }
    let jobs: Vec<_> = std::iter::from_fn(|| bench.next()).take(3).collect();
    for job in &jobs {
        bench.answer(job, NO_CONNECTION);
    }
    assert!(bench.queue.is_down());
    bench.queue.pause(bench.now, bench.now);
    bench.wait(HOUR / 2);
    bench.sends_nothing();
    bench.queue.resume(bench.now);
    assert!(bench.next().is_some());
}
