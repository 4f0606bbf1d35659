//! `/metrics`, for Prometheus. The guide's page "metrics" has a dashboard and alerts for it.

use std::time::Duration;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use roan::Roan;

/// At the start: what Roan, and other crates with metrics, record to.
pub(crate) fn exporter() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Prefix("roan_".to_owned()), roan::metrics::BUCKETS)?
        .install_recorder()
}

/// Where Prometheus reads them. A site that strangers visit has it at a port of its own.
pub(crate) fn routes(roan: &Roan, exporter: PrometheusHandle) -> Router {
    let upkeep = exporter.clone();
    tokio::spawn(async move {
        // So that samples do not pile up while nobody reads them.
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    let roan = roan.clone();
    let read = move || {
        roan.update_metrics();
        let headers = [
            (CACHE_CONTROL, "private, no-store"),
            (CONTENT_TYPE, "text/plain; version=0.0.4"),
        ];
        async move { (headers, exporter.render()) }
    };
    Router::new().route("/metrics", get(read))
}
