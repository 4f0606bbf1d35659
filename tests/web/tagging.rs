//! What a page carries, by the rules of its rows.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use roan::purger::{Limits, TagHeader};
use roan::testing::Recorder;
use roan::web::{self, CachePolicy};
use roan::{Cache, Roan, Target, TargetKind, purge_on};
use tower::ServiceExt;

use crate::support::{Site, until_purged};

#[purge_on(save, delete, tag = "posts")]
#[purge_on(save, delete, tag = "post-{id}")]
#[purge_on(update(title), tag = "title-{id}", when = self.published)]
#[purge_on(save, tag = "section-{section?}")]
#[derive(Clone)]
struct Post {
    id: u32,
    title: String,
    published: bool,
    section: Option<&'static str>,
}

/// A rule with a field that does not fire on each event of the one without.
#[purge_on(save, delete, tag = "comments")]
#[purge_on(delete, tag = "comment-{0}")]
struct Comment(u32);

#[purge_on(save, delete, tag = "shop-{0}", site = "shop")]
struct Item(u32);

#[purge_on(save, tag = "bad-{0}")]
struct Bad(String);

fn post(id: u32) -> Post {
    Post {
        id,
        title: "a".to_owned(),
        published: false,
        section: None,
    }
}

fn app() -> Router {
    Router::new()
        .route(
            "/post/1",
            get(|| async {
                web::show(&post(1));
                "one"
            }),
        )
        .route(
            "/posts",
            get(|| async {
                web::show_all::<Post>();
                "none"
            }),
        )
        .route(
            "/comment",
            get(|| async {
                web::show(&Comment(7));
                "seven"
            }),
        )
        .route(
            "/spawned",
            get(|| async {
                let page = web::page().unwrap();
                let inside = page.clone().enter(async {
                    tokio::task::yield_now().await;
                    web::show(&post(2));
                });
                let outside = async { web::show(&post(3)) };
                tokio::spawn(inside).await.unwrap();
                tokio::spawn(outside).await.unwrap();
                page.tag("menu").unwrap();
                "two"
            }),
        )
        .route(
            "/extension",
            get(|page: axum::Extension<web::Page>| async move {
                page.show(&post(4));
                "four"
            }),
        )
        .route(
            "/item",
            get(|| async {
                web::show(&Item(5));
                "five"
            }),
        )
        .route(
            "/bad",
            get(|| async {
                web::show(&Bad("x".repeat(Target::MAX_LEN)));
                "bad"
            }),
        )
}

#[tokio::test]
async fn a_page_carries_the_tags_of_its_rows() {
    let site = Site::new(app());
    assert!(site.get("/post/1").await.is_shared());
    // Whatever the condition is: it may hold after the next write.
    assert_eq!(site.tags("/post/1").await, ["post-1", "title-1"]);
    site.get("/posts").await;
    assert_eq!(site.tags("/posts").await, ["posts"]);
    site.get("/comment").await;
    assert_eq!(site.tags("/comment").await, ["comment-7", "comments"]);
}

#[tokio::test]
async fn a_write_purges_the_pages_that_carry_its_tags() {
    let site = Site::new(app());
    for url in ["/post/1", "/post/1?utm_source=x", "/posts", "/posts?page=2"] {
        assert!(site.get(url).await.is_shared(), "{url}");
    }
    let write = |id| move |roan: &Roan| roan.updated(&post(id), &post(id));
    let all = ["/post/1", "/post/1?utm_source=x", "/posts", "/posts?page=2"];
    assert_eq!(site.purges(write(1)).await, all);
    assert_eq!(site.purges(write(9)).await, ["/posts", "/posts?page=2"]);
    // The page has left the cache, but nobody knows whether each node has answered.
    assert_eq!(site.purges(write(1)).await, all);
}

#[tokio::test]
async fn spawned_work_and_an_extractor_find_the_page() {
    let site = Site::new(app());
    site.get("/spawned").await;
    assert_eq!(site.tags("/spawned").await, ["menu", "post-2", "title-2"]);
    site.get("/extension").await;
    assert_eq!(site.tags("/extension").await, ["post-4", "title-4"]);
}

#[tokio::test]
async fn a_tag_of_another_site_is_purged_there_and_finds_the_page_here() {
    let site = Site::new(app());
    site.get("/item").await;
    site.get("http://shop.example.org/item").await;
    let purges = site.purges(|roan| roan.saved(&Item(5))).await;
    assert_eq!(purges, ["/item", "/item at site shop"]);
    assert!(site.purge_tag("shop-5").await.is_empty());
}

#[tokio::test]
async fn a_page_with_a_tag_that_cannot_be_made_is_not_shared() {
    let site = Site::new(app());
    assert!(!site.get("/bad").await.is_shared());
    assert_eq!(site.layer.known_urls(), 0);
}

#[tokio::test]
async fn a_cache_that_reads_tags_gets_them_as_it_purges_them() {
    let recorder = Recorder::new();
    // The kinds are those of other tests' rules: with a cache that cannot purge them, pages would need a site.
    let areas = [TargetKind::Prefix, TargetKind::Host, TargetKind::Everything];
    let cache = Cache::new("cdn")
        .tag_header(TagHeader::cache_groups())
        .purges(areas, Limits::new())
        .node("a", recorder.clone());
    let roan = Roan::builder()
        .cache(cache)
        .web(until_purged())
        .build()
        .unwrap();
    let long = "long-".repeat(10);
    let handler = Arc::new(long.clone());
    let app = Router::new()
        .fallback(move || async move {
            web::tag(&handler).unwrap();
            web::tag("short").unwrap();
            "page"
        })
        .layer(roan.web().unwrap());
    let request = Request::get("http://any.org/").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let carried = response.headers()["cache-groups"].to_str().unwrap();
    roan.purge(Target::tag(&long).unwrap()).unwrap();
    assert_eq!(roan.flush(Duration::from_secs(10)).await.pending(), 0);
    let purged = recorder.purges();
    let [purged] = purged.targets() else {
        panic!("{purged:?}")
    };
    assert_eq!(purged.as_str().len(), 32);
    assert_eq!(carried, format!("\"{}\", \"short\"", purged.as_str()));
}

#[tokio::test]
async fn outside_of_the_layer_nothing_happens() {
    web::show(&post(1));
    web::show_all::<Post>();
    web::cache(CachePolicy::until_purged());
    web::complete();
    assert!(web::page().is_none());
    assert!(web::tag("a b").is_err());
}

#[tokio::test]
async fn what_is_shown_outside_of_a_page_is_logged_once_for_each_place() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt().with_writer(Arc::new(log.reopen().unwrap()));
    let _until_the_end = tracing::subscriber::set_default(subscriber.finish());
    let app = Router::new().fallback(|| async {
        let spawned = tokio::spawn(async { web::show(&post(3)) });
        spawned.await.unwrap();
    });
    let site = Site::new(app);
    site.get("/a").await;
    site.get("/b").await;
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert_eq!(log.matches("runs outside of a page").count(), 1, "{log}");
    assert!(log.contains("`show` at tests/web/tagging.rs:"), "{log}");
}
