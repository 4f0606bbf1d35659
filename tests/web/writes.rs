//! In-band invalidation: the answer to a write says what it has made stale.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any};
use roan::purger::TagHeader;
use roan::testing::Recorder;
use roan::web;
use roan::{Cache, Embedded, Roan, Target, purge_on};
use tower::ServiceExt;

use crate::support::until_purged;

#[purge_on(save, delete, url = "/notes/{0}", tag = "notes", tag = "note-{0}")]
struct Note(u32);

#[purge_on(save, tag = "item-{0}", site = "shop")]
struct Item(u32);

/// A dispatcher that no layer belongs to, so that only the answers purge.
fn other() -> Roan {
    let cache = Cache::new("other").purges_tags().without_rebound();
    let cache = cache.node("other", Recorder::new());
    Roan::builder()
        .cache(cache)
        .site("x.org")
        .named_site("shop", "shop.x.org")
        .build()
        .unwrap()
}

struct Site {
    app: Router,
    _roan: Roan,
}

impl Site {
    fn new(write: MethodRouter, caches: Vec<Cache>) -> Self {
        let builder = caches
            .into_iter()
            .fold(Roan::builder(), |builder, cache| builder.cache(cache));
        let roan = builder
            .site("https://example.org")
            .named_site("shop", "https://shop.example.org")
            .web(until_purged())
            .build()
            .unwrap();
        let app = Router::new().route("/write", write);
        Self {
            app: app.layer(roan.web().unwrap()),
            _roan: roan,
        }
    }

    /// A cache that reads groups.
    fn groups(write: MethodRouter) -> Self {
        let cache = Cache::new("groups").tag_header(TagHeader::cache_groups());
        Self::new(write, vec![cache.node("groups", Recorder::new())])
    }

    /// `Cache-Group-Invalidation` and `Content-Location`.
    async fn said(&self, method: &str, url: &str) -> (String, String) {
        let request = Request::builder().method(method).uri(url);
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let header = |name| {
            let lines = response.headers().get_all(name).iter();
            let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
            lines.join(", ")
        };
        (
            header("cache-group-invalidation"),
            header("content-location"),
        )
    }

    async fn invalidates(&self) -> String {
        self.said("POST", "http://example.org/write").await.0
    }
}

#[tokio::test]
async fn the_answer_to_a_write_names_the_tags_that_fired_in_it() {
    let site = Site::groups(any(|| async {
        let roan = other();
        roan.saved(&Note(2));
        roan::scope(async { roan.updated(&Note(1), &Note(3)) }).await;
        roan.purge(Target::tag("menu").unwrap()).unwrap();
        "done"
    }));
    let expected = r#""menu", "note-1", "note-2", "note-3", "notes""#;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let said = site.said(method, "http://example.org/write").await;
        assert_eq!(said.0, expected, "{method}");
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        let said = site.said(method, "http://example.org/write").await;
        assert_eq!(said.0, "", "{method}");
    }
}

#[tokio::test]
async fn an_error_says_nothing() {
    for (status, says) in [
        (StatusCode::SEE_OTHER, true),
        (StatusCode::NO_CONTENT, true),
        (StatusCode::UNPROCESSABLE_ENTITY, false),
        (StatusCode::INTERNAL_SERVER_ERROR, false),
    ] {
        let site = Site::groups(any(move || async move {
            other().saved(&Note(1));
            web::content_location("/notes/1").unwrap();
            status
        }));
        let (groups, location) = site.said("POST", "http://example.org/write").await;
        assert_eq!(
            (!groups.is_empty(), !location.is_empty()),
            (says, says),
            "{status}"
        );
    }
}

