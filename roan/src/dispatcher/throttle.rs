//! When requests to one node may leave: as the stated limits of its cache say, and else at the pace that was found.

use std::time::{Duration, Instant};

use super::bucket::Shared;
use super::pace::Pace;
use crate::base::target::TargetKind;
use crate::purger::{Capabilities, Limits};

/// So much of what waits in a database is held here for a node that takes only so much: what it takes in ten seconds, or a
/// hundred.
const SECONDS_HELD: f64 = 10.0;
const FEWEST_HELD: usize = 100;

/// More is not held for a stated rate: others want to come from the database, too.
const MOST_HELD: usize = 8 * 1024;

/// A wait for a stated rate that is worth a word.
const LONG: Duration = Duration::from_secs(60);

/// The limits of one node.
#[derive(Debug)]
pub(super) struct Throttle {
    capabilities: Capabilities,
    /// In the order of the capabilities, and one for kinds that the cache cannot purge.
    groups: Vec<Group>,
    /// Of the kinds without a stated rate.
    pace: Pace,
    /// The node, as the buckets that it shares know it.
    node: u32,
}

/// Kinds of target that share a limit.
#[derive(Debug)]
struct Group {
    limits: Limits,
    /// `None` if no rate is stated.
    bucket: Option<Shared>,
    /// Targets of these kinds in the queue.
    targets: usize,
    /// Whether it was logged that they wait for long. Once until none is left.
    is_told: bool,
}

/// Targets that a stated rate holds back.
#[derive(Debug, PartialEq)]
pub(super) struct HeldBack {
    pub(super) waiting: usize,
    pub(super) limits: Limits,
}

impl Throttle {
    /// `buckets` are those of the groups. `node` differs from that of all nodes that share them.
    pub(super) fn new(capabilities: Capabilities, buckets: Vec<Option<Shared>>, node: u32) -> Self {
        let limits = capabilities.groups().map(|(_, limits)| limits);
        let groups = limits.zip(buckets).chain([(Limits::new(), None)]);
        let groups = groups.map(|(limits, bucket)| Group {
            limits,
            bucket,
            targets: 0,
            is_told: false,
        });
        let groups = groups.collect();
        Self {
            capabilities,
            groups,
            pace: Pace::FREE,
            node,
        }
    }

    pub(super) fn group(&self, kind: TargetKind) -> usize {
        let others = self.groups.len() - 1;
        self.capabilities.group(kind).unwrap_or(others)
    }

    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// How many targets one request may have.
    pub(super) fn batch(&self, group: usize) -> usize {
        self.groups[group].limits.batch_size()
    }

    /// How many of `waiting` targets one request may take that leaves now: none if the time has not come. A `probe` does not
    /// keep to a pace that was found.
    pub(super) fn allows(&self, group: usize, waiting: usize, probe: bool, now: Instant) -> usize {
        let Group { limits, bucket, .. } = &self.groups[group];
        let wanted = waiting.min(limits.batch_size());
        match bucket {
            None if !probe && self.pace.next_at().is_some_and(|at| at > now) => 0,
            None => wanted,
            Some(bucket) if limits.counts_targets() => bucket.lock().offers(self.node, wanted, now),
            Some(bucket) => wanted * bucket.lock().offers(self.node, 1, now),
        }
    }

    /// When a request for up to `waiting` targets may leave, if not at once.
    pub(super) fn opens_at(&self, group: usize, waiting: usize, probe: bool) -> Option<Instant> {
        let Group { limits, bucket, .. } = &self.groups[group];
        match bucket {
            None if probe => None,
            None => self.pace.next_at(),
            Some(bucket) => {
                let targets = waiting.min(limits.batch_size());
                let wanted = if limits.counts_targets() { targets } else { 1 };
                bucket.lock().opens_at(self.node, wanted)
            }
        }
    }

