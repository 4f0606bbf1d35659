//! What leaves the queue without a request: because of its age, because the node is down, or because the program ends.

use std::time::{Duration, Instant};

use super::Queue;
use super::entry::{Entry, Phase};
use super::job::Job;

impl Queue {
    /// Takes out what is too old for another attempt.
    pub(in crate::dispatcher) fn expire(&mut self, now: Instant) -> Vec<Job> {
        if self.sweep_at.is_none_or(|at| at > now) || self.is_paused() {
            return Vec::new();
        }
        let max_age = self.policy.max_age;
        let is_too_old = |entry: &Entry| {
            let idle = entry.plain && !matches!(entry.phase, Phase::InFlight { .. });
            idle && now.saturating_duration_since(entry.newest) >= max_age
        };
        let places = self.entries.iter().filter(|(_, entry)| is_too_old(entry));
        let dead = self.take_all_out(places.map(|(place, _)| place).collect(), now);
        // Not at once again: a purge in flight may be old, and a sweep looks at every entry.
        let soonest = now + Duration::from_secs(1);
        let plain = self.entries.iter().filter(|(_, entry)| entry.plain);
        let oldest = plain.map(|(_, entry)| entry.newest).min();
        self.sweep_at = oldest.map(|oldest| (oldest + max_age).max(soonest));
        dead
    }

    /// Takes out everything, in flight or not. No answer may come after.
    pub(in crate::dispatcher) fn drain(&mut self, now: Instant) -> Vec<Job> {
        self.in_flight = 0;
        self.retries.forget_in_flight();
        self.take_all_out(self.entries.iter().map(|(place, _)| place).collect(), now)
    }

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
                    written: entry.written,
                    tickets: entry.take_tickets(),
                    records: entry.records.clone(),
                    onward: entry.onward.clone(),
                    passed_on: entry.passed_on,
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

    fn take_all_out(&mut self, places: Vec<usize>, now: Instant) -> Vec<Job> {
        let places = places
            .into_iter()
            .filter_map(|place| u32::try_from(place).ok());
        let taken = places.map(|place| self.take_out(place, now)).collect();
        let entries = &self.entries;
        for lane in [&mut self.ready, &mut self.retries.ready] {
            lane.retain(|place| entries.contains(place as usize));
        }
        taken
    }

    /// Leaves the place of a ready entry in its lane: the caller takes it from there.
    pub(super) fn take_out(&mut self, place: u32, now: Instant) -> Job {
        let mut entry = self.remove(place);
        if let Phase::Timed(due) = entry.phase {
            self.timers.remove(&(due, place));
        }
        self.fresh -= usize::from(entry.is_fresh());
        Job {
            place,
            id: entry.id,
            asked: entry.asked,
            written: entry.written,
            started: now,
            attempts: entry.attempts,
            rebound: entry.rebound,
            is_retry: false,
            plain: entry.plain,
            tickets: entry.take_tickets(),
            records: entry.records.clone(),
            onward: entry.onward,
            passed_on: entry.passed_on,
            target: entry.target,
        }
    }
}
