//! Records the metrics of a dispatcher: see [`metrics`](crate::metrics).
//!
//! The dispatcher's thread records. It wakes for that at most once a second, and only while something waits or has changed.

use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "_sql")]
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::node::Node;
use super::queue::{Job, Request};
use super::stats::{NodeStats, Stats};
use crate::base::outcome::Outcome;
#[cfg(feature = "_sql")]
use crate::metrics::OutboxSeries;
use crate::metrics::{NodeSeries, ProgramSeries, Recorded};
#[cfg(feature = "_sql")]
use crate::outbox::census::Census;

/// The least time between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks take at most one part of so many of the thread's time: each looks at all that waits.
const PARTS: u32 = 100;

/// The series of a dispatcher besides those of its nodes.
#[derive(Default)]
pub(super) struct Measures {
    program: Recorded<ProgramSeries>,
    /// Whether the thread does not mean to look again before something happens.
    is_asleep: AtomicBool,
    #[cfg(feature = "_sql")]
    outbox: Recorded<OutboxSeries>,
    #[cfg(feature = "_sql")]
    census: Mutex<Option<(Census, Instant)>>,
}

/// When the dispatcher's thread looks.
#[derive(Default)]
pub(super) struct Measuring {
    next: Option<Instant>,
    last: Option<Stats>,
}

impl Measuring {
    /// Records what is due, and makes the thread wake for the next time. The thread calls this each time that it was woken.
    pub(super) fn tend(&mut self, engine: &Engine, due: &mut Instant) {
        let now = Instant::now();
        if let Some(next) = self.next.filter(|next| *next > now) {
            // Something may have happened.
            engine.measures.is_asleep.store(false, Ordering::Relaxed);
            *due = next.min(*due);
            return;
        }
        // Before the look, so that what happens during it is not missed.
        engine.measures.is_asleep.store(true, Ordering::Relaxed);
        let stats = engine.measure();
        let next = now + PAUSE.max(now.elapsed() * PARTS);
        self.next = Some(next);
        if is_busy(&stats) || self.last.as_ref() != Some(&stats) {
            engine.measures.is_asleep.store(false, Ordering::Relaxed);
            *due = next.min(*due);
        }
        self.last = Some(stats);
    }
}

/// Whether ages grow while nothing happens.
fn is_busy(stats: &Stats) -> bool {
    let waits = |node: &NodeStats| node.down || node.pending + node.rebounds > 0;
    stats.waiting > 0 || stats.nodes.iter().any(waits)
}

impl Engine {
    /// Something has happened that changes a metric.
    pub(super) fn measure_soon(&self) {
        if self.measures.is_asleep.load(Ordering::Relaxed)
            && self.measures.is_asleep.swap(false, Ordering::Relaxed)
        {
            self.inbox.wake();
        }
    }

    /// Sets counters and gauges to their current values.
    pub(crate) fn measure(&self) -> Stats {
        let stats = self.stats();
        self.measures
            .program
            .with(ProgramSeries::register, |series| {
                series.asked.reach(stats.asked);
                series.dropped.reach(stats.dropped);
                series.refused.reach(stats.refused);
                series.invalid.reach(stats.invalid);
                series.not_stored.reach(stats.not_stored);
                series.waiting.set(stats.waiting as f64);
            });
        for (node, stats) in self.nodes.iter().zip(&stats.nodes) {
            node.measure(stats);
        }
        #[cfg(feature = "_sql")]
        self.measure_outbox();
        stats
    }

    /// What the relay has counted; `None` while it cannot.
    #[cfg(feature = "_sql")]
    pub(crate) fn note_census(&self, census: Option<Census>) {
        let census = census.unwrap_or_default();
        let mut known = self.census();
        *known = Some((census, Instant::now()));
        drop(known);
        self.measure_outbox();
    }

    #[cfg(feature = "_sql")]
    fn census(&self) -> std::sync::MutexGuard<'_, Option<(Census, Instant)>> {
        // Code under the lock does not panic.
        self.measures
            .census
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "_sql")]
    fn measure_outbox(&self) {
        let Some((census, at)) = *self.census() else {
            return;
        };
        self.measures.outbox.with(OutboxSeries::register, |series| {
            series.up.set(f64::from(u8::from(census.is_up)));
            if !census.is_up {
                return;
            }
            series.purges.set(census.purges as f64);
            series.deliveries.set(census.deliveries as f64);
            series.dead.set(census.dead as f64);
            let oldest = census.oldest.map(|age| age + at.elapsed());
            series.oldest.set(oldest.unwrap_or_default().as_secs_f64());
        });
    }
}

impl Node {
    fn with_series(&self, record: impl FnOnce(&NodeSeries)) {
        let register = |recorder: &dyn ::metrics::Recorder| {
            NodeSeries::register(recorder, self.cache.to_string(), self.name.to_string())
        };
        self.series.with(register, record);
    }

    fn measure(&self, stats: &NodeStats) {
        let oldest = self.queue().oldest();
        self.with_series(|series| {
            series.requests.reach(stats.requests);
            series.purged.reach(stats.purged);
            series.not_cached.reach(stats.not_cached);
            series.refused.reach(stats.refused);
            series.dead.reach(stats.dead);
            series.dropped.reach(stats.dropped);
            series.verified.reach(stats.verified);
            series.retries.reach(stats.failed);
            series.pending.set(stats.pending as f64);
            series.rebounds.set(stats.rebounds as f64);
            series.in_flight.set(stats.in_flight as f64);
            let age = oldest.map(|asked| asked.elapsed()).unwrap_or_default();
            series.oldest.set(age.as_secs_f64());
            series.up.set(f64::from(u8::from(!stats.down)));
        });
    }

    /// A request has ended.
    pub(super) fn measure_request(&self, request: &Request, now: Instant) {
        let took = now.saturating_duration_since(request.first.started);
        self.with_series(|series| series.requested(took));
    }

    /// A request has ended that was for this target, too.
    pub(super) fn measure_purge(&self, job: &Job, outcome: &Outcome, now: Instant) {
        if job.rebound {
            return;
        }
        self.with_series(|series| {
            if job.attempts == 1 {
                series.waited(job.started.saturating_duration_since(job.asked));
            }
            if let Some(written) = job.written.filter(|_| outcome.is_done()) {
                series.lagged(now.saturating_duration_since(written));
            }
        });
    }
}
