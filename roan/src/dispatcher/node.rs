//! One node: its client, its queue, and its counts.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use super::bucket::Buckets;
use super::health::Turn;
use super::origins::Origins;
use super::policy::Policy;
use super::queue::{Job, Queue};
use super::stats::NodeStats;
use super::throttle::{HeldBack, Throttle};
use crate::base::counted::counted;
use crate::base::lock::Mutex;
use crate::base::log::{end_loudly, loudly, warn_loudly};
use crate::base::outcome::{Failure, Outcome, Refusal};
use crate::error::ConfigError;
#[cfg(feature = "metrics")]
use crate::metrics::NodeSeries;
use crate::purger::{AnyPurger, Cache, NodeClient, TagHeader};

/// A purge that has failed so many times is worth a word.
const SEVERAL: u32 = 3;

/// The reasons of a run of refusals of which each is an error in the log: a text may name the target.
const MOST_REFUSALS: usize = 16;

/// One server of a cache.
pub(crate) struct Node {
    pub(crate) cache: Arc<str>,
    pub(crate) name: Arc<str>,
    /// Its place among all nodes.
    pub(crate) number: usize,
    /// The place of its cache in the order of purging.
    pub(crate) tier: usize,
    pub(crate) purger: Box<dyn AnyPurger>,
    /// How its cache knows long tags.
    pub(super) tag_header: Option<TagHeader>,
    /// Whether pages may arrive there after the rebound.
    pub(crate) has_stragglers: bool,
    /// See `Cache::is_fleet`.
    #[cfg_attr(
        not(feature = "nats"),
        expect(dead_code, reason = "only a fleet has messages with ids")
    )]
    pub(crate) is_fleet: bool,
    /// Whether its set-up was checked, or is being checked.
    pub(super) checked: AtomicBool,
    pub(super) unanswered_checks: AtomicU32,
    queue: Mutex<Queue>,
    last_failure: Mutex<Option<Failure>>,
    pub(super) origins: Origins,
    counts: Counts,
    #[cfg(feature = "metrics")]
    pub(super) series: NodeSeries,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    purged: AtomicU64,
    not_cached: AtomicU64,
    verified: AtomicU64,
    refused: AtomicU64,
    /// Why the purges since the last success were refused, the first of each reason.
    refusals: Mutex<HashSet<Refusal>>,
    failed: AtomicU64,
    /// Purges that have failed [`SEVERAL`] times.
    failing: AtomicU64,
    dead: AtomicU64,
    dropped: AtomicU64,
    dropped_in_a_row: AtomicU64,
}

impl Node {
    fn new(
        cache: Arc<str>,
        tag_header: Option<TagHeader>,
        (number, tier): (usize, usize),
        client: NodeClient,
        has_stragglers: bool,
        is_fleet: bool,
        queue: Queue,
    ) -> Self {
        #[cfg(feature = "metrics")]
        let series = NodeSeries::new(&cache, &client.name);
        Self {
            cache,
            name: client.name,
            number,
            tier,
            purger: client.purger,
            tag_header,
            has_stragglers,
            is_fleet,
            checked: AtomicBool::new(false),
            unanswered_checks: AtomicU32::new(0),
            queue: Mutex::new(queue),
            last_failure: Mutex::new(None),
            origins: Origins::default(),
            counts: Counts::default(),
            #[cfg(feature = "metrics")]
            series,
        }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic under the lock is a bug of the queue; what is left of it is still worth sending.
        self.queue.lock()
    }

    /// Counts a request that has ended, whatever the answer is.
    pub(super) fn count_request(&self) {
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer that named the key that was to be purged.
    pub(super) fn count_verified(&self) {
        self.counts.verified.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an outcome, and says whether it is the first of a run that a person must look at.
    pub(super) fn count(&self, outcome: &Outcome) -> bool {
        let counts = &self.counts;
        let add = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed) == 0;
        match outcome {
            Outcome::Purged | Outcome::NotCached => {
                counts.refusals.lock().clear();
                counts.dropped_in_a_row.store(0, Ordering::Relaxed);
                add(if *outcome == Outcome::Purged {
                    &counts.purged
                } else {
                    &counts.not_cached
                });
                false
            }
            Outcome::Refused(refusal) => {
                add(&counts.refused);
                let mut refusals = counts.refusals.lock();
                refusals.len() < MOST_REFUSALS && refusals.insert(refusal.clone())
            }
            Outcome::Failed(failure) => {
                add(&counts.failed);
                *self.last_failure.lock() = Some(failure.clone());
                false
            }
            Outcome::Dead(_) => {
                add(&counts.dead);
                true
            }
            Outcome::Dropped => {
                add(&counts.dropped);
                add(&counts.dropped_in_a_row)
            }
            Outcome::Abandoned => false,
        }
    }

    /// Says that the node is down, or is back.
    pub(super) fn tell(&self, turn: Turn) {
        let (cache, name) = (&self.cache, &self.name);
        match turn {
            Turn::Down { failures } => loudly(format_args!(
                "{cache} {name} is down: {failures} purges in a row failed; Roan keeps trying. Last attempt: {}",
                self.last_failure()
            )),
            Turn::Back => end_loudly(
                format_args!("{cache} {name} is back"),
                || tracing::info!(target: "roan", cache = %cache, node = %name, "{cache} {name} is back"),
            ),
        }
    }

    /// Says that purges wait for a stated rate.
    pub(super) fn tell_held_back(&self, held_back: &HeldBack) {
        let (cache, name) = (&self.cache, &self.name);
        let HeldBack { waiting, limits } = held_back;
        warn_loudly(format_args!(
            "{} waiting for {cache} {name}, the longest for more than a minute: it accepts {limits}. Purge by tag, \
             prefix or host in place of many URLs, or raise the limit in your plan of {cache} and in its `Limits`",
            counted(*waiting, "purge")
        ));
    }

    /// Counts a purge that has failed several times at a node that is not down, and says so once in a
    /// while: it may fail for itself until somebody looks after it.
    pub(super) fn count_failing(&self, job: &Job, failure: &Failure) {
        if job.attempts != SEVERAL {
            return;
        }
        let count = self.counts.failing.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            let (cache, name) = (&self.cache, &self.name);
            loudly(format_args!(
                "{} at {cache} {name} has failed {SEVERAL} times (number {count} that does); Roan keeps trying. \
                 Last attempt: {failure}",
                job.target
            ));
        }
    }

