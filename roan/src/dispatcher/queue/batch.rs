//! Which targets leave next, and which leave together.

use std::time::Instant;

use super::Queue;
use super::entry::{Entry, Phase};
use super::job::{Job, Request};
use super::onward::Onward;

impl Queue {
    /// The request to make now, if there is one. The caller makes it, and then calls [`Queue::learn`] and
    /// [`Queue::answered`].
    ///
    /// It takes what may leave with the first of its targets, and does not wait for more. What waits for a token so fills the
    /// next request.
    pub(in crate::dispatcher) fn next(&mut self, now: Instant) -> Option<Request> {
        if self.is_paused() || self.in_flight >= self.health.allowed(self.policy.concurrency, now) {
            return None;
        }
        let is_down = self.health.is_down();
        let (throttle, classes) = (&self.throttle, &self.classes);
        let allows = |class, waiting| throttle.allows(classes.group(class), waiting, is_down, now);
        let may = |class, waiting| allows(class, waiting) > 0;
        let (class, is_retry) = if is_down {
            // The newest one is the least likely to fail for the reason for which the others did.
            let new = self.ready.newest(may);
            let class = new.or_else(|| self.retries.ready.next(may))?;
            (class, new.is_none())
        } else {
            let new = self.ready.next(may);
            // Retries first, since they would wait for ever behind a storm; but one after another only if
            // nothing else waits.
            let is_their_turn = !self.retries.has_had_its_turn || new.is_none();
            let retry = if is_their_turn && self.retries.may_leave(now) {
                self.retries.ready.next(may)
            } else {
                None
            };
            let class = retry.or(new)?;
            self.retries.has_had_its_turn = retry.is_some();
            (class, retry.is_some())
        };
        let lane = if is_retry {
            &self.retries.ready
        } else {
            &self.ready
        };
        // A probe is for one target, which none of its neighbours fails.
        let most = match is_down {
            true => 1,
            false => allows(class, lane.count(class)),
        };
        let group = classes.group(class);
        let newest = match (is_retry, is_down) {
            (true, _) => false,
            (false, true) => true,
            // The oldest are next; under a limit the newest in turns, so that many that are turned away for themselves, or
            // many at once, do not hold up what comes after them.
            (false, false) => self
                .ready
                .alternates(class, self.throttle.is_limited(group)),
        };
        let mut request = self.take(class, most, is_retry, newest, now)?;
        if !is_down && !is_retry {
            self.cover(&mut request, now);
        }
        self.throttle.sent(group, request.len(), now);
        self.in_flight += 1;
        Some(request)
    }

    /// Takes up to `most` targets of a class.
    fn take(
        &mut self,
        class: u32,
        most: usize,
        is_retry: bool,
        newest: bool,
        now: Instant,
    ) -> Option<Request> {
        let lane = if is_retry {
            self.retries.sent();
            &mut self.retries.ready
        } else {
            &mut self.ready
        };
        let entries = &mut self.entries;
        let place = lane.pop(class, newest)?;
        lane.had_its_turn(class);
        let mut most = most.min(entries[place as usize].most as usize).max(1);
        let first = leave(&mut entries[place as usize], place, now);
        let mut others = Vec::with_capacity((most - 1).min(lane.count(class)));
        while others.len() + 1 < most
            && let Some(place) = lane.peek(class, newest)
        {
            let entry = &mut entries[place as usize];
            if entry.most as usize <= others.len() + 1 {
                break;
            }
            most = most.min(entry.most as usize);
            lane.pop(class, newest);
            others.push(leave(entry, place, now));
        }
        Some(Request {
            first,
            others,
            covered: Vec::new(),
            group: self.classes.group(class),
        })
    }
}

/// A request for the entry leaves.
pub(super) fn leave(entry: &mut Entry, place: u32, now: Instant) -> Job {
    entry.phase = Phase::InFlight { again: None };
    entry.sent = Some(now);
    entry.attempts = entry.attempts.saturating_add(1);
    entry.covered = u32::try_from(entry.tickets.len()).unwrap_or(u32::MAX);
    Job {
        place,
        target: entry.target.clone(),
        id: entry.id,
        asked: entry.asked,
        written: entry.written,
        started: now,
        attempts: entry.attempts,
        rebound: entry.rebound,
        is_retry: entry.failed,
        plain: entry.plain,
        tickets: Vec::new(),
        records: entry.records.leave(),
        onward: Onward::default(),
        passed_on: entry.passed_on,
    }
}
