//! Spans, as an exporter of OpenTelemetry gets them.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use roan::{Nginx, Roan};
use roan_tests::{Behaviour, Faulty, HOST, wait};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::scripted::cache;

const LONG: Duration = wait::LONG;

/// The spans of this process that have ended.
#[derive(Debug, Clone, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Ended {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Ended {
    fn find(&self, is_it: impl Fn(&SpanData) -> bool) -> Vec<SpanData> {
        let spans = self.0.lock().unwrap();
        spans.iter().filter(|span| is_it(span)).cloned().collect()
    }

    /// Waits for a number of spans with this name and this attribute.
    fn wait_for(&self, count: usize, name: &str, key: &str, value: &str) -> Vec<SpanData> {
        let what = format!("{count} spans {name} with {key}={value}");
        let is_it = |span: &SpanData| span.name == name && attribute(span, key) == value;
        wait::until(LONG, &what, || self.find(is_it).len() >= count);
        let found = self.find(is_it);
        assert_eq!(found.len(), count, "{found:#?}");
        found
    }
}

/// Sets up `tracing` as a program with OpenTelemetry does.
fn ended() -> &'static Ended {
    static ENDED: OnceLock<Ended> = OnceLock::new();
    ENDED.get_or_init(|| {
        let ended = Ended::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(ended.clone())
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("roan"));
        tracing_subscriber::registry()
            .with(layer.with_filter(LevelFilter::DEBUG))
            .init();
        ended
    })
}

fn attribute(span: &SpanData, key: &str) -> String {
    let mut all = span.attributes.iter();
    let found = all.find(|attribute| attribute.key.as_str() == key);
    found.map_or_else(String::new, |attribute| attribute.value.to_string())
}

fn links_to(span: &SpanData, cause: &SpanData) -> bool {
    let mut links = span.links.iter();
    links.any(|link| link.span_context == cause.span_context)
}

/// In a span of the program, as that of a request.
fn in_request(name: &'static str, work: impl FnOnce()) {
    tracing::info_span!("request", otel.name = name).in_scope(work);
}

fn roan(name: &str) -> Roan {
    let pause = Duration::from_millis(1);
    let builder = Roan::builder().cache(cache(name)).backoff(pause, pause);
    builder.rebound(None).build().unwrap()
}

#[test]
fn a_purge_is_linked_to_the_request_that_wrote() {
    let ended = ended();
    let endpoint = Faulty::start(Behaviour::Purged);
    let nginx = Nginx::at(&endpoint.purge_url()).unwrap().name("traced");
    let roan = Roan::builder().cache(nginx).site(HOST).rebound(None);
    let roan = roan.build().unwrap();
    in_request("POST /linked", || roan.purge("/linked").unwrap());

    let send = &ended.wait_for(1, "send", "roan.target", "/linked")[0];
    let purge = &ended.wait_for(1, "purge traced", "roan.target", "/linked")[0];
    let request = &ended.find(|span| span.name == "POST /linked")[0];
    assert!(links_to(send, request), "{send:#?}");
    assert!(links_to(purge, send), "{purge:#?}");
    assert_eq!(send.span_kind, SpanKind::Producer);
    assert_eq!(purge.span_kind, SpanKind::Consumer);
    assert_eq!(purge.status, Status::Unset);
    let node = endpoint.addr().to_string();
    for (key, value) in [
        ("messaging.system", "roan"),
        ("messaging.operation.name", "purge"),
        ("messaging.operation.type", "process"),
        ("messaging.destination.name", "traced"),
        ("messaging.destination.partition.id", &*node),
        ("roan.result", "purged"),
    ] {
        assert_eq!(attribute(purge, key), value, "{key}");
    }
    assert_eq!(attribute(purge, "messaging.batch.message_count"), "");

    let is_below = |span: &SpanData| span.parent_span_id == purge.span_context.span_id();
    let http = ended.find(|span| is_below(span) && span.name == "GET");
    let [http] = &http[..] else {
        panic!("{http:#?}");
    };
    assert_eq!(http.span_kind, SpanKind::Client);
    let port = endpoint.addr().port().to_string();
    for (key, value) in [
        ("http.request.method", "GET"),
        ("server.address", "127.0.0.1"),
        ("server.port", &*port),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(attribute(http, key), value, "{key}");
    }
}

