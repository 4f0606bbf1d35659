//! When something is due: timers, requests that only the time holds back, and what a person is to be told.

use std::time::Instant;

use super::Queue;
use super::lane::Lane;
use crate::dispatcher::health::Turn;
use crate::dispatcher::throttle::HeldBack;

impl Queue {
    /// Makes ready what has waited long enough.
    pub(in crate::dispatcher) fn fire_timers(&mut self, now: Instant) {
        while let Some((due, place)) = self.timers.first().copied() {
            if due > now {
                break;
            }
            self.timers.pop_first();
            self.make_ready(place);
        }
    }

    /// When to look again, if nothing is asked and no answer comes before.
    pub(in crate::dispatcher) fn next_due(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(due, _)| *due);
        let ages = !self.entries.is_empty() && !self.is_paused();
        let sweep = self.sweep_at.filter(|_| ages);
        let tell = self.health.tell_at();
        let held_back = self.held_back().map(|(.., at)| at).min();
        let remind = self.remind_at();
        [
            timer,
            self.next_request_at(),
            sweep,
            tell,
            held_back,
            remind,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When the next request may leave that only the time holds back.
    fn next_request_at(&self) -> Option<Instant> {
        if self.is_paused() {
            return None;
        }
        if let Some(probe_at) = self.health.probe_at() {
            let opens_at = [&self.ready, &self.retries.ready]
                .into_iter()
                .filter_map(|lane| self.opens_at(lane, true))
                .min()?;
            return (self.in_flight == 0).then_some(opens_at.unwrap_or(probe_at).max(probe_at));
        }
        if self.in_flight >= self.policy.concurrency {
            return None;
        }
        let ready_at = self.opens_at(&self.ready, false).flatten();
        let retry_at = self.retries.due().and_then(|due| {
            let opens_at = self.opens_at(&self.retries.ready, false)?;
            due.max(opens_at)
        });
        [ready_at, retry_at].into_iter().flatten().min()
    }

    /// When a request for some of a lane may leave, as far as limits are concerned: `Some(None)` for at once.
    #[allow(
        clippy::option_option,
        reason = "none waits, or one may leave at once, or later"
    )]
    fn opens_at(&self, lane: &Lane, probe: bool) -> Option<Option<Instant>> {
        let opens_at = |(class, waiting)| {
            let group = self.classes.group(class);
            self.throttle.opens_at(group, waiting, probe)
        };
        lane.classes().map(opens_at).min()
    }

    /// What a person is to be told of the node now.
    pub(in crate::dispatcher) fn tell(&mut self, now: Instant) -> Option<Turn> {
        self.health.tell(now)
    }

    /// The groups of which some wait for a stated rate, since when the longest, and when that is to be logged.
    fn held_back(&self) -> impl Iterator<Item = (usize, Instant, Instant)> {
        let lanes = [&self.ready, &self.retries.ready];
        let lanes = lanes.into_iter().filter(|_| self.answers_soon());
        let classes = lanes.flat_map(|lane| lane.classes().map(move |(class, _)| (lane, class)));
        classes.filter_map(|(lane, class)| {
            let group = self.classes.group(class);
            let since = self.entries[lane.peek(class, false)? as usize].newest;
            Some((group, since, self.throttle.tells_at(group, since)?))
        })
    }

    /// The targets that a stated rate holds back for long, if that is to be logged now.
    pub(in crate::dispatcher) fn tell_held_back(&mut self, now: Instant) -> Option<HeldBack> {
        let (group, since, _) = self.held_back().find(|(.., at)| *at <= now)?;
        self.throttle.tell(group, since, now)
    }
}
