//! The series of one dispatcher: those of the program, of each node, and of the outbox.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, SharedString};

use super::catalogue::{self, Metric};

pub(crate) use super::recorders::Recorded;

const METADATA: Metadata<'static> = Metadata::new("roan", Level::INFO, Some("roan"));

/// Registers series with these labels.
struct Registrar<'a> {
    recorder: &'a dyn Recorder,
    labels: Vec<Label>,
}

impl Registrar<'_> {
    fn key(&self, metric: Metric, result: Option<&'static str>) -> Key {
        let result = result.map(|result| Label::from_static_parts("result", result));
        let labels: Vec<_> = self.labels.iter().cloned().chain(result).collect();
        debug_assert!(
            labels
                .iter()
                .map(Label::key)
                .eq(metric.labels.iter().copied())
        );
        Key::from_parts(metric.name, labels)
    }

    fn counter(&self, metric: Metric) -> Total {
        self.result(metric, None)
    }

    fn result(&self, metric: Metric, result: Option<&'static str>) -> Total {
        let key = self.key(metric, result);
        Total {
            counter: self.recorder.register_counter(&key, &METADATA),
            recorded: AtomicU64::new(0),
        }
    }

    fn gauge(&self, metric: Metric) -> Gauge {
        let key = self.key(metric, None);
        self.recorder.register_gauge(&key, &METADATA)
    }

    fn histogram(&self, metric: Metric) -> Histogram {
        let key = self.key(metric, None);
        self.recorder.register_histogram(&key, &METADATA)
    }
}

/// A counter that follows one of ours. It is incremented and not set, so that several dispatchers of a program add up.
#[derive(Debug)]
pub(crate) struct Total {
    counter: Counter,
    recorded: AtomicU64,
}

impl Total {
    pub(crate) fn reach(&self, total: u64) {
        let before = self.recorded.fetch_max(total, Ordering::Relaxed);
        if total > before {
            self.counter.increment(total - before);
        }
    }
}

/// What is not of a node.
#[derive(Debug)]
pub(crate) struct ProgramSeries {
    pub(crate) asked: Total,
    pub(crate) dropped: Total,
    pub(crate) refused: Total,
    pub(crate) invalid: Total,
    pub(crate) not_stored: Total,
    pub(crate) waiting: Gauge,
}

impl ProgramSeries {
    pub(crate) fn register(recorder: &dyn Recorder) -> Self {
        let of = Registrar {
            recorder,
            labels: Vec::new(),
        };
        Self {
            asked: of.counter(catalogue::ASKED),
            dropped: of.counter(catalogue::DROPPED),
            refused: of.counter(catalogue::REFUSED),
            invalid: of.counter(catalogue::INVALID),
            not_stored: of.counter(catalogue::NOT_STORED),
            waiting: of.gauge(catalogue::WAITING),
        }
    }
}

/// What is of one node.
#[derive(Debug)]
pub(crate) struct NodeSeries {
    pub(crate) purged: Total,
    pub(crate) not_cached: Total,
    pub(crate) refused: Total,
    pub(crate) dead: Total,
    pub(crate) dropped: Total,
    pub(crate) verified: Total,
    pub(crate) retries: Total,
    pub(crate) requests: Total,
    pub(crate) pending: Gauge,
    pub(crate) rebounds: Gauge,
    pub(crate) in_flight: Gauge,
    pub(crate) oldest: Gauge,
    pub(crate) up: Gauge,
    request: Histogram,
    wait: Histogram,
    lag: Histogram,
}

impl NodeSeries {
    pub(crate) fn register(
        recorder: &dyn Recorder,
        cache: impl Into<SharedString>,
        node: impl Into<SharedString>,
    ) -> Self {
        let labels = vec![Label::new("cache", cache), Label::new("node", node)];
        let of = Registrar { recorder, labels };
        let purges = |result| of.result(catalogue::PURGES, Some(result));
        Self {
            purged: purges("purged"),
            not_cached: purges("not_cached"),
            refused: purges("refused"),
            dead: purges("dead"),
            dropped: purges("dropped"),
            verified: of.counter(catalogue::VERIFIED),
            retries: of.counter(catalogue::RETRIES),
            requests: of.counter(catalogue::REQUESTS),
            pending: of.gauge(catalogue::PENDING),
            rebounds: of.gauge(catalogue::REBOUNDS),
            in_flight: of.gauge(catalogue::IN_FLIGHT),
            oldest: of.gauge(catalogue::OLDEST),
            up: of.gauge(catalogue::UP),
            request: of.histogram(catalogue::REQUEST),
            wait: of.histogram(catalogue::WAIT),
            lag: of.histogram(catalogue::LAG),
        }
    }

    pub(crate) fn requested(&self, took: Duration) {
        self.request.record(took.as_secs_f64());
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.wait.record(time.as_secs_f64());
    }

    pub(crate) fn lagged(&self, time: Duration) {
        self.lag.record(time.as_secs_f64());
    }
}

/// What is of a durable outbox.
#[cfg(feature = "_sql")]
#[derive(Debug)]
pub(crate) struct OutboxSeries {
    pub(crate) purges: Gauge,
    pub(crate) deliveries: Gauge,
    pub(crate) dead: Gauge,
    pub(crate) oldest: Gauge,
    pub(crate) up: Gauge,
}

#[cfg(feature = "_sql")]
impl OutboxSeries {
    pub(crate) fn register(recorder: &dyn Recorder) -> Self {
        let of = Registrar {
            recorder,
            labels: Vec::new(),
        };
        Self {
            purges: of.gauge(catalogue::OUTBOX_PURGES),
            deliveries: of.gauge(catalogue::OUTBOX_DELIVERIES),
            dead: of.gauge(catalogue::OUTBOX_DEAD),
            oldest: of.gauge(catalogue::OUTBOX_OLDEST),
            up: of.gauge(catalogue::OUTBOX_UP),
        }
    }
}
