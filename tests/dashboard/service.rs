//! The service without a browser.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Request, Response, StatusCode};
use http_body::Body as _;
use proptest::prelude::*;
use roan::dashboard::{Dashboard, DashboardBody, DashboardService};
use roan::testing::Recorder;
use roan::{Roan, Target};
use roan_tests::wait;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{builder, node};

fn a_roan() -> Roan {
    Roan::builder()
        .cache(Recorder::new())
        .rebound(None)
        .build()
        .unwrap()
}

fn a_dashboard() -> DashboardService {
    Dashboard::new(&a_roan()).behind_auth()
}

async fn send(dashboard: &DashboardService, request: Request<Body>) -> Response<DashboardBody> {
    dashboard.clone().oneshot(request).await.unwrap()
}

fn get_of(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn next(body: &mut DashboardBody) -> Option<Vec<u8>> {
    let mut body = std::pin::pin!(body);
    let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context));
    let frame = tokio::time::timeout(wait::LONG, frame)
        .await
        .expect("an event");
    Some(frame?.unwrap().into_data().unwrap().to_vec())
}

async fn whole(response: Response<DashboardBody>) -> String {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(more) = next(&mut body).await {
        bytes.extend(more);
    }
    String::from_utf8(bytes).unwrap()
}

pub(crate) async fn get(dashboard: &DashboardService, path: &str) -> (StatusCode, Value) {
    let response = send(dashboard, get_of(path)).await;
    let status = response.status();
    let text = whole(response).await;
    let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"));
    (status, value)
}

fn an_order(action: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(format!("/api/do/{action}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

const OF_THE_PAGE: [(&str, &str); 3] = [
    ("content-type", "application/json"),
    ("x-roan-dashboard", "1"),
    ("sec-fetch-site", "same-origin"),
];

async fn act(dashboard: &DashboardService, action: &str, order: Value) -> (StatusCode, Value) {
    let response = send(dashboard, an_order(action, &OF_THE_PAGE, order.to_string())).await;
    let status = response.status();
    (
        status,
        serde_json::from_str(&whole(response).await).unwrap(),
    )
}

#[tokio::test]
async fn every_answer_may_neither_be_stored_nor_framed_nor_read_by_other_sites() {
    let dashboard = a_dashboard();
    let requests = [
        get_of("/"),
        get_of("/api/state"),
        get_of("/api/live"),
        get_of("/no/such/address"),
        get_of("/api/purges?before=x"),
        Request::delete("/").body(Body::empty()).unwrap(),
        an_order("retry", &[], "{}"),
        an_order("retry", &OF_THE_PAGE, "no JSON"),
    ];
    for request in requests {
        let what = format!("{} {}", request.method(), request.uri());
        let response = send(&dashboard, request).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "no-store", "{what}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(header("x-frame-options"), "DENY", "{what}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{what}");
        assert_eq!(
            header("cross-origin-resource-policy"),
            "same-origin",
            "{what}"
        );
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; "),
            "{what}: {policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{what}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{what}: {policy}");
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin")
        );
    }
}

#[tokio::test]
async fn nothing_changes_by_a_get_and_nothing_is_read_by_a_post() {
    let dashboard = a_dashboard();
    let response = send(&dashboard, get_of("/api/do/retry")).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "POST");
    for path in ["/", "/api/state", "/api/live"] {
        let request = Request::post(path).body(Body::empty()).unwrap();
        let response = send(&dashboard, request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()["allow"], "GET, HEAD");
    }
}