#[tokio::test]
async fn work_that_was_spawned_counts_with_the_handle_of_the_page() {
    let site = Site::groups(any(|| async {
        let page = web::page().unwrap();
        let with = tokio::spawn(page.enter(async { other().saved(&Note(1)) }));
        let without = tokio::spawn(async { other().saved(&Note(2)) });
        let _ = tokio::join!(with, without);
    }));
    assert_eq!(site.invalidates().await, r#""note-1", "notes""#);
}

/// Groups belong to an origin (RFC 9875, section 2).
#[tokio::test]
async fn tags_of_another_site_are_left_out() {
    let site = Site::groups(any(|| async {
        other().saved(&Item(1));
        other().saved(&Note(1));
    }));
    assert_eq!(site.invalidates().await, r#""note-1", "notes""#);
    let shop = site.said("POST", "http://shop.example.org/write").await.0;
    assert_eq!(shop, r#""item-1", "note-1", "notes""#);
}

#[tokio::test]
async fn long_tags_are_hashed_and_no_more_than_32_are_named() {
    let long = "x".repeat(33);
    let tag = Target::tag(&long).unwrap();
    let site = Site::groups(any(move || async move { other().purge(tag).unwrap() }));
    let said = site.invalidates().await;
    assert_eq!(said.len(), 34);
    assert!(!said.contains('x'));

    let site = Site::groups(any(|| async {
        let roan = other();
        (0..2000).for_each(|id| roan.saved(&Note(id)));
    }));
    assert_eq!(site.invalidates().await.split(", ").count(), 32);
}

#[tokio::test]
async fn a_cache_that_reads_other_headers_gets_no_groups() {
    for header in [
        None,
        Some(TagHeader::surrogate_key()),
        Some(TagHeader::cache_groups().named("edge-groups".parse().unwrap())),
    ] {
        let cache = Cache::new("c").node("c", Recorder::new());
        let cache = match header {
            Some(header) => cache.tag_header(header),
            None => cache,
        };
        let write = any(|| async { other().saved(&Note(1)) });
        assert_eq!(Site::new(write, vec![cache]).invalidates().await, "");
    }
}

#[tokio::test]
async fn content_location_names_the_page_that_has_changed() {
    for (url, expected) in [
        ("/notes/1?x", "/notes/1?x"),
        // `//host` is a host.
        ("//notes/1", "/.//notes/1"),
    ] {
        let site = Site::groups(any(move || async move {
            web::content_location("/not/this/one").unwrap();
            web::content_location(url).unwrap();
        }));
        let uri = "http://example.org/write";
        assert_eq!(site.said("PUT", uri).await.1, expected);
        assert_eq!(site.said("GET", uri).await.1, "");
    }
    assert!(web::content_location("notes\r\nX: y").is_err());
    let site = Site::groups(any(|| async {
        web::content_location("/notes/1").unwrap();
        ([("content-location", "/mine")], "").into_response()
    }));
    assert_eq!(
        site.said("POST", "http://example.org/write").await.1,
        "/mine"
    );
}

/// Whoever follows the redirect after a write sees the change, with URLs and tags, before the dispatcher has done anything.
#[tokio::test]
async fn the_embedded_cache_is_purged_before_the_answer_leaves() {
    let pages = Embedded::new();
    let roan = Roan::builder()
        .cache(pages.clone())
        .site("https://example.org")
        .web(until_purged())
        .build()
        .unwrap();
    let show = any(|| async {
        web::show(&Note(1));
        "page"
    });
    let app = Router::new()
        .route("/notes/1", show.clone())
        .route("/list", show.clone())
        .route("/other", any(|| async { "page" }))
        .route("/write", any(|| async { other().saved(&Note(1)) }))
        .layer(roan.web().unwrap())
        .layer(pages.layer());
    let send = async |method: &str, path: &str| {
        let uri = format!("http://example.org{path}");
        let request = Request::builder().method(method).uri(uri);
        let request = request.body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert!(!response.headers().contains_key("cache-group-invalidation"));
        let status = response.headers().get("x-cache-status").cloned();
        axum::body::to_bytes(response.into_body(), 1000)
            .await
            .unwrap();
        status.map_or_else(String::new, |status| status.to_str().unwrap().to_owned())
    };
    let paths = ["/notes/1", "/list", "/other"];
    for path in paths {
        send("GET", path).await;
        assert_eq!(send("GET", path).await, "HIT");
    }
    send("POST", "/write").await;
    let mut after = Vec::new();
    for path in paths {
        after.push(send("GET", path).await);
    }
    assert_eq!(after, ["MISS", "MISS", "HIT"]);
}
