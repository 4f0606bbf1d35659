//! Rules for many pages at once, before a real nginx: its module purges one URL at a time, and the layer knows the pages.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use roan::web::{CachePolicy, Web};
use roan::{Roan, purge_on};
use roan_tests::{Background, Browser, HOST, Nginx, Options};

const LONG: Duration = Duration::from_secs(30);

const SHOP: &str = "shop.test";

#[purge_on(update, prefix = "/docs/{version}/")]
#[purge_on(delete, host, site = "shop")]
#[derive(Clone)]
struct Docs {
    version: String,
}

#[purge_on(save, host)]
struct Theme;

#[purge_on(save, everything)]
struct Menu;

struct Site {
    browser: Browser,
    roan: Roan,
    renders: Arc<AtomicUsize>,
    _nginx: Nginx,
    _app: Background,
}

impl Site {
    fn start() -> Self {
        let renders = Arc::new(AtomicUsize::new(0));
        let app = Arc::new(RwLock::new(Router::new()));
        let current = Arc::clone(&app);
        let (server, addr): (_, SocketAddr) = Background::serve("app", |listener| async move {
            let app = Router::new().fallback(move |request: Request| {
                let app = current
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                async move {
                    let answer = tower::ServiceExt::oneshot(app, request).await;
                    answer.unwrap_or_else(|never| match never {})
                }
            });
            axum::serve(listener, app).await.expect("the app serves");
        });
        let nginx = Nginx::start_before(addr, &Options::default());
        let roan = Roan::builder()
            .cache(roan::Nginx::at(&nginx.purge_url()).unwrap())
            .site(HOST)
            .named_site("shop", SHOP)
            .rebound(None)
            .web(Web::new().policy(CachePolicy::until_purged()))
            .build()
            .unwrap();
        let count = Arc::clone(&renders);
        let pages = Router::new().fallback(move || {
            let number = count.fetch_add(1, Ordering::Relaxed);
            async move { number.to_string() }
        });
        *app.write().unwrap() = pages.layer(roan.web().unwrap());
        Self {
            browser: nginx.browser(),
            roan,
            renders,
            _nginx: nginx,
            _app: server,
        }
    }

    /// Which of the pages a write purges: each is stored before, and asked for after.
    fn purged<'u>(&self, pages: &[(&str, &'u str)], write: impl FnOnce(&Roan)) -> Vec<&'u str> {
        for (host, url) in pages {
            self.browser.at_host(host).warm(url);
        }
        write(&self.roan);
        assert_eq!(self.roan.flush_blocking(LONG).pending(), 0);
        let before = self.renders.load(Ordering::Relaxed);
        let mut purged = Vec::new();
        for (host, url) in pages {
            match self.browser.at_host(host).get(url).cache_status() {
                "MISS" => purged.push(*url),
                "HIT" => {}
                other => panic!("{url}: {other}"),
            }
        }
        let rendered = self.renders.load(Ordering::Relaxed) - before;
        assert_eq!(rendered, purged.len());
        purged
    }
}

const PAGES: [(&str, &str); 8] = [
    (HOST, "/docs/v1/a"),
    (HOST, "/docs/v1/?x=1"),
    (HOST, "/docs/v1/b/c?d"),
    (HOST, "/docs/%761/e"),
    (HOST, "/docs/v1"),
    (HOST, "/docs/v10/a"),
    (HOST, "/"),
    (SHOP, "/docs/v1/at-shop"),
];

fn urls(pages: &[(&'static str, &'static str)]) -> Vec<&'static str> {
    pages.iter().map(|(_, url)| *url).collect()
}

fn docs(version: &str) -> Docs {
    Docs {
        version: version.to_owned(),
    }
}

#[test]
fn a_prefix_purges_exactly_the_pages_below_it() {
    let site = Site::start();
    let purged = site.purged(&PAGES, |roan| roan.updated(&docs("v1"), &docs("v1")));
    assert_eq!(purged, urls(&PAGES[..4]));
    let purged = site.purged(&PAGES, |roan| roan.updated(&docs("v2"), &docs("v10")));
    assert_eq!(purged, ["/docs/v10/a"]);
    // A value without a page below it, and values that are no folder.
    for version in ["v", "", "..", "v1/b"] {
        let purged = site.purged(&PAGES, |roan| {
            roan.updated(&docs(version), &docs(version));
        });
        assert_eq!(purged, [""; 0], "{version:?}");
    }
}

#[test]
fn a_host_purges_its_site_alone_and_everything_all() {
    let site = Site::start();
    let purged = site.purged(&PAGES, |roan| roan.saved(&Theme));
    assert_eq!(purged, urls(&PAGES[..7]));
    let purged = site.purged(&PAGES, |roan| roan.deleted(&docs("v1")));
    assert_eq!(purged, ["/docs/v1/at-shop"]);
    let purged = site.purged(&PAGES, |roan| roan.saved(&Menu));
    assert_eq!(purged, urls(&PAGES));
}
