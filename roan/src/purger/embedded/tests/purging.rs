//! What a purge removes, and what it says.

use super::*;

fn tag(tag: &str) -> Target {
    Target::tag(tag).unwrap()
}

#[tokio::test]
async fn a_purge_removes_the_page_and_says_so() {
    let site = Site::answering(&[FOREVER]);
    assert_eq!(site.purge_url("/a").await, Outcome::NotCached);
    site.get("/a").await;
    site.get("/a?").await;
    assert_eq!(site.purge_url("/a").await, Outcome::Purged);
    assert_eq!(site.purge_url("/a").await, Outcome::NotCached);
    let seen = site.get("/a").await;
    assert_eq!((seen.cache_status(), &*seen.body), ("MISS", "render 3"));
    assert_eq!(site.get("/a").await.cache_status(), "HIT");
    assert_eq!(site.get("/a?").await.cache_status(), "HIT");
}

#[tokio::test]
async fn a_site_s_purge_leaves_other_hosts_alone() {
    let app = Router::new().fallback(|| async { ([FOREVER, ("surrogate-key", "t")], "page") });
    let site = Site::new(app, Embedded::new(), Some("https://A.example:8443"));
    let [a, b] = ["http://a.example/p", "http://b.example/p"];
    for target in [Target::url("/p").unwrap(), tag("t")] {
        site.get(a).await;
        site.get(b).await;
        assert_eq!(site.purge(target).await, Outcome::Purged);
        assert_eq!(site.get(a).await.cache_status(), "MISS");
        assert_eq!(site.get(b).await.cache_status(), "HIT");
    }
}

#[tokio::test]
async fn without_a_site_a_purge_is_for_every_host() {
    let site = Site::answering(&[FOREVER, ("surrogate-key", "t")]);
    let urls = ["http://a.example/p", "http://b.example/p"];
    for target in [Target::url("/p").unwrap(), tag("t")] {
        for url in urls {
            site.get(url).await;
        }
        assert_eq!(site.purge(target).await, Outcome::Purged);
        for url in urls {
            assert_eq!(site.get(url).await.cache_status(), "MISS");
        }
    }
}

#[tokio::test]
async fn a_tag_removes_every_page_that_carries_it() {
    let app = Router::new().fallback(async |request: Request<Body>| {
        let tags = request.uri().query().unwrap_or_default().replace('+', " ");
        (
            [(FOREVER.0, FOREVER.1.to_owned()), ("surrogate-key", tags)],
            "page",
        )
    });
    let site = Site::new(app, Embedded::new(), None);
    for url in ["/1?a", "/2?b+a+c", "/3?b", "/4"] {
        assert_eq!(
            site.get(url).await.header("surrogate-key"),
            url.split('?')
                .nth(1)
                .map(|tags| tags.replace('+', " "))
                .as_deref()
                .or(Some(""))
        );
    }
    assert_eq!(site.purge(tag("x")).await, Outcome::NotCached);
    assert_eq!(site.purge(tag("a")).await, Outcome::Purged);
    for (url, status) in [
        ("/1?a", "MISS"),
        ("/2?b+a+c", "MISS"),
        ("/3?b", "HIT"),
        ("/4", "HIT"),
    ] {
        assert_eq!(site.get(url).await.cache_status(), status, "{url}");
    }
    // A URL is not a tag, nor the other way round.
    assert_eq!(site.purge(tag("/4")).await, Outcome::NotCached);
    assert_eq!(site.purge_url("/a").await, Outcome::NotCached);
}

#[tokio::test]
async fn an_area_removes_the_pages_in_it() {
    let urls = [
        "/docs/v1/a",
        "/docs/v1/?x=1",
        "//docs/%761/b",
        "/docs/v1",
        "/docs/v10/a",
        "/docs?/docs/v1/",
        "http://other.example/docs/v1/a",
    ];
    for (target, gone) in [
        (Target::prefix("/docs/v1/").unwrap(), &[0, 1, 2][..]),
        (Target::prefix("/docs/").unwrap(), &[0, 1, 2, 3, 4]),
        (Target::host(), &[0, 1, 2, 3, 4, 5]),
        (Target::everything(), &[0, 1, 2, 3, 4, 5, 6]),
    ] {
        let app = Router::new().fallback(|| async { ([FOREVER], "page") });
        let site = Site::new(app, Embedded::new(), Some("https://example.org"));
        for url in urls {
            site.get(url).await;
        }
        assert_eq!(
            site.purge(target.clone()).await,
            Outcome::Purged,
            "{target}"
        );
        for (number, url) in urls.iter().enumerate() {
            let status = if gone.contains(&number) {
                "MISS"
            } else {
                "HIT"
            };
            assert_eq!(
                site.get(url).await.cache_status(),
                status,
                "{target}: {url}"
            );
        }
        assert_eq!(
            site.purge(Target::prefix("/docs/v2/").unwrap()).await,
            Outcome::NotCached
        );
    }
}

#[tokio::test]
async fn without_a_site_an_area_is_of_every_host() {
    let site = Site::answering(&[FOREVER]);
    let urls = ["http://a.example/p/q", "http://b.example/p/q"];
    for target in [Target::prefix("/p/").unwrap(), Target::host()] {
        for url in urls {
            site.get(url).await;
        }
        assert_eq!(site.purge(target).await, Outcome::Purged);
        for url in urls {
            assert_eq!(site.get(url).await.cache_status(), "MISS");
        }
    }
}

#[tokio::test]
async fn one_purge_is_enough() {
    let pages = Embedded::new();
    let roan = Roan::builder()
        .cache(pages)
        .rebound(Duration::from_millis(10));
    let roan = roan.build().unwrap();
    let mut reports = roan.subscribe();
    roan.purge("/a").unwrap();
    assert_eq!(roan.shutdown(Duration::from_secs(5)).await.pending(), 0);
    drop(roan);
    assert!(reports.next().await.is_some_and(|report| !report.rebound));
    assert!(reports.next().await.is_none());
}