#[tokio::test]
async fn an_order_of_another_site_does_nothing() {
    let node = node();
    let roan = builder(&node).build().unwrap();
    let dashboard = Dashboard::new(&roan).behind_auth();
    roan.purge("/refused").unwrap();
    wait::for_purges(&roan).await;
    let order = json!({"ids": [1]}).to_string();
    let json = OF_THE_PAGE[0];
    let header = OF_THE_PAGE[1];
    for headers in [
        &[][..],
        &[json],
        &[header],
        &[("content-type", "text/plain"), header],
        &[json, header, ("sec-fetch-site", "cross-site")],
        &[json, header, ("sec-fetch-site", "same-site")],
        &[
            json,
            header,
            ("origin", "https://evil.example"),
            ("host", "admin.example"),
        ],
    ] {
        let response = send(&dashboard, an_order("drop", headers, order.clone())).await;
        assert!(response.status().is_client_error(), "{headers:?}");
    }
    let reading = Request::get("/api/live").header("sec-fetch-site", "cross-site");
    let response = send(&dashboard, reading.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let (_, dead) = get(&dashboard, "/api/dead").await;
    assert_eq!(dead["dead"].as_array().unwrap().len(), 1);
    let (status, done) = act(&dashboard, "drop", json!({"ids": [1]})).await;
    assert_eq!((status, &done["count"]), (StatusCode::OK, &json!(1)));
}

#[tokio::test]
async fn a_read_only_dashboard_changes_nothing() {
    let dashboard = Dashboard::new(&a_roan()).read_only().behind_auth();
    assert_eq!(get(&dashboard, "/api/state").await.1["read_only"], true);
    for action in ["retry", "drop", "pause", "resume"] {
        let (status, answer) = act(&dashboard, action, json!({})).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let problem = answer["error"].as_str().unwrap();
        assert!(problem.contains("read-only"), "{problem}");
    }
}

#[tokio::test]
async fn without_authentication_it_is_for_this_machine_alone() {
    let dashboard = Dashboard::new(&a_roan()).without_auth();
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = Request::get("/api/state");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = send(&dashboard, request).await;
        (response.status(), whole(response).await)
    };
    assert_eq!(ask(&[("host", "localhost:3000")]).await.0, StatusCode::OK);
    // A name that an attacker points at 127.0.0.1 (DNS rebinding), and a proxy before a public name.
    for headers in [
        &[("host", "evil.example:3000")][..],
        &[("host", "localhost"), ("x-forwarded-for", "203.0.113.7")],
        &[],
    ] {
        let (status, text) = ask(headers).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(text.contains("behind_auth()"), "{text}");
    }
}