    fn last_failure(&self) -> Failure {
        let last = self.last_failure.lock();
        last.clone().unwrap_or(Failure::Timeout)
    }

    /// Why the last attempt has failed, if the node is down.
    #[cfg(feature = "agent")]
    pub(crate) fn why_down(&self) -> Option<Failure> {
        let is_down = self.queue().is_down();
        is_down.then(|| self.last_failure())
    }

    /// Why a purge became too old before it was sent.
    pub(super) fn why_unsent(&self) -> String {
        if self.queue().is_down() {
            format!(
                "never sent: the node is down, and failed last with: {}",
                self.last_failure()
            )
        } else {
            "never sent: the node took fewer purges than were asked for".to_owned()
        }
    }

    /// The error to report for a purge that became too old while it waited here, after so many attempts.
    pub(super) fn too_old(&self, attempts: u32) -> Failure {
        match attempts {
            0 => Failure::TooOld(self.why_unsent()),
            _ => self.last_failure(),
        }
    }

    /// The number of purges that were given up.
    pub(super) fn dead(&self) -> u64 {
        self.counts.dead.load(Ordering::Relaxed)
    }

    pub(super) fn stats(&self) -> NodeStats {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let queue = self.queue();
        NodeStats {
            cache: Arc::clone(&self.cache),
            node: Arc::clone(&self.name),
            down: queue.is_down(),
            paused: queue.paused_for(Instant::now()),
            pending: queue.pending(),
            in_flight: queue.in_flight(),
            rebounds: queue.rebounds(),
            requests: get(&self.counts.requests),
            purged: get(&self.counts.purged),
            not_cached: get(&self.counts.not_cached),
            verified: get(&self.counts.verified),
            refused: get(&self.counts.refused),
            failed: get(&self.counts.failed),
            dead: get(&self.counts.dead),
            dropped: get(&self.counts.dropped),
        }
    }
}

/// The nodes of these caches, each of which is a tier.
pub(crate) fn connect(caches: Vec<Cache>, policy: &Policy) -> Result<Vec<Arc<Node>>, ConfigError> {
    let connecting = policy.connecting();
    let mut cache_names = HashSet::new();
    let mut nodes: Vec<Arc<Node>> = Vec::new();
    let mut buckets = Buckets::default();
    for (tier, cache) in caches.into_iter().enumerate() {
        if !cache_names.insert(Arc::clone(&cache.name)) {
            return Err(ConfigError::SameName {
                what: "cache",
                name: cache.name.to_string(),
            });
        }
        let policy = Policy {
            // The second purge is its agents' work: one from here would reach an agent that lags together with the first.
            rebound: policy.rebound_at(cache.fenced || cache.is_fleet, cache.least_rebound),
            ..policy.clone()
        };
        let (capabilities, account) = (cache.capabilities, cache.account);
        let name = cache.name;
        // Its agents know the caches.
        let tag_header = cache.tag_header.filter(|_| !cache.is_fleet);
        for client in (cache.connect)(&connecting)? {
            if nodes
                .iter()
                .any(|node| node.tier == tier && node.name == client.name)
            {
                return Err(ConfigError::SameName {
                    what: "node",
                    name: client.name.to_string(),
                });
            }
            let buckets = buckets.of(account.as_ref(), &capabilities);
            let number = nodes.len();
            let of_buckets = u32::try_from(number).unwrap_or(u32::MAX);
            let throttle = Throttle::new(capabilities.clone(), buckets, of_buckets);
            nodes.push(Arc::new(Node::new(
                Arc::clone(&name),
                tag_header.clone(),
                (number, tier),
                client,
                cache.is_fleet || Policy::is_too_short(policy.rebound),
                cache.is_fleet,
                Queue::new(policy.clone(), throttle),
            )));
        }
    }
    Ok(nodes)
}
