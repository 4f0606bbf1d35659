//! The series of one dispatcher: those of the program, of each node, and of the outbox.
//!
//! Their keys are made once. Counters and gauges are found in the recorder each time that they are set, about once a second:
//! the recorder may be installed after the dispatcher, and tests have one of their own. Distributions get a sample for each
//! purge, so their handles are kept.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::metrics::{Histogram, Key, Label, Level, Metadata, Recorder, SharedString, with_recorder};

use super::catalogue::{self, Metric};
use crate::base::lock::Mutex;

const METADATA: Metadata<'static> = Metadata::new("roan", Level::INFO, Some("roan"));

/// Records something. The recorder is code of the program or of a library, so it may panic: the dispatcher goes on then, and
/// the panic hook has shown the panic. Never call this under a lock.
pub(crate) fn record(work: impl FnOnce(&dyn Recorder)) {
    let _ = catch_unwind(AssertUnwindSafe(|| with_recorder(work)));
}

/// Tells recorders apart. That of the program stays for ever once it is installed.
pub(crate) fn place_of(recorder: &dyn Recorder) -> usize {
    std::ptr::from_ref(recorder).cast::<()>().addr()
}

fn key(metric: Metric, labels: &[Label], result: Option<&'static str>) -> Key {
    let result = result.map(|result| Label::from_static_parts("result", result));
    let labels: Vec<_> = labels.iter().cloned().chain(result).collect();
    debug_assert!(
        labels
            .iter()
            .map(Label::key)
            .eq(metric.labels.iter().copied())
    );
    Key::from_parts(metric.name, labels)
}

/// A counter that follows one of a dispatcher. Dispatchers of a program whose nodes have the same names add up.
#[derive(Debug)]
pub(crate) struct Total {
    key: Key,
    own: AtomicU64,
    of_all: Arc<AtomicU64>,
}

impl Total {
    fn new(metric: Metric, labels: &[Label], result: Option<&'static str>) -> Self {
        static ALL: Mutex<Option<HashMap<Key, Arc<AtomicU64>>>> = Mutex::new(None);
        let key = key(metric, labels, result);
        let mut all = ALL.lock();
        let all = all.get_or_insert_default();
        let of_all = Arc::clone(all.entry(key.clone()).or_default());
        let own = AtomicU64::new(0);
        Self { key, own, of_all }
    }

    pub(crate) fn reach(&self, recorder: &dyn Recorder, own: u64) {
        let before = self.own.fetch_max(own, Ordering::Relaxed);
        let more = own.saturating_sub(before);
        let all = self.of_all.fetch_add(more, Ordering::Relaxed) + more;
        // Set and not incremented, so that a recorder which comes later has what was counted before.
        recorder
            .register_counter(&self.key, &METADATA)
            .absolute(all);
    }
}

/// A gauge.
#[derive(Debug)]
pub(crate) struct Value(Key);

impl Value {
    fn new(metric: Metric, labels: &[Label]) -> Self {
        Self(key(metric, labels, None))
    }

    pub(crate) fn set(&self, recorder: &dyn Recorder, value: f64) {
        recorder.register_gauge(&self.0, &METADATA).set(value);
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
    pub(crate) waiting: Value,
}

impl ProgramSeries {
    pub(crate) fn new() -> Self {
        let total = |metric| Total::new(metric, &[], None);
        Self {
            asked: total(catalogue::ASKED),
            dropped: total(catalogue::DROPPED),
            refused: total(catalogue::REFUSED),
            invalid: total(catalogue::INVALID),
            not_stored: total(catalogue::NOT_STORED),
            waiting: Value::new(catalogue::WAITING, &[]),
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
    pub(crate) pending: Value,
    pub(crate) rebounds: Value,
    pub(crate) in_flight: Value,
    pub(crate) oldest: Value,
    pub(crate) up: Value,
    pub(crate) paused: Value,
    labels: Vec<Label>,
    /// Of the recorder at this place.
    distributions: Mutex<Option<(usize, Distributions)>>,
}

#[derive(Debug, Clone)]
struct Distributions {
    request: Histogram,
    wait: Histogram,
    lag: Histogram,
}

impl NodeSeries {
    pub(crate) fn new(cache: &Arc<str>, node: &Arc<str>) -> Self {
        let text = |name: &Arc<str>| SharedString::from(Arc::clone(name));
        let labels = vec![
            Label::new("cache", text(cache)),
            Label::new("node", text(node)),
        ];
        let total = |metric| Total::new(metric, &labels, None);
        let purges = |result| Total::new(catalogue::PURGES, &labels, Some(result));
        let value = |metric| Value::new(metric, &labels);
        Self {
            purged: purges("purged"),
            not_cached: purges("not_cached"),
            refused: purges("refused"),
            dead: purges("dead"),
            dropped: purges("dropped"),
            verified: total(catalogue::VERIFIED),
            retries: total(catalogue::RETRIES),
            requests: total(catalogue::REQUESTS),
            pending: value(catalogue::PENDING),
            rebounds: value(catalogue::REBOUNDS),
            in_flight: value(catalogue::IN_FLIGHT),
            oldest: value(catalogue::OLDEST),
            up: value(catalogue::UP),
            paused: value(catalogue::PAUSED),
            labels,
            distributions: Mutex::new(None),
        }
    }

    fn distributions(&self, recorder: &dyn Recorder) -> Distributions {
        let place = place_of(recorder);
        let known = || self.distributions.lock();
        if let Some((of, distributions)) = &*known()
            && *of == place
        {
            return distributions.clone();
        }
        let register = |metric| {
            let key = key(metric, &self.labels, None);
            recorder.register_histogram(&key, &METADATA)
        };
        let distributions = Distributions {
            request: register(catalogue::REQUEST),
            wait: register(catalogue::WAIT),
            lag: register(catalogue::LAG),
        };
        *known() = Some((place, distributions.clone()));
        distributions
    }

    /// A request has ended.
    pub(crate) fn requested(&self, took: Duration) {
        record(|recorder| {
            self.distributions(recorder)
                .request
                .record(took.as_secs_f64());
        });
    }

    /// A purge has left for the first time, or has brought a page up to date.
    pub(crate) fn purge(&self, waited: Option<Duration>, lag: Option<Duration>) {
        if waited.is_none() && lag.is_none() {
            return;
        }
        record(|recorder| {
            let distributions = self.distributions(recorder);
            if let Some(waited) = waited {
                distributions.wait.record(waited.as_secs_f64());
            }
            if let Some(lag) = lag {
                distributions.lag.record(lag.as_secs_f64());
            }
        });
    }
}

/// What is of a durable outbox.
#[cfg(feature = "_sql")]
#[derive(Debug)]
pub(crate) struct OutboxSeries {
    pub(crate) purges: Value,
    pub(crate) deliveries: Value,
    pub(crate) dead: Value,
    pub(crate) oldest: Value,
    pub(crate) up: Value,
}

#[cfg(feature = "_sql")]
impl OutboxSeries {
    pub(crate) fn new() -> Self {
        let value = |metric| Value::new(metric, &[]);
        Self {
            purges: value(catalogue::OUTBOX_PURGES),
            deliveries: value(catalogue::OUTBOX_DELIVERIES),
            dead: value(catalogue::OUTBOX_DEAD),
            oldest: value(catalogue::OUTBOX_OLDEST),
            up: value(catalogue::OUTBOX_UP),
        }
    }
}
