//! A page that was purged while it was rendered does not enter a cache.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use roan::{Target, web};
use tokio::sync::Notify;

use crate::support::Site;

/// A handler that waits in the middle of its render.
#[derive(Clone, Default)]
struct Held {
    began: Arc<Notify>,
    goes_on: Arc<Notify>,
}

fn app(held: &Held) -> Router {
    let handler = |State(held): State<Held>| async move {
        held.began.notify_one();
        held.goes_on.notified().await;
        web::tag("row").unwrap();
        "page"
    };
    Router::new()
        .route("/a", get(handler))
        .route("/docs/v1/a", get(handler))
        .with_state(held.clone())
}

/// Whether a page is shared that is purged so while it is rendered.
async fn is_shared_after(purge: Target) -> bool {
    is_shared(purge, "/a?utm_source=x").await
}

async fn is_shared(purge: Target, url: &'static str) -> bool {
    let held = Held::default();
    let site = Arc::new(Site::new(app(&held)));
    let render = tokio::spawn({
        let site = Arc::clone(&site);
        async move { site.get(url).await }
    });
    held.began.notified().await;
    site.purges(|roan| roan.purge(purge).unwrap()).await;
    held.goes_on.notify_one();
    let is_shared = render.await.unwrap().is_shared();
    assert_eq!(site.layer.known_urls(), usize::from(is_shared));
    // The next render may be shared again.
    held.goes_on.notify_one();
    assert!(site.get(url).await.is_shared());
    is_shared
}

#[tokio::test]
async fn a_page_that_was_purged_while_it_was_rendered_is_not_shared() {
    assert!(!is_shared_after(Target::url("/a").unwrap()).await);
    assert!(!is_shared_after(Target::tag("row").unwrap()).await);
}

#[tokio::test]
async fn a_page_in_an_area_that_was_purged_while_it_was_rendered_is_not_shared() {
    let prefix = |text: &str| Target::prefix(text).unwrap();
    for (purge, shared) in [
        (prefix("/docs/v1/"), false),
        (prefix("/docs/"), false),
        (prefix("/docs/v1/a/"), true),
        (prefix("/docs/v10/"), true),
        (prefix("/docs/v1/").at_site("shop"), true),
        (Target::host(), false),
        (Target::host().at_site("shop"), true),
        (Target::everything(), false),
    ] {
        let is_shared = is_shared(purge.clone(), "/docs/v1/a").await;
        assert_eq!(is_shared, shared, "{purge}");
    }
}

#[tokio::test]
async fn a_purge_of_another_page_does_not_matter() {
    assert!(is_shared_after(Target::url("/b").unwrap()).await);
    assert!(is_shared_after(Target::tag("other").unwrap()).await);
    let at_shop = Target::url("/a").unwrap().at_site("shop");
    assert!(is_shared_after(at_shop).await);
}
