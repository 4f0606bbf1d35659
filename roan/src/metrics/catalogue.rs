//! Each metric, with its description.

use ::metrics::{KeyName, Recorder, SharedString, Unit};

/// What a metric is, as the guide and the exporters have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The name, by the [conventions of Prometheus](https://prometheus.io/docs/practices/naming/).
    pub name: &'static str,
    /// The type.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence, which exporters show as the help text.
    pub description: &'static str,
}

/// The type of a [`Metric`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// A number that only grows while the program runs.
    Counter,
    /// A current value.
    Gauge,
    /// A distribution.
    Histogram,
}

impl MetricKind {
    /// Returns the word that Prometheus has for it, such as `counter`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Metric {
    /// Returns the unit: `seconds`, or a count.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        self.measure().as_str()
    }

    fn measure(&self) -> Unit {
        if self.name.ends_with("_seconds") {
            Unit::Seconds
        } else {
            Unit::Count
        }
    }

    fn describe(&self, recorder: &dyn Recorder) {
        let name = KeyName::from_const_str(self.name);
        let (unit, text) = (
            Some(self.measure()),
            SharedString::const_str(self.description),
        );
        match self.kind {
            MetricKind::Counter => recorder.describe_counter(name, unit, text),
            MetricKind::Gauge => recorder.describe_gauge(name, unit, text),
            MetricKind::Histogram => recorder.describe_histogram(name, unit, text),
        }
    }
}

/// Gives all descriptions to a recorder.
pub(crate) fn describe(recorder: &dyn Recorder) {
    for metric in METRICS {
        metric.describe(recorder);
    }
}

const NONE: &[&str] = &[];
const NODE: &[&str] = &["cache", "node"];
const RESULT: &[&str] = &["cache", "node", "result"];

/// Makes a constant of each metric, and the list of all.
macro_rules! metrics {
    ($($constant:ident: $kind:ident $labels:ident $name:literal, $description:literal;)+) => {
        $(pub(super) const $constant: Metric = Metric {
            name: $name,
            kind: MetricKind::$kind,
            labels: $labels,
            description: $description,
        };)+

        /// All metrics. Those whose name begins with `roan_outbox_` are there with a durable outbox alone.
        pub const METRICS: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    ASKED: Counter NONE "roan_targets_asked_total",
        "Targets that hooks requested, repetitions included, but for those of writes that an outbox stores.";
    DROPPED: Counter NONE "roan_targets_dropped_total",
        "Targets that were dropped because too many waited, or after the shutdown.";
    REFUSED: Counter NONE "roan_targets_refused_total",
        "Targets that no configured cache can purge, or of an unknown site.";
    INVALID: Counter NONE "roan_targets_invalid_total",
        "Times that a rule could not make a target of a row.";
    NOT_STORED: Counter NONE "roan_writes_not_stored_total",
        "Writes whose purges the outbox did not take; they were sent from memory.";
    WAITING: Gauge NONE "roan_targets_waiting",
        "Targets between the hooks and the queues of the nodes.";
    PURGES: Counter RESULT "roan_purges_total",
        "Purges that ended, by result: purged, `not_cached`, refused, dead or dropped.";
    VERIFIED: Counter NODE "roan_purges_verified_total",
        "Purges whose answer named the key that was to be purged.";
    RETRIES: Counter NODE "roan_retries_total",
        "Attempts that failed and are repeated.";
    REQUESTS: Counter NODE "roan_requests_total",
        "Requests to a node, each for one target or several.";
    REQUEST: Histogram NODE "roan_request_duration_seconds",
        "Time from a request to its answer or failure.";
    WAIT: Histogram NODE "roan_purge_wait_seconds",
        "Time from the hook to the first request for the purge.";
    LAG: Histogram NODE "roan_purge_lag_seconds",
        "Time from the commit (from memory: from the hook) to the answer that the page is purged.";
    PENDING: Gauge NODE "roan_purges_pending",
        "Targets that wait for the node or are in flight, without rebounds.";
    REBOUNDS: Gauge NODE "roan_rebounds_pending",
        "Rebounds that wait for the node or are in flight.";
    IN_FLIGHT: Gauge NODE "roan_requests_in_flight",
        "Requests in flight.";
    OLDEST: Gauge NODE "roan_oldest_pending_seconds",
        "Age of the oldest purge that waits for the node; 0 if none waits.";
    UP: Gauge NODE "roan_node_up",
        "1 while the node answers, 0 while it is down.";
    PAUSED: Gauge NODE "roan_node_paused",
        "1 while purges of the node are paused, else 0.";
    OUTBOX_PURGES: Gauge NONE "roan_outbox_purges",
        "Rows of the outbox that no relay has taken yet, counted up to 100,000.";
    OUTBOX_DELIVERIES: Gauge NONE "roan_outbox_deliveries",
        "Purges in the outbox that wait for a node which did not answer, counted up to 100,000.";
    OUTBOX_DEAD: Gauge NONE "roan_outbox_dead",
        "Dead purges in the outbox, counted up to 100,000.";
    OUTBOX_OLDEST: Gauge NONE "roan_outbox_oldest_seconds",
        "Age of the oldest row or purge that waits in the outbox; 0 if none waits.";
    OUTBOX_UP: Gauge NONE "roan_outbox_up",
        "1 while the relay can use the database of the outbox, else 0.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let mut names = std::collections::HashSet::new();
        for Metric {
            name,
            kind,
            description,
            ..
        } in METRICS
        {
            assert!(names.insert(name), "{name} is there twice");
            assert!(name.starts_with("roan_"), "{name}");
            let is_plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            assert!(name.chars().all(is_plain), "{name}");
            assert_eq!(
                *kind == MetricKind::Counter,
                name.ends_with("_total"),
                "{name}"
            );
            if *kind == MetricKind::Histogram {
                assert!(name.ends_with("_seconds"), "{name}");
            }
            assert!(description.ends_with('.'), "{name}: {description}");
        }
    }
}