#[tokio::test]
async fn an_order_is_read_up_to_its_bound() {
    let dashboard = a_dashboard();
    for (body, status) in [
        ("[".repeat(1_000_000), StatusCode::PAYLOAD_TOO_LARGE),
        ("[".repeat(60_000), StatusCode::BAD_REQUEST),
        (String::new(), StatusCode::BAD_REQUEST),
        ("{\"ids\": \"all\"}".to_owned(), StatusCode::BAD_REQUEST),
        ("{\"ids\": [1.5]}".to_owned(), StatusCode::BAD_REQUEST),
        ("null".to_owned(), StatusCode::BAD_REQUEST),
        ("{}".to_owned(), StatusCode::BAD_REQUEST),
        ("{\"filter\": null}".to_owned(), StatusCode::BAD_REQUEST),
        (
            "{\"filter\": {\"nodes\": \"a\"}}".to_owned(),
            StatusCode::BAD_REQUEST,
        ),
        (
            "{\"ids\": [], \"filter\": {}}".to_owned(),
            StatusCode::BAD_REQUEST,
        ),
        (
            format!("{{\"ids\": {:?}}}", vec![1; 1001]),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let response = send(&dashboard, an_order("retry", &OF_THE_PAGE, body)).await;
        assert_eq!(response.status(), status);
    }
    for order in [json!({}), json!({"cache": "nginx", "node": "nobody"})] {
        let (status, _) = act(&dashboard, "pause", order).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let (status, _) = act(&dashboard, "explode", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_page_is_at_the_prefix_with_and_without_a_slash() {
    let dashboard = a_dashboard();
    for path in ["/", "", "//"] {
        let uri = if path.is_empty() { "http://x" } else { path };
        let response = send(&dashboard, get_of(uri)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let text = whole(response).await;
        assert!(text.starts_with("<!doctype html>"));
        assert!(text.len() < 100_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_updates_come_in_bounded_streams_for_a_bounded_number_of_clients() {
    let roan = a_roan();
    let dashboard = Dashboard::new(&roan).behind_auth();
    let mut streams = Vec::new();
    loop {
        let response = send(&dashboard, get_of("/api/live")).await;
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(response.headers()["retry-after"], "10");
            break;
        }
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        streams.push(response.into_body());
        assert!(streams.len() < 100, "the number of clients is not bounded");
    }
    let mut stream = streams.pop().unwrap();
    let first = String::from_utf8(next(&mut stream).await.unwrap()).unwrap();
    assert!(
        first.starts_with("retry: 500\nevent: state\ndata: {"),
        "{first}"
    );
    assert!(first.ends_with("}\n\n"));
    assert_eq!(first.matches('\n').count(), 4, "one line of data: {first}");
    roan.purge("/a").unwrap();
    wait::for_purges(&roan).await;
    let second = String::from_utf8(next(&mut stream).await.unwrap()).unwrap();
    assert!(second.contains("\"purges\":1"), "{second}");
    // A place is free again when its client has gone.
    drop(stream);
    let response = send(&dashboard, get_of("/api/live")).await;
    assert_eq!(response.status(), StatusCode::OK);
}

/// The events until the end of a stream.
async fn rest(mut stream: DashboardBody) -> usize {
    let mut count = 0;
    while next(&mut stream).await.is_some() {
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_by_itself_so_that_a_server_can_end() {
    let dashboard = a_dashboard();
    let stream = send(&dashboard, get_of("/api/live")).await.into_body();
    assert!(rest(stream).await >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_the_dispatcher_and_with_a_close() {
    let roan = a_roan();
    let dashboard = Dashboard::new(&roan).behind_auth();
    let mut stream = send(&dashboard, get_of("/api/live")).await.into_body();
    next(&mut stream).await;
    let _nothing = roan.shutdown(Duration::from_secs(5)).await;
    rest(stream).await;
    let response = send(&dashboard, get_of("/api/live")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&dashboard, "/api/state").await.0, StatusCode::OK);

    let dashboard = a_dashboard();
    let mut stream = send(&dashboard, get_of("/api/live")).await.into_body();
    next(&mut stream).await;
    dashboard.close();
    rest(stream).await;
    let response = send(&dashboard, get_of("/api/live")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_list_is_filtered_and_comes_in_pages() {
    let node = node();
    let roan = builder(&node).build().unwrap();
    let dashboard = Dashboard::new(&roan).behind_auth();
    for number in 0..120 {
        let name = if number % 10 == 0 { "refused" } else { "posts" };
        roan.purge(format!("/{name}/{number}")).unwrap();
    }
    roan.purge(Target::url("/of-the-shop").unwrap().at_site("shop"))
        .unwrap();
    wait::for_purges(&roan).await;
    wait::until_async(wait::LONG, "all reports", async || {
        get(&dashboard, "/api/state").await.1["purges"] == 121
    })
    .await;
    let mut seen = 0;
    let mut before = String::new();
    loop {
        let (_, found) = get(&dashboard, &format!("/api/purges?before={before}")).await;
        let purges = found["purges"].as_array().unwrap();
        assert!(purges.len() <= 50);
        seen += purges.len();
        before = purges.last().unwrap()["id"].to_string();
        if found["more"] == false {
            break;
        }
    }
    assert_eq!(seen, 121);
    for (query, count) in [
        ("result=refused&limit=200", 12),
        ("result=purged&limit=200", 109),
        ("text=of-the-shop", 1),
        ("text=%2Fposts%2F11", 10),
        ("text=nowhere", 0),
        ("node=nobody", 0),
        ("of=memory&text=of-the-shop", 1),
    ] {
        let (_, found) = get(&dashboard, &format!("/api/purges?{query}")).await;
        assert_eq!(found["purges"].as_array().unwrap().len(), count, "{query}");
    }
    for (query, part) in [
        ("before=x", "write a number"),
        ("limit=many", "write a number"),
        ("result=lost", "write one of waiting, purged, not-cached"),
    ] {
        let (status, answer) = get(&dashboard, &format!("/api/purges?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let problem = answer["error"].as_str().unwrap();
        assert!(problem.contains(part), "{problem}");
    }
}

fn of_a_browser() -> impl Strategy<Value = String> {
    let path = prop_oneof![
        Just("/api/purges".to_owned()),
        Just("/api/dead".to_owned()),
        Just("/api/dead/count".to_owned()),
        Just("/api/waiting".to_owned()),
        Just("/api/pages".to_owned()),
        Just("/api/tags".to_owned()),
        "/[a-z/%.]{0,12}",
    ];
    let name = "(target|node|result|of|before|after|limit|kind|text|site|error|x)";
    let value = "[!-\"$-;=?-~]{0,40}|%[0-9A-F]{2}|-?[0-9]{0,25}|url|tag|prefix|host|everything|/[a-z/?=%]{0,20}";
    let pair = (name, value).prop_map(|(name, value)| format!("{name}={value}"));
    (path, proptest::collection::vec(pair, 0..5))
        .prop_map(|(path, pairs)| format!("{path}?{}", pairs.join("&")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_asked_gets_an_answer(uri in of_a_browser()) {
        thread_local! {
            static DASHBOARD: DashboardService = {
                let node = node();
                let roan = builder(&node).build().unwrap();
                Dashboard::new(&roan).behind_auth()
            };
            static RUNTIME: tokio::runtime::Runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        }
        let Ok(request) = Request::get(&uri).body(Body::empty()) else {
            return Ok(());
        };
        let dashboard = DASHBOARD.with(Clone::clone);
        let response = RUNTIME.with(|runtime| runtime.block_on(send(&dashboard, request)));
        let status = response.status();
        prop_assert!(status == StatusCode::OK || status.is_client_error(), "{uri}: {status}");
    }
}

#[tokio::test]
async fn a_host_header_is_not_needed_behind_authentication() {
    let dashboard = a_dashboard();
    let mut request = get_of("/api/state");
    request.headers_mut().remove(HOST);
    assert_eq!(send(&dashboard, request).await.status(), StatusCode::OK);
}
