//! The health endpoint, for load balancers, and the figures beside it.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::shared::{AgentPhase, AgentStatus, Shared};
use crate::base::log::emit;
use crate::dispatcher::{Engine, NodeStats, Stats};

/// More connections wait.
const CONNECTIONS: usize = 64;

/// A client has so long to send the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers until the task is aborted.
pub(super) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    engine: Weak<Engine>,
    most_lag: Duration,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                emit(
                    || tracing::warn!(target: "roan", %error, "the health endpoint cannot take a connection"),
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (shared, engine) = (Arc::clone(&shared), Weak::clone(&engine));
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request| {
                let answer = answer(&request, &shared, &engine, most_lag);
                async { Ok::<_, Infallible>(answer) }
            });
            let serving = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(socket), service);
            // The client may go at any time.
            let _ = serving.await;
        });
    }
}

fn answer(
    request: &Request<Incoming>,
    shared: &Shared,
    engine: &Weak<Engine>,
    most_lag: Duration,
) -> Response<Full<Bytes>> {
    let with = |status, text: String| {
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(http::header::CONTENT_TYPE, plain);
        let none = http::HeaderValue::from_static("no-store");
        headers.insert(http::header::CACHE_CONTROL, none);
        response
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return with(StatusCode::METHOD_NOT_ALLOWED, "use GET\n".to_owned());
    }
    let status = shared.status();
    match request.uri().path() {
        "/" => match status.not_ready(most_lag) {
            None => with(StatusCode::OK, "ready\n".to_owned()),
            Some(why) => with(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        "/metrics" => {
            let stats = engine.upgrade().map(|engine| engine.stats());
            let is_ready = status.not_ready(most_lag).is_none();
            with(StatusCode::OK, figures(&status, is_ready, stats.as_ref()))
        }
        _ => with(
            StatusCode::NOT_FOUND,
            "`/` says whether the cache is ready, and `/metrics` has the figures\n".to_owned(),
        ),
    }
}

/// The figures in the text format of Prometheus: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
fn figures(status: &AgentStatus, is_ready: bool, stats: Option<&Stats>) -> String {
    let mut text = String::new();
    let mut one = |name: &str, kind: &str, help: &str, value: f64| {
        // A string takes everything.
        let _ = write!(
            text,
            "# HELP roan_agent_{name} {help}\n# TYPE roan_agent_{name} {kind}\nroan_agent_{name} {value}\n"
        );
    };
    let flag = |is: bool| f64::from(u8::from(is));
    #[allow(clippy::cast_precision_loss, reason = "figures are approximate")]
    let count = |number: u64| number as f64;
    let size = |number: usize| count(number as u64);
    one(
        "ready",
        "gauge",
        "Whether the cache may serve visitors.",
        flag(is_ready),
    );
    one(
        "connected",
        "gauge",
        "Whether the agent has a connection to a server.",
        flag(status.connected),
    );
    one(
        "unclean",
        "gauge",
        "Whether the cache may have stale pages.",
        flag(status.phase == AgentPhase::Unclean),
    );
    one(
        "lag_seconds",
        "gauge",
        "How far the agent is behind.",
        status.lag.as_secs_f64(),
    );
    one(
        "acknowledged",
        "gauge",
        "The number of the stream up to which everything is acknowledged.",
        count(status.acknowledged),
    );
    one(
        "messages_open",
        "gauge",
        "Messages that are taken and not acknowledged.",
        size(status.open),
    );
    one(
        "messages_in_stream",
        "gauge",
        "Messages that the stream has for this agent.",
        count(status.waiting_in_stream),
    );
    one(
        "purges_held",
        "gauge",
        "Purges that wait for a node that is down, or for their next attempt.",
        size(status.held),
    );
    one(
        "messages_total",
        "counter",
        "Messages taken.",
        count(status.taken),
    );
    one(
        "messages_again_total",
        "counter",
        "Messages that came again.",
        count(status.again),
    );
    one(
        "messages_unread_total",
        "counter",
        "Messages that could not be read.",
        count(status.unread),
    );
    one(
        "messages_newer_total",
        "counter",
        "Messages of a newer version.",
        count(status.newer),
    );
    one(
        "targets_elsewhere_total",
        "counter",
        "Targets of sites that this node does not serve.",
        count(status.elsewhere),
    );
    one(
        "messages_given_up_total",
        "counter",
        "Messages given up.",
        count(status.given_up),
    );
    one(
        "emptied_total",
        "counter",
        "How often the cache was emptied.",
        count(status.emptied),
    );
    let Some(stats) = stats else { return text };
    let figures: [NodeFigure; 8] = [
        (
            "node_down",
            "gauge",
            "Whether the node does not answer.",
            |node| u64::from(node.down),
        ),
        (
            "node_pending",
            "gauge",
            "Purges that wait at the node.",
            |node| node.pending as u64,
        ),
        (
            "node_requests_total",
            "counter",
            "Requests to the node.",
            |node| node.requests,
        ),
        ("node_purged_total", "counter", "Pages purged.", |node| {
            node.purged
        }),
        (
            "node_not_cached_total",
            "counter",
            "Pages that were not cached.",
            |node| node.not_cached,
        ),
        ("node_refused_total", "counter", "Purges refused.", |node| {
            node.refused
        }),
        (
            "node_failed_total",
            "counter",
            "Attempts that failed.",
            |node| node.failed,
        ),
        (
            "node_dead_total",
            "counter",
            "Purges given up because of their age.",
            |node| node.dead,
        ),
    ];
    for (name, kind, help, value) in figures {
        let _ = write!(
            text,
            "# HELP roan_agent_{name} {help}\n# TYPE roan_agent_{name} {kind}\n"
        );
        for node in &stats.nodes {
            let (cache, of) = (label(&node.cache), label(&node.node));
            let value = value(node);
            let _ = writeln!(
                text,
                "roan_agent_{name}{{cache=\"{cache}\",node=\"{of}\"}} {value}"
            );
        }
    }
    text
}

/// A name, its kind, what it says, and its value.
type NodeFigure = (
    &'static str,
    &'static str,
    &'static str,
    fn(&NodeStats) -> u64,
);

/// The value of a label: with backslashes before what would end it.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
