//! Nothing private is shared, and a policy says what each may keep.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http_body::Frame;
use roan::web::{self, CachePolicy, Web};

use crate::support::{Site, answering, until_purged};

#[tokio::test]
async fn an_answer_for_one_visitor_is_not_shared() {
    let site = Site::with(answering(&[]), until_purged().session_cookie("session"));
    assert!(site.get("/").await.is_shared());
    assert!(site.get_with("/", &[("cookie", "a=b")]).await.is_shared());
    for header in [
        ("authorization", "Basic eA=="),
        ("cookie", "a=b; session=1"),
    ] {
        assert!(!site.get_with("/", &[header]).await.is_shared());
    }
    let setting = answering(&[("set-cookie", "a=b")]);
    assert!(!Site::new(setting).get("/").await.is_shared());
}

#[tokio::test]
async fn what_a_handler_says_itself_counts() {
    for (control, wanted, nginx) in [
        ("max-age=60", "max-age=60", "none"),
        ("private, max-age=60", "private, max-age=60", "0"),
        ("no-store", "no-store", "0"),
    ] {
        let headers: &'static [_] = Box::leak(Box::new([("cache-control", control)]));
        let seen = Site::new(answering(headers)).get("/").await;
        assert_eq!(seen.header("cache-control"), wanted);
        assert_eq!(seen.header("x-accel-expires"), nginx);
    }
    let public: &[_] = &[("cache-control", "public, max-age=60"), ("set-cookie", "a")];
    let site = Site::new(answering(public));
    assert!(!site.get("/").await.is_shared());
}

#[tokio::test]
async fn a_handler_sets_the_policy_by_a_call_or_an_extension() {
    let minute = CachePolicy::shared(Duration::from_secs(60)).browser(Duration::from_secs(5));
    let app = Router::new()
        .route(
            "/call",
            get(move || async move {
                web::cache(CachePolicy::until_purged());
                web::cache(minute);
                ([("cache-control", "no-cache")], "page")
            }),
        )
        .route(
            "/extension",
            get(move || async move { (axum::Extension(minute), "page") }),
        )
        .route(
            "/private",
            get(|| async {
                web::cache(CachePolicy::private());
                "page"
            }),
        )
        .route(
            "/no-store",
            get(|| async { (axum::Extension(CachePolicy::no_store()), "page") }),
        );
    let site = Site::new(app);
    for url in ["/call", "/extension"] {
        let seen = site.get(url).await;
        assert_eq!(seen.header("x-accel-expires"), "60");
        assert_eq!(seen.header("cache-control"), "max-age=5");
    }
    let private = "private, max-age=0, must-revalidate";
    for (url, control) in [("/private", private), ("/no-store", "no-store")] {
        let seen = site.get(url).await;
        assert_eq!(seen.header("x-accel-expires"), "0");
        assert_eq!(seen.header("cache-control"), control);
    }
    assert_eq!(site.layer.known_urls(), 2);
}

#[tokio::test]
async fn the_default_policy_is_for_plain_answers_only() {
    let app = Router::new()
        .route(
            "/error",
            get(|| async {
                web::cache(CachePolicy::until_purged());
                (StatusCode::INTERNAL_SERVER_ERROR, "broken")
            }),
        )
        .route(
            "/gone",
            get(|| async {
                web::cache(CachePolicy::until_purged());
                StatusCode::GONE
            }),
        )
        .route("/form", post(|| async { "posted" }));
    let site = Site::new(app);
    assert!(!site.get("/error").await.is_shared());
    assert!(site.get("/gone").await.is_shared());
    let missing = site.get("/missing").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    // Not even where a cache has a rule of its own for it: made-up URLs would push pages out of the index.
    assert!(!missing.is_shared());
    assert_eq!(site.layer.known_urls(), 1);
    let posted = Request::post("http://example.org/form");
    let posted = site.send(posted.body(Body::empty()).unwrap()).await;
    assert_eq!(posted.header("x-accel-expires"), "none");
}

#[tokio::test]
async fn without_a_policy_an_answer_keeps_its_headers() {
    let site = Site::with(answering(&[("vary", "a"), ("vary", "b")]), Web::new());
    let seen = site.get("/").await;
    assert_eq!(seen.header("cache-control"), "none");
    assert_eq!(seen.header("x-accel-expires"), "none");
    assert_eq!(seen.header("vary"), "a, b");
    assert_eq!(site.layer.known_urls(), 1);
}

/// A body of unknown length.
struct Stream;

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Poll::Ready(None)
    }
}

#[tokio::test]
async fn a_stream_is_shared_only_if_it_is_complete() {
    let stream = || Body::new(Stream).into_response();
    let app = Router::new()
        .route("/stream", get(move || async move { stream() }))
        .route(
            "/complete",
            get(move || async move {
                web::complete();
                stream()
            }),
        )
        .route(
            "/file",
            get(move || async move { ([("cache-control", "max-age=60")], stream()) }),
        )
        .route(
            "/rows",
            get(move || async move {
                web::tag("row").unwrap();
                ([("cache-control", "max-age=60")], stream())
            }),
        );
    let site = Site::new(app);
    assert!(!site.get("/stream").await.is_shared());
    assert!(site.get("/complete").await.is_shared());
    assert_eq!(
        site.get("/file").await.header("cache-control"),
        "max-age=60"
    );
    assert!(!site.get("/rows").await.is_shared());
}
