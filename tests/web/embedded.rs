//! The embedded cache around the layer: it reads no header, and knows the tags all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use roan::web::{self, CachePolicy, Web};
use roan::{Embedded, Roan, Target, purge_on};
use tower::ServiceExt;

use crate::support::until_purged;

#[purge_on(save, delete, tag = "notes")]
struct Note;

struct Site {
    app: Router,
    roan: Roan,
}

impl Site {
    fn new(web: Web) -> Self {
        let renders = Arc::new(AtomicUsize::new(0));
        let app = Router::new().route(
            "/notes",
            get(move || async move {
                web::show_all::<Note>();
                format!("render {}", renders.fetch_add(1, Ordering::Relaxed))
            }),
        );
        let pages = Embedded::new();
        let roan = Roan::builder()
            .cache(pages.clone())
            .site("example.org")
            .named_site("shop", "shop.example.org")
            .web(web)
            .build()
            .unwrap();
        let app = app.layer(roan.web().unwrap()).layer(pages.layer());
        Self { app, roan }
    }

    /// The word of the cache, `Cache-Control`, and the body.
    async fn get(&self, url: &str) -> (String, String, String) {
        let request = Request::get(url).body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let header = |name| {
            parts
                .headers
                .get(name)
                .map_or("", |it| it.to_str().unwrap())
        };
        assert!(!parts.headers.contains_key("surrogate-key"));
        let body = to_bytes(body, 1000).await.unwrap();
        (
            header("x-cache-status").to_owned(),
            header("cache-control").to_owned(),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    async fn is_hit(&self, url: &str) -> bool {
        self.get(url).await.0 == "HIT"
    }

    async fn flush(&self) {
        let left = self.roan.flush(Duration::from_secs(10)).await;
        assert_eq!(left.pending(), 0);
    }
}

#[tokio::test]
async fn a_page_stays_until_a_tag_purges_it() {
    let site = Site::new(until_purged());
    let url = "http://example.org/notes";
    assert_eq!(site.get(url).await.0, "MISS");
    let (status, control, body) = site.get(url).await;
    assert_eq!((&*status, &*body), ("HIT", "render 0"));
    // No cache on the way may keep what only this one is purged of.
    assert_eq!(control, "max-age=0, must-revalidate");
    site.roan.saved(&Note);
    site.flush().await;
    assert_eq!(site.get(url).await.2, "render 1");
}

#[tokio::test]
async fn a_tag_purges_the_pages_of_every_site() {
    let site = Site::new(until_purged());
    let urls = ["http://example.org/notes", "http://shop.example.org/notes"];
    for url in urls {
        site.get(url).await;
        assert!(site.is_hit(url).await);
    }
    site.roan.saved(&Note);
    site.flush().await;
    for url in urls {
        assert!(!site.is_hit(url).await, "{url}");
    }
}

#[tokio::test]
async fn a_url_purges_each_spelling() {
    let site = Site::new(until_purged());
    let url = "http://example.org/notes?utm_source=x";
    site.get(url).await;
    assert!(site.is_hit(url).await);
    site.roan.purge(Target::url("/notes").unwrap()).unwrap();
    site.flush().await;
    assert!(!site.is_hit(url).await);
}

#[tokio::test]
async fn what_is_not_shared_is_not_stored() {
    for policy in [CachePolicy::private(), CachePolicy::no_store()] {
        let site = Site::new(Web::new().policy(policy));
        let url = "http://example.org/notes";
        site.get(url).await;
        assert!(!site.is_hit(url).await);
    }
    let site = Site::new(until_purged());
    let unknown = "http://other.org/notes";
    site.get(unknown).await;
    assert!(!site.is_hit(unknown).await);
}

/// A 304 answers one visitor's condition. It is not the page.
#[tokio::test]
async fn a_304_of_the_app_is_not_stored() {
    let pages = Embedded::new();
    let roan = Roan::builder()
        .cache(pages.clone())
        .site("example.org")
        .web(until_purged())
        .build()
        .unwrap();
    let app = Router::new()
        .route(
            "/notes",
            get(async |request: Request<Body>| {
                match request.headers().contains_key("if-none-match") {
                    true => StatusCode::NOT_MODIFIED,
                    false => StatusCode::OK,
                }
            }),
        )
        .layer(roan.web().unwrap())
        .layer(pages.layer());
    for (condition, expected) in [(Some("\"1\""), 304), (None, 200)] {
        let mut request = Request::get("http://example.org/notes");
        if let Some(condition) = condition {
            request = request.header("if-none-match", condition);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), expected);
    }
}

/// Those who wait for a page that is purged while it is rendered wait for the next render, and not all render.
#[tokio::test]
async fn a_purge_during_the_render_makes_one_of_those_who_wait_render() {
    let renders = Arc::new(AtomicUsize::new(0));
    let go_on = Arc::new(tokio::sync::Semaphore::new(0));
    let (count, gate) = (Arc::clone(&renders), Arc::clone(&go_on));
    let app = Router::new().fallback(move || async move {
        web::show_all::<Note>();
        count.fetch_add(1, Ordering::SeqCst);
        gate.acquire().await.unwrap().forget();
        "page"
    });
    let pages = Embedded::new();
    let roan = Roan::builder()
        .cache(pages.clone())
        .site("example.org")
        .web(until_purged())
        .build()
        .unwrap();
    let app = app.layer(roan.web().unwrap()).layer(pages.layer());
    let ask = || {
        let request = Request::get("http://example.org/").body(Body::empty());
        let answer = app.clone().oneshot(request.unwrap());
        tokio::spawn(async { to_bytes(answer.await.unwrap().into_body(), 1000).await })
    };
    let requests: Vec<_> = std::iter::repeat_with(ask).take(10).collect();
    // There is one thread, so each runs until it waits.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(renders.load(Ordering::SeqCst), 1);
    // By the tag, which the cache does not know before the answer.
    roan.saved(&Note);
    assert_eq!(roan.flush(Duration::from_secs(10)).await.pending(), 0);
    go_on.add_permits(2);
    for request in requests {
        let answer = tokio::time::timeout(Duration::from_secs(10), request).await;
        assert_eq!(answer.expect("an answer comes").unwrap().unwrap(), "page");
    }
    assert_eq!(renders.load(Ordering::SeqCst), 2);
}
