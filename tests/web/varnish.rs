//! A real Varnish, which knows tags, before an app in the layer.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use roan::web::{self, CachePolicy, Web};
use roan::{Roan, Target};
use roan_tests::{Background, Browser, HOST, Passage, Varnish, VarnishOptions, gate, lock, wait};

const LONG: Duration = Duration::from_secs(30);

/// The row of all pages, and what holds their renders after they have read it.
#[derive(Clone, Default)]
struct Row {
    text: Arc<Mutex<String>>,
    held: Arc<Mutex<Option<Passage>>>,
}

impl Row {
    fn set(&self, text: &str) {
        text.clone_into(&mut lock(&self.text));
    }

    async fn read(&self) -> String {
        let text = {
            let text = lock(&self.text);
            text.clone()
        };
        let held = {
            let held = lock(&self.held);
            held.clone()
        };
        if let Some(passage) = held {
            passage.pass().await;
        }
        text
    }
}

fn long_tag() -> String {
    format!("long-{}", "x".repeat(2000))
}

fn app(row: &Row) -> Router {
    let rows = row.clone();
    let tagged = move |Path(tag): Path<String>| async move {
        web::tag(&tag).unwrap();
        rows.read().await
    };
    let rows = row.clone();
    let long = move || async move {
        web::tag(&long_tag()).unwrap();
        rows.read().await
    };
    let rows = row.clone();
    let many = move || async move {
        (0..500).for_each(|number| web::tag(&format!("number-{number}")).unwrap());
        rows.read().await
    };
    let rows = row.clone();
    let private = move || async move {
        web::cache(CachePolicy::private());
        rows.read().await
    };
    Router::new()
        .route("/tagged/{tag}", get(tagged))
        .route("/long", get(long))
        .route("/many", get(many))
        .route("/private", get(private))
}

struct Site {
    row: Row,
    roan: Roan,
    browser: Browser,
    _node: Varnish,
    _app: Background,
}

impl Site {
    fn start(soft: bool) -> Self {
        let row = Row::default();
        row.set("old");
        let (wrap, wrapped) = tokio::sync::oneshot::channel::<Router>();
        let (server, addr) = Background::serve("app", |listener| async move {
            let app = wrapped.await.expect("the layer is made");
            axum::serve(listener, app).await.expect("the app serves");
        });
        let node = Varnish::start_before(addr, &VarnishOptions::default());
        let mut varnish = roan::Varnish::at(&node.url()).unwrap();
        if soft {
            varnish = varnish.soft();
        }
        let roan = Roan::builder()
            .cache(varnish)
            .site(HOST)
            .rebound(None)
            .web(Web::new().policy(CachePolicy::until_purged()))
            .build()
            .unwrap();
        wrap.send(app(&row).layer(roan.web().unwrap()))
            .unwrap_or_else(|_| panic!("the app waits for its layer"));
        Self {
            row,
            browser: node.browser(),
            roan,
            _node: node,
            _app: server,
        }
    }

    fn write(&self, text: &str, tag: &str) {
        self.row.set(text);
        self.roan.purge(Target::tag(tag).unwrap()).unwrap();
        assert_eq!(self.roan.flush_blocking(LONG).pending(), 0);
        assert_eq!(self.roan.stats().refused, 0);
    }
}

#[test]
fn varnish_purges_by_the_tags_that_the_layer_writes() {
    let site = Site::start(false);
    let browser = &site.browser;
    let urls = ["/tagged/a", "/tagged/b", "/long", "/many"];
    urls.iter().for_each(|url| _ = browser.warm(url));
    let page = browser.assert_hit("/tagged/a");
    let control = page.header("cache-control");
    assert_eq!(control, Some("max-age=0, must-revalidate"));
    for name in ["xkey", "surrogate-control", "age"] {
        assert_eq!(page.header(name), None, "{name}");
    }
    for (tag, page) in [
        ("a", "/tagged/a"),
        (&*long_tag(), "/long"),
        ("number-0", "/many"),
        ("number-499", "/many"),
    ] {
        site.write(tag, tag);
        assert_eq!(browser.assert_miss(page).text(), tag);
        let others = urls.iter().filter(|url| **url != page);
        others.for_each(|url| _ = browser.assert_hit(url));
    }
    (0..2).for_each(|_| _ = browser.assert_miss("/private"));
}

/// It would stay: Varnish stores it after the purge.
#[test]
fn varnish_does_not_store_a_page_that_was_rendered_before_a_purge() {
    let site = Site::start(false);
    let (gate, passage) = gate();
    let hold = |passage| {
        *lock(&site.row.held) = passage;
    };
    hold(Some(passage));
    let browser = site.browser.clone();
    let reader = thread::spawn(move || browser.get("/tagged/a").text());
    gate.wait_for(1);
    site.write("new", "a");
    hold(None);
    gate.open();
    assert_eq!(reader.join().unwrap(), "old");
    assert_eq!(site.browser.assert_miss("/tagged/a").text(), "new");
    site.browser.assert_hit("/tagged/a");
}

#[test]
fn a_soft_purge_by_tag_serves_the_old_page_once_more() {
    let site = Site::start(true);
    site.browser.warm("/tagged/a");
    site.write("new", "a");
    let stale = site.browser.get("/tagged/a");
    assert_eq!((stale.cache_status(), &*stale.text()), ("STALE", "old"));
    wait::until(LONG, "the new page", || {
        site.browser.get("/tagged/a").text() == "new"
    });
    site.browser.assert_hit("/tagged/a");
}
