//! Records the metrics of a dispatcher: see [`metrics`](crate::metrics).
//!
//! The dispatcher's thread records. It wakes for that at most once a second, and only while something waits or has changed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::metrics::Recorder;

use super::engine::Engine;
use super::node::Node;
use super::queue::{Job, Request};
use super::stats::{NodeStats, Stats};
#[cfg(feature = "_sql")]
use crate::base::lock::Mutex;
use crate::base::outcome::Outcome;
#[cfg(feature = "_sql")]
use crate::metrics::OutboxSeries;
use crate::metrics::{ProgramSeries, describe, place_of, record};
#[cfg(feature = "_sql")]
use crate::outbox::census::Census;

/// The least time between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks take at most one part of so many of the thread's time: each looks at all that waits.
const PARTS: u32 = 100;

/// The series of a dispatcher besides those of its nodes.
pub(super) struct Measures {
    program: ProgramSeries,
    /// The recorder of the program that has the descriptions.
    described: AtomicUsize,
    /// Whether the thread does not mean to look again before something happens.
    is_asleep: AtomicBool,
    #[cfg(feature = "_sql")]
    outbox: OutboxSeries,
    #[cfg(feature = "_sql")]
    census: Mutex<Option<(Census, Instant)>>,
}

impl Measures {
    pub(super) fn new() -> Self {
        Self {
            program: ProgramSeries::new(),
            described: AtomicUsize::new(0),
            is_asleep: AtomicBool::new(false),
            #[cfg(feature = "_sql")]
            outbox: OutboxSeries::new(),
            #[cfg(feature = "_sql")]
            census: Mutex::new(None),
        }
    }
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
        let mut stats = engine.measure();
        for node in &mut stats.nodes {
            // It grows by itself, and no metric shows it.
            node.paused = node.paused.map(|_| Duration::ZERO);
        }
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

    /// Sets counters and gauges to their current values. The calling thread may have a recorder of its own.
    pub(crate) fn measure(&self) -> Stats {
        let stats = self.stats();
        record(|recorder| {
            let place = place_of(recorder);
            if self.measures.described.swap(place, Ordering::Relaxed) != place {
                describe(recorder);
            }
            let program = &self.measures.program;
            program.asked.reach(recorder, stats.asked);
            program.dropped.reach(recorder, stats.dropped);
            program.refused.reach(recorder, stats.refused);
            program.invalid.reach(recorder, stats.invalid);
            program.not_stored.reach(recorder, stats.not_stored);
            program.waiting.set(recorder, stats.waiting as f64);
            for (node, stats) in self.nodes.iter().zip(&stats.nodes) {
                node.measure(recorder, stats);
            }
            #[cfg(feature = "_sql")]
            self.measure_outbox(recorder);
        });
        stats
    }

    /// What the relay has counted; `None` while it cannot.
    #[cfg(feature = "_sql")]
    pub(crate) fn note_census(&self, census: Option<Census>) {
        let census = census.unwrap_or_default();
        let mut known = self.measures.census.lock();
        *known = Some((census, Instant::now()));
        drop(known);
        record(|recorder| self.measure_outbox(recorder));
    }

    #[cfg(feature = "_sql")]
    fn measure_outbox(&self, recorder: &dyn Recorder) {
        let Some((census, at)) = *self.measures.census.lock() else {
            return;
        };
        let outbox = &self.measures.outbox;
        outbox.up.set(recorder, f64::from(u8::from(census.is_up)));
        if !census.is_up {
            return;
        }
        outbox.purges.set(recorder, census.purges as f64);
        outbox.deliveries.set(recorder, census.deliveries as f64);
        outbox.dead.set(recorder, census.dead as f64);
        let oldest = census.oldest.map(|age| age + at.elapsed());
        let oldest = oldest.unwrap_or_default().as_secs_f64();
        outbox.oldest.set(recorder, oldest);
    }
}

impl Node {
    fn measure(&self, recorder: &dyn Recorder, stats: &NodeStats) {
        let oldest = self.queue().oldest();
        let series = &self.series;
        series.requests.reach(recorder, stats.requests);
        series.purged.reach(recorder, stats.purged);
        series.not_cached.reach(recorder, stats.not_cached);
        series.refused.reach(recorder, stats.refused);
        series.dead.reach(recorder, stats.dead);
        series.dropped.reach(recorder, stats.dropped);
        series.verified.reach(recorder, stats.verified);
        series.retries.reach(recorder, stats.failed);
        series.pending.set(recorder, stats.pending as f64);
        series.rebounds.set(recorder, stats.rebounds as f64);
        series.in_flight.set(recorder, stats.in_flight as f64);
        let age = oldest.map(|asked| asked.elapsed()).unwrap_or_default();
        series.oldest.set(recorder, age.as_secs_f64());
        series.up.set(recorder, f64::from(u8::from(!stats.down)));
        let is_paused = stats.paused.is_some();
        series.paused.set(recorder, f64::from(u8::from(is_paused)));
    }

    /// A request has ended.
    pub(super) fn measure_request(&self, request: &Request, now: Instant) {
        let took = now.saturating_duration_since(request.first.started);
        self.series.requested(took);
    }

    /// A request has ended that was for this target, too.
    pub(super) fn measure_purge(&self, job: &Job, outcome: &Outcome, now: Instant) {
        if job.rebound {
            return;
        }
        let waited = job.started.saturating_duration_since(job.asked);
        let written = job.written.filter(|_| outcome.is_done());
        self.series.purge(
            (job.attempts == 1).then_some(waited),
            written.map(|written| written.until(now)),
        );
    }
}
