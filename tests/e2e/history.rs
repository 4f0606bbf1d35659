//! What was purged, why, and how each node answered, without a database.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::post;
use roan::history::{AnswerKind, CauseKind, Filter, PurgeRecord, PurgeState};
use roan::testing::Recorder;
use roan::web::Web;
use roan::{Event, External, Roan, Target, purge_on};
use roan_tests::{Behaviour, Faulty, wait};
use tower::ServiceExt;

#[purge_on(save, delete, url = "/history/list")]
#[purge_on(save, delete, url = "/history/{0}")]
#[purge_on(delete, tag = "history-{0}")]
struct Page(u32);

struct Unmarked;

const SOON: Duration = Duration::from_secs(10);

fn of(roan: &Roan, target: &str) -> Vec<PurgeRecord> {
    roan.history(&Filter::new().target(Target::url(target).unwrap()))
}

#[test]
fn a_purge_names_its_rule_its_event_and_the_answers_of_its_nodes() {
    let roan = Roan::builder()
        .cache(Recorder::named("first"))
        .cache(Recorder::named("second"))
        .rebound(None)
        .build()
        .unwrap();
    let mut reports = roan.subscribe();
    roan.deleted(&Page(7));
    assert_eq!(roan.flush_blocking(SOON).pending(), 0);
    let [purge] = &*of(&roan, "/history/7/?utm_source=x") else {
        panic!("{:#?}", roan.history(&Filter::new()));
    };
    let [cause] = &*purge.causes else {
        panic!("{purge:#?}");
    };
    assert_eq!(
        (cause.kind(), cause.model()),
        (CauseKind::Rule, Some("Page"))
    );
    assert_eq!(cause.events(), Some(Event::Delete.into()));
    let rule = cause.rule().unwrap();
    assert_eq!((rule.file(), rule.line()), (file!(), cause.line()));
    assert_eq!(rule.target().to_string(), r#"url = "/history/{0}""#);
    assert_eq!(
        cause.to_string(),
        format!(
            "delete of Page, by the rule at {}:{}",
            file!(),
            cause.line()
        )
    );
    assert_eq!((purge.asks, purge.state), (1, PurgeState::Done));
    let nodes = purge
        .answers
        .iter()
        .map(|answer| (&*answer.cache, answer.result));
    let nodes: Vec<_> = nodes.collect();
    assert_eq!(
        nodes,
        [
            ("first", AnswerKind::Purged),
            ("second", AnswerKind::Purged)
        ]
    );
    let mut named = std::iter::from_fn(|| reports.next_blocking());
    let report = named.find(|report| report.target.as_str() == "/history/7");
    assert_eq!(report.unwrap().causes.first().as_ref(), Some(cause));
}

#[test]
fn asks_that_wait_together_are_one_purge_with_all_of_its_causes() {
    let roan = Roan::builder().cache(Recorder::new()).build().unwrap();
    roan::purge("/history/list").on_save::<Unmarked>();
    roan::scope_blocking(|| {
        roan.created(&Page(1));
        roan.updated(&Page(1), &Page(1));
        roan.saved(&External(&Unmarked));
        roan.purge("/history/list").unwrap();
        roan.deleted(&Page(2));
        roan.deleted(&Page(2));
    });
    assert_eq!(roan.flush_blocking(SOON).pending(), 0);
    let [purge] = &*of(&roan, "/history/list") else {
        panic!("{:#?}", roan.history(&Filter::new()));
    };
    // An update fires for the old row and the new one.
    assert_eq!(purge.asks, 7);
    let causes: Vec<_> = purge
        .causes
        .iter()
        .map(|cause| {
            (
                cause.kind(),
                cause.events().map(|events| events.to_string()),
            )
        })
        .collect();
    let event = |event: &str| Some(event.to_owned());
    assert_eq!(
        causes,
        [
            (CauseKind::Rule, event("create")),
            (CauseKind::Rule, event("update")),
            (CauseKind::RunTimeRule, event("save")),
            (CauseKind::Call, None),
        ]
    );
    assert!(
        purge
            .causes
            .iter()
            .all(|cause| cause.file() == file!() && cause.line() > 0)
    );
    assert_eq!(
        purge.causes[2].model(),
        Some(std::any::type_name::<Unmarked>())
    );
}

#[test]
fn the_history_is_bounded_and_can_be_off() {
    let filter = Filter::new().limit(1000);
    let roan = Roan::builder()
        .cache(Recorder::new())
        .history(3)
        .build()
        .unwrap();
    for number in 0..10 {
        roan.purge(format!("/history/{number}")).unwrap();
    }
    assert_eq!(roan.flush_blocking(SOON).pending(), 0);
    let newest = roan.history(&filter);
    let targets: Vec<_> = newest
        .iter()
        .map(|purge| purge.targets[0].as_str())
        .collect();
    assert_eq!(targets, ["/history/9", "/history/8", "/history/7"]);
    let before = filter.clone().before(newest[0].id).limit(1);
    assert_eq!(roan.history(&before)[0], newest[1]);
    let off = Roan::builder()
        .cache(Recorder::new())
        .history(0)
        .build()
        .unwrap();
    let mut reports = off.subscribe();
    off.saved(&Page(1));
    let report = reports.next_blocking().unwrap();
    assert_eq!((report.causes.count(), report.causes.first()), (0, None));
    assert_eq!(off.history(&filter), []);
}

#[test]
fn a_node_that_fails_and_recovers_shows_its_last_answer_and_the_attempts() {
    let node = Faulty::start(Behaviour::Answer(503, Vec::new()));
    let roan = Roan::builder()
        .cache(roan::Nginx::at(&node.purge_url()).unwrap())
        .backoff(Duration::from_millis(1), Duration::from_millis(5))
        .rebound(None)
        .build()
        .unwrap();
    roan.purge("/history/down").unwrap();
    let failed = wait::until_some(SOON, "the first answer", || {
        let purges = of(&roan, "/history/down");
        purges.into_iter().find(|purge| !purge.answers.is_empty())
    });
    assert_eq!(failed.state, PurgeState::Waiting);
    assert_eq!(failed.answers[0].result, AnswerKind::Failed);
    assert_eq!(failed.answers[0].error.as_deref(), Some("status 503"));
    node.set(Behaviour::Purged);
    assert_eq!(roan.flush_blocking(SOON).pending(), 0);
    let [purge] = &*of(&roan, "/history/down") else {
        panic!("{:#?}", roan.history(&Filter::new()));
    };
    let [answer] = &*purge.answers else {
        panic!("{purge:#?}");
    };
    assert_eq!(
        (answer.result, purge.state),
        (AnswerKind::Purged, PurgeState::Done)
    );
    assert!(answer.attempts > 1, "{answer:?}");
    assert_eq!(roan.history(&Filter::new().result(AnswerKind::Failed)), []);
}

#[tokio::test]
async fn a_purge_has_the_trace_of_the_request_that_wrote() {
    let roan = Roan::builder()
        .cache(Recorder::new())
        .site("https://www.example.org")
        .web(Web::new())
        .build()
        .unwrap();
    let handle = roan.clone();
    let write = move || {
        let roan = handle.clone();
        async move {
            roan.saved(&Page(1));
            let page = roan::web::page().unwrap();
            tokio::spawn(page.enter(async move { roan.saved(&Page(2)) }))
                .await
                .unwrap();
        }
    };
    let app = Router::new()
        .route("/write", post(write))
        .layer(roan.web().unwrap());
    let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    for traceparent in [format!("00-{ids}-01"), "no trace".to_owned()] {
        let request =
            Request::post("http://www.example.org/write").header("traceparent", traceparent);
        app.clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let _ = roan.flush(SOON).await;
    }
    roan.saved(&Page(3));
    let _ = roan.flush(SOON).await;
    for (page, traces) in [
        ("/history/1", vec![None, Some(ids)]),
        ("/history/2", vec![None, Some(ids)]),
        ("/history/3", vec![None]),
    ] {
        let found = of(&roan, page);
        let found = found
            .iter()
            .map(|purge| purge.causes[0].trace().map(|trace| trace.to_string()));
        let found: Vec<_> = found.collect();
        let traces: Vec<_> = traces
            .into_iter()
            .map(|trace| trace.map(str::to_owned))
            .collect();
        assert_eq!(found, traces, "{page}");
    }
}
