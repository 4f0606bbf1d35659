//! Purges that go back to the durable outbox they came from.

use std::time::Instant;

use super::entry::Phase;
use super::{Job, Queue};

impl Queue {
    /// The node went down: gives back the tickets of all that is not in flight. What was asked for
    /// without a ticket goes on waiting.
    pub(in crate::dispatcher) fn defer_all(&mut self) -> Vec<Job> {
        let mut deferred = Vec::new();
        let mut emptied = Vec::new();
        // No request is made, so the time is of no account.
        let now = Instant::now();
        for (place, entry) in &mut self.entries {
            if !entry.tickets.is_empty() && !matches!(entry.phase, Phase::InFlight { .. }) {
                deferred.push(Job {
                    attempts: entry.attempts,
                    tickets: entry.take_tickets(),
                    ..Job::unsent(&entry.target, entry.asked, entry.rebound, now)
                });
                if !entry.plain {
                    emptied.push(place);
                }
            }
        }
        let _ = self.take_all_out(emptied, now);
        deferred
    }

    /// The end: what came with a ticket alone goes back to where it came from. No answer may come
    /// after.
    pub(in crate::dispatcher) fn give_back(&mut self, now: Instant) {
        for (_, entry) in &mut self.entries {
            entry.take_tickets();
        }
        let given_back = self.entries.iter().filter(|(_, entry)| !entry.plain);
        let places = given_back.map(|(place, _)| place).collect();
        let _ = self.take_all_out(places, now);
    }
}
