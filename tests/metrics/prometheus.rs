//! A real Prometheus reads the metrics, the alerts and the dashboard.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use roan::metrics::{METRICS, Metric, MetricKind};
use roan::outbox::Outbox;
use roan::{Nginx, Roan};
use roan_tests::{Behaviour, Faulty, HOST, Prometheus, SqliteFile, promtool, wait};
use serde_json::Value;

use crate::scripted::cache;
use crate::support::exporter;

const ALERTS: &str = include_str!("../../roan/src/guide/metrics/alerts.yml");
const DASHBOARD: &str = include_str!("../../roan/src/guide/metrics/dashboard.json");
const CASES: &str = include_str!("alerts.test.yml");

/// The words of a text that begin as metrics do.
fn names_in(text: &str) -> BTreeSet<&str> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_of_name(letter));
    words.filter(|word| word.starts_with("roan_")).collect()
}

/// The expressions of the panels of the dashboard, with Grafana's variables as it would fill them in.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let targets = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array();
        targets.unwrap_or_else(|| panic!("a panel without targets: {panel}"))
    });
    let mut expressions = Vec::new();
    for target in targets {
        let mut expression = target["expr"].as_str().expect("an expression").to_owned();
        for (variable, value) in [
            ("$__rate_interval", "1m"),
            ("$job", ".*"),
            ("$cache", ".*"),
            ("$node", ".*"),
        ] {
            expression = expression.replace(variable, value);
        }
        assert!(
            !expression.contains('$'),
            "an unknown variable: {expression}"
        );
        expressions.push(expression);
    }
    assert!(expressions.len() > 20);
    expressions
}

fn run_promtool(arguments: &[&str]) {
    let output = promtool()
        .args(arguments)
        .output()
        .expect("promtool starts");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn each_alert_fires_when_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (alerts, cases) = (path("alerts.yml"), path("cases.yml"));
    fs::write(&alerts, ALERTS).unwrap();
    fs::write(&cases, CASES.replace("[ALERTS]", "[alerts.yml]")).unwrap();
    run_promtool(&["check", "rules", &alerts]);
    run_promtool(&["test", "rules", &cases]);
    let lines = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let names: Vec<_> = lines.collect();
    assert!(names.len() > 10);
    for name in &names {
        let case = format!("alertname=\"{name}\"");
        assert!(CASES.contains(&case), "{name} is not tested");
    }
    // Each says what to do.
    assert_eq!(ALERTS.matches("runbook: ").count(), names.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_reads_metrics_alerts_and_dashboard() {
    let exporter = exporter();
    let file = SqliteFile::new();
    let outbox = Outbox::at(&file.url()).unwrap();
    outbox.migrate().await.unwrap();
    let endpoint = Faulty::start(Behaviour::Purged);
    let nginx = Nginx::at(&endpoint.purge_url()).unwrap();
    let roan = Roan::builder().cache(nginx).cache(cache("second"));
    let roan = roan
        .site(HOST)
        .rebound(Duration::from_millis(50))
        .outbox(outbox);
    let roan = roan.build().unwrap();
    for url in ["/purged/1", "/missing/1", "/refused/1"] {
        roan.purge(url).unwrap();
    }
    wait::for_purges(&roan).await;

    let app_roan = roan.clone();
    let metrics = move || {
        app_roan.update_metrics();
        async { exporter.render() }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/metrics", get(metrics));
    tokio::spawn(axum::serve(listener, app).into_future());

    let prometheus = Prometheus::start_before(address, ALERTS);
    let samples = |expression: &str| prometheus.query(expression).unwrap();
    let is_one = |sample: &Value| sample["value"][1] == "1";
    wait::until(wait::LONG, "Prometheus to read the metrics", || {
        samples("up").iter().any(is_one) && samples("roan_outbox_up").iter().any(is_one)
    });

    let known = prometheus.api("label/__name__/values");
    let known: BTreeSet<_> = known["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let in_scrape = |metric: &Metric| match metric.kind {
        MetricKind::Histogram => format!("{}_bucket", metric.name),
        _ => metric.name.to_owned(),
    };
    for name in METRICS.iter().map(in_scrape) {
        assert!(known.contains(&*name), "{name} is not scraped");
    }
    for name in names_in(ALERTS).union(&names_in(DASHBOARD)) {
        // A text may name a distribution as a whole.
        let is_whole = known.contains(&*format!("{name}_bucket"));
        assert!(known.contains(name) || is_whole, "{name} does not exist");
    }
    let metadata = prometheus.api("metadata");
    for metric in METRICS {
        let found = &metadata["data"][metric.name][0];
        assert_eq!(found["type"], metric.kind.as_str(), "{}", metric.name);
        assert_eq!(found["help"], metric.description, "{}", metric.name);
    }

    for expression in expressions() {
        if let Err(error) = prometheus.query(&expression) {
            panic!("the dashboard has {expression}: {error}");
        }
    }
    let groups = prometheus.api("rules");
    let rules = groups["data"]["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 10);
    wait::until(wait::LONG, "the alerts to be evaluated", || {
        let groups = prometheus.api("rules");
        let rules = groups["data"]["groups"][0]["rules"].as_array().unwrap();
        rules.iter().all(|rule| rule["health"] == "ok")
    });
    let values = samples("sum by (cache, result) (roan_purges_total > 0)");
    assert!(values.len() >= 3, "{values:?}");
}
