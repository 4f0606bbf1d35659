//! The queue of one node: which purge is next, when, and what follows from its answer.
//!
//! It has no I/O and no clock: each method takes the time.
//!
//! ```text
//!            ask             next              answered
//! (nothing) -----> Ready -----------> InFlight ---------> Timed (rebound) ---> Ready
//!                    ^                  |   |  failed
//!                    |                  |   +-----------> Timed (back-off) --> Ready, or dead
//!                    +------------------+ asked for again while in flight
//! ```
//!
//! A target that is asked for by the answers of an earlier cache is `Timed` first, if more of them will follow: see `onward.rs`.
//!
//! What is ready waits in one of two lanes: what has not failed, and what has. The second one takes little
//! from the first, so that targets which fail for themselves hold up nobody else.

mod answer;
mod batch;
mod covered;
mod due;
mod entry;
mod job;
mod lane;
mod leave;
mod onward;
mod pause;
mod retries;

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::mem;
use std::time::{Duration, Instant};

use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;

use self::entry::{Again, Entry, Held, Phase, new_id};
pub(super) use self::job::{Ask, Asked, Job, Lesson, Next, PassedOn, Request, Settled, Verdict};
use self::lane::{Classes, Lane};
use self::onward::Awaited;
pub(crate) use self::onward::{GATHERING, ITSELF, Onward};
use self::pause::Pause;
pub(super) use self::pause::Paused;
use self::retries::Retries;
use super::health::Health;
use super::history::Records;
use super::policy::Policy;
use super::throttle::Throttle;
#[cfg(feature = "nats")]
use super::tickets::Ticket;
use crate::base::backoff::Backoff;
use crate::base::target::Target;

/// The least time between two requests for one target: a storm of saves of one row becomes at most
/// a hundred purges a second.
pub(super) const REPEAT_GAP: Duration = Duration::from_millis(10);

/// A node that asks for a longer pause (`Retry-After`) is asked again after this: the page is stale
/// meanwhile.
pub(crate) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// So many targets are remembered that have failed and wait in a database.
const MOST_SUSPECTS: usize = 10_000;

/// What is to be taken from a database for one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) is_down: bool,
    /// For so many that have not failed before.
    pub(crate) new: usize,
    /// For so many that have.
    pub(crate) failed: usize,
}

/// The queue of one node.
pub(super) struct Queue {
    policy: Policy,
    backoff: Backoff,
    hasher: DefaultHashBuilder,
    /// Finds the place in `entries` of a target.
    index: HashTable<u32>,
    entries: Slab<Entry>,
    classes: Classes,
    /// What has not failed since it was asked for.
    ready: Lane,
    /// What has failed, and has waited for its back-off.
    retries: Retries,
    timers: BTreeSet<(Instant, u32)>,
    health: Health,
    /// While nobody is to purge the node.
    pause: Option<Pause>,
    throttle: Throttle,
    /// The hashes of targets that have failed and went back to a database, with [`Entry::most`].
    suspects: HashMap<u64, u32>,
    awaited: Awaited,
    in_flight: usize,
    /// Entries that are more than the rebound of a purge that was answered.
    fresh: usize,
    /// No entry can be too old before this time.
    sweep_at: Option<Instant>,
}

impl Queue {
    pub(super) fn new(policy: Policy, throttle: Throttle) -> Self {
        Self {
            backoff: Backoff::new(policy.backoff_base, policy.backoff_cap),
            retries: Retries::new(policy.concurrency),
            policy,
            hasher: DefaultHashBuilder::default(),
            index: HashTable::new(),
            entries: Slab::new(),
            classes: Classes::new(throttle.groups()),
            ready: Lane::default(),
            timers: BTreeSet::new(),
            health: Health::new(),
            pause: None,
            throttle,
            suspects: HashMap::new(),
            awaited: Awaited::default(),
            in_flight: 0,
            fresh: 0,
            sweep_at: None,
        }
    }