    /// A request leaves.
    pub(super) fn sent(&mut self, group: usize, targets: usize, now: Instant) {
        let Group { limits, bucket, .. } = &self.groups[group];
        match bucket {
            None => self.pace.sent(now),
            Some(bucket) => {
                let tokens = if limits.counts_targets() { targets } else { 1 };
                bucket.lock().take(self.node, tokens, now);
            }
        }
    }

    /// A request got its answer.
    pub(super) fn answered(&mut self, group: usize) {
        if self.groups[group].bucket.is_none() {
            self.pace.answered();
        }
    }

    /// A request was turned away at a stated rate. Says whether that is news; `None` if no rate is stated.
    pub(super) fn closed(
        &mut self,
        group: usize,
        started: Instant,
        now: Instant,
        pause: Duration,
    ) -> Option<bool> {
        let bucket = self.groups[group].bucket.as_ref()?;
        Some(bucket.lock().close(started, now, pause))
    }

    /// The least time between two probes of the node while it is down: it takes at most a quarter of a rate that others share.
    pub(super) fn probe_pause(&self, group: usize) -> Duration {
        let bucket = self.groups[group].bucket.as_ref();
        bucket.map_or(Duration::ZERO, |bucket| 4 * bucket.lock().token())
    }

    /// The pace of the kinds without a stated rate.
    pub(super) fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }

    /// Whether requests of these kinds may have to wait for their time.
    pub(super) fn is_limited(&self, group: usize) -> bool {
        self.groups[group].bucket.is_some() || self.pace.rate().is_some()
    }

    /// Takes note of a target in the queue.
    pub(super) fn came(&mut self, group: usize) {
        self.groups[group].targets += 1;
    }

    /// Takes note that a target has left the queue.
    pub(super) fn went(&mut self, group: usize) {
        let group = &mut self.groups[group];
        group.targets -= 1;
        group.is_told &= group.targets > 0;
    }

    /// When it is to be logged that targets have waited since `since` for a stated rate.
    pub(super) fn tells_at(&self, group: usize, since: Instant) -> Option<Instant> {
        let Group {
            bucket, is_told, ..
        } = &self.groups[group];
        (bucket.is_some() && !is_told).then_some(since + LONG)
    }

    /// The same, from now on it was logged.
    pub(super) fn tell(&mut self, group: usize, since: Instant, now: Instant) -> Option<HeldBack> {
        self.tells_at(group, since).filter(|at| *at <= now)?;
        let group = &mut self.groups[group];
        group.is_told = true;
        Some(HeldBack {
            waiting: group.targets,
            limits: group.limits,
        })
    }

    /// For how many more targets of these kinds from a database there is room.
    pub(super) fn room_of(&self, group: usize) -> usize {
        let Group { limits, bucket, .. } = &self.groups[group];
        let (rate, burst, held) = match (bucket, self.pace.rate()) {
            (Some(_), _) => {
                let rate = limits.a_second().unwrap_or(f64::INFINITY);
                (rate, limits.at_once(), self.groups[group].targets)
            }
            (None, Some(rate)) => {
                let without = self.groups.iter().filter(|group| group.bucket.is_none());
                (rate, 0.0, without.map(|group| group.targets).sum())
            }
            (None, None) => return usize::MAX,
        };
        let targets = if limits.counts_targets() {
            1.0
        } else {
            limits.batch_size() as f64
        };
        let most = ((rate * SECONDS_HELD + burst) * targets) as usize;
        let cap = if bucket.is_some() {
            MOST_HELD
        } else {
            usize::MAX
        };
        most.clamp(FEWEST_HELD, cap).saturating_sub(held)
    }

    /// For how many more targets from a database there is room, whatever they are. They come in the order of their age.
    pub(super) fn room(&self) -> usize {
        let groups = 0..self.groups.len();
        // A limit does not matter to a node that nothing of those kinds waits for.
        let busy = groups.filter(|group| {
            self.groups[*group].targets > 0 || self.groups[*group].bucket.is_none()
        });
        busy.map(|group| self.room_of(group))
            .min()
            .unwrap_or(usize::MAX)
    }
}
