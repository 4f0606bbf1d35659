//! The metrics of Roan, for the crate [`metrics`](https://docs.rs/metrics): Prometheus and other exporters read it.
//!
//! Install a recorder of your exporter, and the metrics of [`METRICS`] appear in it. Those of a node have the labels `cache`
//! and `node`, the names of [`NodeStats`](crate::NodeStats). No label contains a URL or a tag, so the number of series is
//! bounded by the number of nodes.
//!
//! ```
//! use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
//!
//! let prometheus = PrometheusBuilder::new()
//!     // Without buckets, this exporter makes summaries, whose quantiles cannot be summed over several programs.
//!     .set_buckets_for_metric(Matcher::Prefix("roan_".to_owned()), roan::metrics::BUCKETS)?
//!     .install_recorder()?;
//! let roan = roan::Roan::builder().cache(roan::testing::Recorder::new()).build()?;
//!
//! // In the handler of `/metrics`:
//! roan.update_metrics();
//! let text = prometheus.render();
//! assert!(text.contains("roan_targets_asked_total 0"), "{text}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The dispatcher's thread records, and hooks do not. It updates counters and gauges once a second while something waits or
//! changes, and sleeps otherwise. So call [`Roan::update_metrics`](crate::Roan::update_metrics) before the exporter reads
//! them, as for other crates whose gauges are read on demand.
//!
//! The guide's page [`metrics`](crate::guide::metrics) has the meaning of each metric, a dashboard and alerts.

mod catalogue;
mod series;

pub use catalogue::{METRICS, Metric, MetricKind};

pub(crate) use catalogue::describe;
#[cfg(feature = "_sql")]
pub(crate) use series::OutboxSeries;
pub(crate) use series::{NodeSeries, ProgramSeries, place_of, record};

/// Bounds of buckets for the histograms, in seconds: from half a millisecond to a day.
///
/// Purges take about a millisecond while all is well. They wait for hours if a cache server is down.
pub const BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0,
];
