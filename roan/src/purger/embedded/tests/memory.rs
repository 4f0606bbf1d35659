//! What the cache holds, and what it lets go.

use super::*;

const PAGE: usize = 10_000;
const CAPACITY: u64 = 200_000;

/// Every page has a tag of its own and one that all share.
fn small() -> Site {
    let app = Router::new().fallback(async |request: Request<Body>| {
        let tags = format!("all {}", request.uri().path());
        (
            [(FOREVER.0, FOREVER.1.to_owned()), ("surrogate-key", tags)],
            "x".repeat(PAGE),
        )
    });
    let pages = Embedded::builder()
        .capacity(CAPACITY)
        .max_body_size(PAGE)
        .build();
    Site::new(app, pages, None)
}

#[tokio::test]
async fn pages_take_no_more_than_the_capacity() {
    let site = small();
    for number in 0..200 {
        site.get(&format!("/{number}")).await;
    }
    let (pages, bytes, _) = site.pages.store.sizes();
    assert!(bytes <= CAPACITY, "{bytes} bytes");
    assert!((10..=20).contains(&pages), "{pages} pages");
}

#[tokio::test]
async fn evicted_pages_leave_nothing_behind() {
    let site = small();
    for number in 0..200 {
        site.get(&format!("/{number}")).await;
    }
    let (pages, _, labels) = site.pages.store.sizes();
    // Each page: its key, its URL, its tag with and without the host; and the shared tag twice.
    assert_eq!(labels, usize::try_from(pages).unwrap() * 4 + 2);
    assert_eq!(
        site.purge(Target::tag("all").unwrap()).await,
        Outcome::Purged
    );
    assert_eq!(site.pages.store.sizes(), (0, 0, 0));
}

#[tokio::test]
async fn a_page_rendered_again_is_held_once() {
    let pages = Embedded::builder()
        .default_ttl(Duration::from_nanos(1))
        .build();
    let site = Site::new(Router::new().fallback(|| async { "page" }), pages, None);
    for _ in 0..50 {
        site.get("/a").await;
    }
    let (pages, bytes, labels) = site.pages.store.sizes();
    assert_eq!((pages, labels), (1, 2));
    assert!(bytes < 2_000, "{bytes} bytes");
}

#[tokio::test]
async fn a_page_has_sixteen_variants_at_most() {
    let site = Site::answering(&[FOREVER, ("vary", "x")]);
    for number in 0..50 {
        site.get_with("/a", &[("x", &number.to_string())]).await;
    }
    let status = async |x: &str| {
        site.get_with("/a", &[("x", x)])
            .await
            .cache_status()
            .to_owned()
    };
    assert_eq!(status("34").await, "HIT");
    assert_eq!(status("49").await, "HIT");
    assert_eq!(status("33").await, "MISS");
}

#[tokio::test]
async fn a_page_over_the_limit_is_passed_on_and_not_stored() {
    let app = Router::new().fallback(async |request: Request<Body>| {
        let more = usize::from(request.uri().path() == "/long");
        ([FOREVER], "x".repeat(PAGE + more))
    });
    let pages = Embedded::builder().max_body_size(PAGE).build();
    let site = Site::new(app, pages, None);
    assert_eq!(site.statuses("/long", &[]).await, ["MISS", "MISS"]);
    assert_eq!(site.get("/long").await.body.len(), PAGE + 1);
    assert_eq!(site.statuses("/short", &[]).await, ["MISS", "HIT"]);
}