    /// Notes that a target was asked for.
    pub(super) fn ask(&mut self, ask: Ask<'_>, now: Instant) -> Asked {
        let Ask {
            target,
            asking,
            rebound,
            ticket,
            onward,
            gathers,
        } = ask;
        let (asked, written) = (asking.asked, asking.written);
        let hash = self.hasher.hash_one(target);
        let (failed, most) = match ticket {
            Some((_, attempts)) => self.suspicion(hash, attempts, target),
            None => (false, u32::MAX),
        };
        if ticket.is_some() && self.is_paused() {
            return Asked::Busy;
        }
        if ticket.is_some() && self.health.is_down() {
            let Room {
                new, failed: old, ..
            } = self.room();
            if (if failed { old } else { new }) == 0 {
                return Asked::Busy;
            }
        }
        let entries = &self.entries;
        let found = self
            .index
            .find(hash, |place| entries[*place as usize].target == *target);
        if let Some(place) = found.copied() {
            return self.ask_again(place, ask, now);
        }
        let class = self.classes.of(target, &self.throttle);
        let group = self.classes.group(class);
        if ticket.is_some() && !self.health.is_down() && self.throttle.room_of(group) == 0 {
            return Asked::Busy;
        }
        let mut evicted = None;
        if self.entries.len() >= self.policy.max_waiting {
            evicted = if rebound {
                None
            } else {
                self.evict_rebound(now)
            };
            if evicted.is_none() {
                return Asked::Full;
            }
        }
        let Ok(place) = u32::try_from(self.entries.vacant_key()) else {
            return Asked::Full;
        };
        // What comes from the database may be old already, and is worth an attempt all the same.
        let newest = if ticket.is_some() { now } else { asked };
        self.entries.insert(Entry {
            target: target.clone(),
            hash,
            class,
            most,
            asked,
            written,
            newest,
            id: new_id(),
            sent: None,
            attempts: ticket.map_or(0, |(_, attempts)| attempts),
            rebound,
            failed,
            passed_on: !self.answers_soon(),
            phase: Phase::Ready,
            plain: ticket.is_none(),
            covered: 0,
            tickets: Held::of(ticket, rebound, now).into_iter().collect(),
            records: Records::of(asking.records),
            onward: onward.clone(),
            counted: None,
        });
        let entries = &self.entries;
        self.index
            .insert_unique(hash, place, |place| entries[*place as usize].hash);
        self.fresh += usize::from(!rebound);
        self.throttle.came(group);
        if gathers {
            self.wait_until(place, now + GATHERING);
        } else {
            self.make_ready(place);
        }
        self.count(place);
        self.sweep_at.get_or_insert(newest + self.policy.max_age);
        evicted.map_or(Asked::New, Asked::Instead)
    }

    /// Whether a target from the database has failed before, and how many may be in its request.
    fn suspicion(&self, hash: u64, attempts: u32, target: &Target) -> (bool, u32) {
        if let Some(most) = self.suspects.get(&hash) {
            return (true, *most);
        }
        let group = self.throttle.group(target.kind());
        let batch = u32::try_from(self.throttle.batch(group)).unwrap_or(u32::MAX);
        // Too many have failed to know what each has failed of.
        let is_unknown = self.suspects.len() >= MOST_SUSPECTS && attempts > 0;
        let most = if is_unknown {
            batch.checked_shr(attempts).unwrap_or_default().max(1)
        } else {
            u32::MAX
        };
        (attempts > 0, most)
    }

    /// A purge that was never sent matters more than the second one of another.
    fn evict_rebound(&mut self, now: Instant) -> Option<Job> {
        let waits = |(_, place): &&(Instant, u32)| self.entries[*place as usize].rebound;
        let (_, place) = *self.timers.iter().find(waits)?;
        Some(self.take_out(place, now))
    }

    fn ask_again(&mut self, place: u32, ask: Ask<'_>, now: Instant) -> Asked {
        let Ask {
            asking,
            rebound,
            gathers,
            ..
        } = ask;
        let (asked, written) = (asking.asked, asking.written);
        self.uncount(place);
        let entry = &mut self.entries[place as usize];
        if entry.rebound && !rebound && !matches!(entry.phase, Phase::InFlight { .. }) {
            entry.records.clear();
        }
        entry.records.extend(asking.records);
        entry.id = new_id();
        entry.plain |= ask.ticket.is_none();
        entry.onward.merge(ask.onward);
        let held = Held::of(ask.ticket, rebound, now);
        let is_held = held.is_some_and(|held| entry.holds(held));
        if !is_held {
            entry.tickets.extend(held);
        }
        if ask.ticket.is_none() {
            self.sweep_at.get_or_insert(asked + self.policy.max_age);
        }
        let was_fresh = entry.is_fresh();
        match &mut entry.phase {
            Phase::InFlight { again } => {
                let known = again.get_or_insert(Again {
                    asked,
                    written,
                    rebound,
                    gathers_until: gathers.then_some(now + GATHERING),
                });
                known.rebound &= rebound;
                known.written = known.written.or(written);
                known.gathers_until = known.gathers_until.filter(|_| gathers);
                entry.newest = asked;
            }
            // A request to come serves this ask, too.
            Phase::Ready | Phase::Timed(_) if rebound => {}
            // Nothing is left to gather.
            Phase::Timed(due) if !entry.rebound && !entry.failed && !gathers => {
                self.timers.remove(&(*due, place));
                entry.newest = asked;
                entry.written = entry.written.or(written);
                self.rest_until_gap_is_over(place, now);
            }
            Phase::Ready | Phase::Timed(_) if !entry.rebound => {
                entry.newest = asked;
                entry.written = entry.written.or(written);
            }
            // A target that fails waits for its turn, whoever asks for it.
            Phase::Ready | Phase::Timed(_) if entry.failed => {
                (entry.asked, entry.newest, entry.rebound) = (asked, asked, false);
                entry.written = written;
            }
            Phase::Ready => entry.renew(asked, written, false),
            Phase::Timed(due) => {
                self.timers.remove(&(*due, place));
                entry.renew(asked, written, false);
                if gathers {
                    self.wait_until(place, now + GATHERING);
                } else {
                    self.rest_until_gap_is_over(place, now);
                }
            }
        }
        let answers_soon = self.answers_soon();
        let entry = &mut self.entries[place as usize];
        entry.passed_on = !answers_soon;
        self.fresh += usize::from(entry.is_fresh() && !was_fresh);
        self.count(place);
        if is_held { Asked::Held } else { Asked::Merged }
    }

