//! The recorder of this process, which all tests share: a test knows its series by the name of its cache.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

pub(crate) fn builder() -> PrometheusBuilder {
    let ours = Matcher::Prefix("roan_".to_owned());
    let builder = PrometheusBuilder::new();
    builder
        .set_buckets_for_metric(ours, roan::metrics::BUCKETS)
        .unwrap()
}

/// What the program's exporter shows.
pub(crate) fn exporter() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = builder().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(Counting(recorder)).unwrap();
        handle
    })
}

/// How often the gauges of a cache were set.
pub(crate) fn recordings(cache: &str) -> u64 {
    let counts = COUNTS.lock().unwrap();
    counts
        .iter()
        .filter(|(name, _)| name == cache)
        .map(|(_, count)| count.load(Ordering::SeqCst))
        .sum()
}

static COUNTS: Mutex<Vec<(String, Arc<AtomicU64>)>> = Mutex::new(Vec::new());

/// The exporter's recorder, which counts how often each gauge is set.
struct Counting(PrometheusRecorder);

struct CountedGauge(Gauge, Arc<AtomicU64>);

impl GaugeFn for CountedGauge {
    fn increment(&self, value: f64) {
        self.0.increment(value);
    }

    fn decrement(&self, value: f64) {
        self.0.decrement(value);
    }

    fn set(&self, value: f64) {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.set(value);
    }
}

impl Recorder for Counting {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.describe_counter(key, unit, text);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.describe_gauge(key, unit, text);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.describe_histogram(key, unit, text);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.0.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let gauge = self.0.register_gauge(key, metadata);
        let count = Arc::default();
        let cache = key.labels().find(|label| label.key() == "cache");
        let cache = cache.map_or_else(String::new, |label| label.value().to_owned());
        COUNTS.lock().unwrap().push((cache, Arc::clone(&count)));
        Gauge::from_arc(Arc::new(CountedGauge(gauge, count)))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.0.register_histogram(key, metadata)
    }
}

/// The value of a series in what an exporter shows; `labels` as it writes them.
pub(crate) fn value(text: &str, name: &str, labels: &str) -> Option<f64> {
    let series = match labels {
        "" => format!("{name} "),
        labels => format!("{name}{{{labels}}} "),
    };
    let line = text.lines().find(|line| line.starts_with(&series))?;
    line[series.len()..].parse().ok()
}

/// The same for a node of [`crate::scripted`].
pub(crate) fn of_node(text: &str, name: &str, cache: &str) -> Option<f64> {
    value(text, name, &format!("cache=\"{cache}\",node=\"one\""))
}

/// The purges of a node with this result.
pub(crate) fn purges(text: &str, cache: &str, result: &str) -> Option<f64> {
    let labels = format!("cache=\"{cache}\",node=\"one\",result=\"{result}\"");
    value(text, "roan_purges_total", &labels)
}