#[test]
fn each_attempt_is_linked_and_a_failed_one_says_why() {
    let ended = ended();
    let roan = roan("unreliable");
    in_request("POST /late", || roan.purge("/late/1").unwrap());
    let attempts = ended.wait_for(3, "purge unreliable", "roan.target", "/late/1");
    let send = &ended.wait_for(1, "send", "roan.target", "/late/1")[0];
    for (number, attempt) in attempts.iter().enumerate() {
        assert!(links_to(attempt, send), "{attempt:#?}");
        assert_eq!(
            attribute(attempt, "roan.attempts"),
            (number + 1).to_string()
        );
        let event = attempt.events.iter().find(|event| event.name == "purge");
        assert!(event.is_some(), "{attempt:#?}");
    }
    for failed in &attempts[..2] {
        let status = Status::error("failed: status 503");
        assert_eq!(failed.status, status);
        assert_eq!(attribute(failed, "error.type"), "503");
        assert_eq!(attribute(failed, "roan.result"), "failed");
    }
    assert_eq!(attempts[2].status, Status::Unset);
}

#[test]
fn purges_that_are_merged_are_linked_to_each_of_their_writes() {
    let ended = ended();
    let endpoint = Faulty::start(Behaviour::Hang);
    let nginx = Nginx::at(&endpoint.purge_url()).unwrap().name("merging");
    let roan = Roan::builder().cache(nginx).site(HOST).rebound(None);
    let roan = roan.concurrency(1).build().unwrap();
    roan.purge("/first").unwrap();
    endpoint.wait_for(1);
    for name in ["POST /merged 1", "POST /merged 2"] {
        in_request(name, || roan.purge("/merged").unwrap());
        // So that it waits at the node.
        wait::until(LONG, "it to wait", || roan.stats().waiting == 0);
    }
    endpoint.set(Behaviour::Purged);
    let purge = &ended.wait_for(1, "purge merging", "roan.target", "/merged")[0];
    let sends = ended.wait_for(2, "send", "roan.target", "/merged");
    assert!(sends.iter().all(|send| links_to(purge, send)), "{purge:#?}");
}

/// A span of the program ends with its work, however long a purge waits.
#[test]
fn a_purge_that_waits_holds_up_no_span_of_the_program() {
    let ended = ended();
    let endpoint = Faulty::start(Behaviour::Hang);
    let nginx = Nginx::at(&endpoint.purge_url()).unwrap().name("hanging");
    let roan = Roan::builder().cache(nginx).site(HOST).build().unwrap();
    in_request("POST /hanging", || roan.purge("/hanging").unwrap());
    let requests = ended.find(|span| span.name == "POST /hanging");
    assert_eq!(requests.len(), 1);
    endpoint.wait_for(1);
    let is_ours = |span: &SpanData| attribute(span, "roan.target") == "/hanging";
    assert!(ended.find(is_ours).is_empty());
}

#[test]
fn a_request_for_several_targets_says_how_many() {
    use roan::TargetKind;
    use roan::purger::Limits;
    let ended = ended();
    let limits = Limits::new().batch(10);
    let cache = cache("batching").purges([TargetKind::Url], limits);
    let roan = Roan::builder().cache(cache).rebound(None).build().unwrap();
    roan::scope_blocking(|| {
        for number in 0..3 {
            roan.purge(format!("/purged/batch/{number}").as_str())
                .unwrap();
        }
    });
    wait::until(LONG, "all to be purged", || {
        roan.stats().nodes[0].purged == 3
    });
    let spans = || ended.find(|span| span.name == "purge batching");
    let count = |span: &SpanData| {
        let count = attribute(span, "messaging.batch.message_count");
        count.parse().unwrap_or(1)
    };
    wait::until(LONG, "their spans", || {
        spans().iter().map(count).sum::<usize>() == 3
    });
    let links: usize = spans().iter().map(|span| span.links.iter().count()).sum();
    assert_eq!(links, 3, "{:#?}", spans());
}

#[test]
fn no_span_has_a_secret_of_a_purge_url() {
    let ended = ended();
    let endpoint = Faulty::start(Behaviour::Answer(503, Vec::new()));
    let url = endpoint
        .purge_url()
        .replace("http://", "http://user:s3cr3t@");
    let url = url.replace("/purge", "/t0k3n/purge");
    let nginx = Nginx::at(&url).unwrap().name("secret");
    let roan = Roan::builder().cache(nginx).site(HOST).build().unwrap();
    roan.purge("/secret").unwrap();
    let is_failed = |span: &SpanData| span.name == "purge secret" && span.status != Status::Unset;
    wait::until(LONG, "an attempt", || !ended.find(is_failed).is_empty());
    let all = format!("{:?}", ended.find(|_| true));
    assert!(!all.contains("s3cr3t"));
    assert!(!all.contains("t0k3n"));
}
