//! A page that was being rendered when it was purged.

use tokio::sync::Semaphore;

use super::*;

/// An app that renders when it is told to; and the signals: it has begun, it may go on.
fn gated() -> (Site, Arc<Semaphore>, Arc<Semaphore>) {
    let [begun, go_on] = [0, 0].map(|_| Arc::new(Semaphore::new(0)));
    let gates = (Arc::clone(&begun), Arc::clone(&go_on));
    let app = Router::new().fallback(move || {
        let (begun, go_on) = gates.clone();
        async move {
            begun.add_permits(1);
            go_on.acquire().await.unwrap().forget();
            ([FOREVER, ("surrogate-key", "t")], "page")
        }
    });
    (Site::new(app, Embedded::new(), None), begun, go_on)
}

async fn status_after_a_purge_during_the_render(target: Target) -> String {
    let (site, begun, go_on) = gated();
    let purge = async {
        begun.acquire().await.unwrap().forget();
        assert_eq!(site.purge(target).await, Outcome::NotCached);
        go_on.add_permits(1);
    };
    let (first, ()) = tokio::join!(site.get("/a/b"), purge);
    assert_eq!(first.cache_status(), "MISS");
    go_on.add_permits(1);
    site.get("/a/b").await.cache_status().to_owned()
}

#[tokio::test]
async fn it_is_not_stored() {
    for target in [
        Target::url("/a/b").unwrap(),
        Target::tag("t").unwrap(),
        Target::prefix("/a/").unwrap(),
        Target::host(),
        Target::everything(),
    ] {
        assert_eq!(status_after_a_purge_during_the_render(target).await, "MISS");
    }
}

#[tokio::test]
async fn purges_of_other_pages_do_not_matter() {
    for target in [
        Target::url("/b").unwrap(),
        Target::tag("u").unwrap(),
        Target::prefix("/b/").unwrap(),
        Target::prefix("/a/b/").unwrap(),
    ] {
        assert_eq!(status_after_a_purge_during_the_render(target).await, "HIT");
    }
}

#[tokio::test]
async fn a_body_that_still_comes_is_not_stored_either() {
    let (site, _, go_on) = gated();
    go_on.add_permits(2);
    let request = Request::get("http://example.org/a")
        .body(Body::empty())
        .unwrap();
    let response = site.app.clone().oneshot(request).await.unwrap();
    site.purge_url("/a").await;
    response.into_body().collect().await.unwrap();
    assert_eq!(site.get("/a").await.cache_status(), "MISS");
}

#[tokio::test]
async fn a_visitor_who_leaves_ends_the_fill() {
    let (site, begun, go_on) = gated();
    let leaves = async {
        begun.acquire().await.unwrap().forget();
    };
    tokio::select! {
        _ = site.get("/a") => panic!("the gate is shut"),
        () = leaves => {}
    }
    go_on.add_permits(1);
    assert_eq!(site.get("/a").await.cache_status(), "MISS");
    assert_eq!(site.get("/a").await.cache_status(), "HIT");
    assert!(site.pages.store.is_at_rest());
}

/// Readers in a loop, renders that take their time, and a writer who looks at the page after each
/// purge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_purge_nobody_sees_an_older_page() {
    let row = Arc::new(AtomicUsize::new(0));
    let read = Arc::clone(&row);
    let app = Router::new().fallback(move || {
        let value = read.load(Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_micros(500 * (value as u64 % 7))).await;
            ([FOREVER], value.to_string())
        }
    });
    let site = Arc::new(Site::new(app, Embedded::new(), None));
    let readers: Vec<_> = std::iter::repeat_with(|| {
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            loop {
                site.get("/a").await;
                tokio::task::yield_now().await;
            }
        })
    })
    .take(8)
    .collect();
    for value in 1..=300_usize {
        row.store(value, Ordering::SeqCst);
        site.purge_url("/a").await;
        // Fills that began before the purge end meanwhile.
        for _ in 0..3 {
            assert_eq!(site.get("/a").await.body, value.to_string());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for reader in readers {
        reader.abort();
    }
}