    /// Makes the entry ready, or lets it wait until [`REPEAT_GAP`] after its last request.
    fn rest_until_gap_is_over(&mut self, place: u32, now: Instant) {
        let entry = &mut self.entries[place as usize];
        match entry.sent.map(|sent| sent + REPEAT_GAP) {
            Some(due) if due > now => self.wait_until(place, due),
            _ => self.make_ready(place),
        }
    }

    fn make_ready(&mut self, place: u32) {
        let entry = &mut self.entries[place as usize];
        entry.phase = Phase::Ready;
        let lane = if entry.failed {
            &mut self.retries.ready
        } else {
            &mut self.ready
        };
        lane.push(entry.class, place);
    }

    fn wait_until(&mut self, place: u32, due: Instant) {
        self.entries[place as usize].phase = Phase::Timed(due);
        self.timers.insert((due, place));
    }

    /// The tickets that a request in flight serves. `None` if somebody without a ticket has asked, too.
    #[cfg(feature = "nats")]
    pub(super) fn served_by(&self, job: &Job) -> Option<Vec<Ticket>> {
        let entry = self.entries.get(job.place as usize)?;
        let is_it = entry.target == job.target && !job.plain;
        let served = entry.tickets.get(..entry.covered as usize)?;
        (is_it && !served.is_empty()).then(|| served.iter().map(|held| held.ticket).collect())
    }

    /// Whether the next cache must be asked now, since no answer has come; from then on it was.
    pub(super) fn pass_on(&mut self, job: &Job) -> bool {
        match self.entries.get_mut(job.place as usize) {
            Some(entry) if entry.target == job.target => !mem::replace(&mut entry.passed_on, true),
            _ => true,
        }
    }

    /// Takes note that the next cache is asked for everything that waits, and says what that is:
    /// the node went down, and answers may be far off.
    pub(super) fn pass_all_on(&mut self) -> Vec<PassedOn> {
        let waits_for_an_answer = |(_, entry): (usize, &mut Entry)| {
            let is_idle_rebound = entry.rebound && matches!(entry.phase, Phase::Timed(_));
            let passes = !is_idle_rebound && !mem::replace(&mut entry.passed_on, true);
            passes.then(|| PassedOn {
                target: entry.target.clone(),
                rebound: entry.rebound,
                written: entry.written,
                onward: entry.onward.clone(),
                records: entry.records.clone(),
            })
        };
        self.entries
            .iter_mut()
            .filter_map(waits_for_an_answer)
            .collect()
    }

    fn remove(&mut self, place: u32) -> Entry {
        self.uncount(place);
        let entry = self.entries.remove(place as usize);
        if let Ok(found) = self.index.find_entry(entry.hash, |other| *other == place) {
            found.remove();
        }
        self.throttle.went(self.classes.group(entry.class));
        entry
    }

    /// What to take from a database for this node.
    pub(super) fn room(&self) -> Room {
        let is_down = self.health.is_down();
        if self.is_paused() {
            return Room {
                is_down,
                new: 0,
                failed: 0,
            };
        }
        let new = if is_down {
            usize::from(self.wants_probe())
        } else {
            self.throttle.room()
        };
        let failed = if is_down {
            usize::from(new > 0 && self.retries.ready.is_empty())
        } else {
            self.retries.room()
        };
        Room {
            is_down,
            new,
            failed,
        }
    }

    /// Whether nothing that has not failed waits to be the next probe.
    fn wants_probe(&self) -> bool {
        self.in_flight == 0 && self.ready.is_empty()
    }

    /// Whether the node does not answer, so that a purge may wait for long.
    pub(super) fn is_down(&self) -> bool {
        self.health.is_down()
    }

    /// How many purges wait or are in flight, rebounds left out.
    pub(super) fn pending(&self) -> usize {
        self.fresh
    }

    /// How many rebounds wait or are in flight.
    pub(super) fn rebounds(&self) -> usize {
        self.entries.len() - self.fresh
    }

    /// When the oldest of those was asked for that [`pending`](Self::pending) counts. It looks at each entry.
    #[cfg(feature = "metrics")]
    pub(super) fn oldest(&self) -> Option<Instant> {
        let fresh = self.entries.iter().filter(|(_, entry)| entry.is_fresh());
        let asked = fresh.map(|(_, entry)| match entry.phase {
            Phase::InFlight { again: Some(again) } if entry.rebound => again.asked,
            _ => entry.asked,
        });
        asked.min()
    }

    /// How many requests are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }
}

#[cfg(test)]
mod tests;
