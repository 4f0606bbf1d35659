//! Which pages are learned, and under which URLs they are purged.

use std::sync::Arc;
use std::time::Duration;

use roan::testing::Recorder;
use roan::web::Web;
use roan::{Roan, Target};

use crate::support::{Site, answering, nginx, until_purged};

#[tokio::test]
async fn a_url_is_purged_under_each_spelling_that_was_asked_for() {
    let site = Site::new(answering(&[]));
    let spellings = ["/wiki/C++", "//wiki/C++/", "/wiki/C%2B%2B?utm_source=x"];
    for url in spellings {
        assert!(site.get(url).await.is_shared());
    }
    site.get("/wiki/C").await;
    let purges = site
        .purges(|roan| roan.purge("/wiki/C%2B%2B").unwrap())
        .await;
    let expected = [
        "//wiki/C++/",
        "/wiki/C%2B%2B",
        "/wiki/C%2B%2B?utm_source=x",
        "/wiki/C++",
    ];
    assert_eq!(purges, expected);
}

#[tokio::test]
async fn a_flood_of_queries_is_not_cached() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt().with_writer(Arc::new(log.reopen().unwrap()));
    let _until_the_end = tracing::subscriber::set_default(subscriber.finish());
    let site = Site::with(answering(&[]), until_purged().max_spellings(3));
    for number in 0..3 {
        assert!(site.get(&format!("/a?x={number}")).await.is_shared());
    }
    for number in 3..100 {
        assert!(!site.get(&format!("/a?x={number}")).await.is_shared());
    }
    assert!(site.get("/a?x=1").await.is_shared());
    assert!(site.get("/b").await.is_shared());
    assert_eq!(site.layer.known_urls(), 4);
    let log = std::fs::read_to_string(log.path()).unwrap();
    let told = "a further URL of /a is not cached: the path is cached under 3 URLs already";
    assert_eq!(log.matches(told).count(), 1, "{log}");
    assert!(
        log.contains("write `Web::new().max_spellings(30)`"),
        "{log}"
    );
}

#[tokio::test]
async fn beyond_the_limit_the_oldest_page_is_purged_and_forgotten() {
    let site = Site::with(answering(&[]), until_purged().max_pages(10));
    for number in 0..100 {
        assert!(site.get(&format!("/{number}")).await.is_shared());
    }
    assert_eq!(site.layer.known_urls(), 10);
    let left = site.roan.flush(Duration::from_secs(10)).await;
    assert_eq!(left.pending(), 0);
    let purged = site.cache.purges();
    assert_eq!(purged.targets().len(), 90);
    for number in 90..100 {
        let url = Target::url(format!("/{number}")).unwrap();
        assert!(!purged.targets().contains(&url));
    }
}

#[tokio::test]
async fn without_a_dispatcher_that_works_no_page_is_forgotten_nor_learned() {
    let site = Site::with(answering(&[]), until_purged().max_pages(1));
    assert!(site.get("/a").await.is_shared());
    let left = site.roan.shutdown(Duration::from_secs(10)).await;
    assert_eq!(left.pending(), 0);
    assert!(!site.get("/b").await.is_shared());
    assert!(site.get("/a").await.is_shared());
    assert_eq!(site.layer.known_urls(), 1);
}

#[tokio::test]
async fn a_page_that_nobody_could_purge_is_not_shared() {
    let site = Site::new(answering(&[]));
    assert!(site.get("http://shop.example.org/a").await.is_shared());
    assert!(!site.get("http://other.org/a").await.is_shared());
    assert!(!site.get("/a/../b").await.is_shared());
    assert!(!site.get("/{a}").await.is_shared());
}

#[tokio::test]
async fn a_purge_of_an_unattached_layer_is_said_not_swallowed() {
    // No router was wrapped: there are no pages to find.
    let cache = Recorder::new();
    let roan = Roan::builder()
        .cache(nginx(&cache))
        .site("example.org")
        .web(Web::new())
        .build()
        .unwrap();
    roan.purge(Target::tag("a").unwrap()).unwrap();
    assert_eq!(roan.flush(Duration::from_secs(10)).await.pending(), 0);
    assert_eq!(roan.stats().refused, 0);
    assert!(cache.requests().is_empty());
}
