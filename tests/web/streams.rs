//! Pages whose bodies are streams: a cache stores them when their bodies end, long after the heads were checked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::response::Response;
use axum::routing::get;
use http_body::Frame;
use roan::outbox::Outbox;
use roan::testing::Recorder;
use roan::web::{self, CachePolicy, Web};
use roan::{Roan, RoanBuilder, Target};
use roan_tests::{
    Background, Browser, Gate, HOST, Nginx, Options, Passage, SqliteFile, gate, wait,
};
use tower::ServiceExt;

use crate::support::{nginx, until_purged};

type Rest = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

/// A body that begins at once and ends with what a future returns, or breaks off.
struct Stream {
    begin: VecDeque<&'static str>,
    rest: Option<Rest>,
}

impl Stream {
    fn body(rest: impl Future<Output = Option<String>> + Send + 'static) -> Body {
        Body::new(Self {
            begin: VecDeque::from(["begin "]),
            rest: Some(Box::pin(rest)),
        })
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if let Some(text) = self.begin.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(text.into()))));
        }
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let end = ready!(rest.as_mut().poll(context));
        self.rest = None;
        Poll::Ready(Some(match end {
            Some(text) => Ok(Frame::data(text.into())),
            None => Err(std::io::Error::other("it breaks off")),
        }))
    }
}

/// What the pages show, and the gate before the ends of their bodies.
#[derive(Clone, Default)]
struct Database {
    value: Arc<AtomicU32>,
    held: Arc<Mutex<Option<Passage>>>,
}

impl Database {
    fn value(&self) -> u32 {
        self.value.load(Ordering::SeqCst)
    }

    fn hold(&self) -> Gate {
        let (gate, passage) = gate();
        *self.held.lock().unwrap() = Some(passage);
        gate
    }

    async fn pass(&self) {
        let held = self.held.lock().unwrap().clone();
        if let Some(passage) = held {
            passage.pass().await;
        }
    }
}

fn app(database: &Database) -> Router {
    let (page, late, broken) = (database.clone(), database.clone(), database.clone());
    Router::new()
        .route(
            "/page",
            get(move || async move {
                let value = page.value();
                web::tag("value").unwrap();
                web::complete();
                Stream::body(async move {
                    page.pass().await;
                    Some(value.to_string())
                })
            }),
        )
        .route(
            "/late",
            get(move || async move {
                web::complete();
                Stream::body(async move {
                    let value = late.value();
                    late.pass().await;
                    web::tag("value").unwrap();
                    Some(value.to_string())
                })
            }),
        )
        .route(
            "/broken",
            get(move || async move {
                web::complete();
                Stream::body(async move {
                    broken.pass().await;
                    None
                })
            }),
        )
}

/// An instance of the app behind an nginx of its own.
struct Instance {
    database: Database,
    roan: Roan,
    browser: Browser,
    nginx: Nginx,
    _app: Background,
}

impl Instance {
    fn start(set: impl FnOnce(RoanBuilder) -> RoanBuilder) -> Self {
        Self::start_behind(&Options::default(), set)
    }

    fn start_behind(options: &Options, set: impl FnOnce(RoanBuilder) -> RoanBuilder) -> Self {
        let database = Database::default();
        let (wrap, wrapped) = tokio::sync::oneshot::channel::<Router>();
        let (server, addr): (_, SocketAddr) = Background::serve("app", |listener| async move {
            let app = wrapped.await.expect("the layer is made");
            axum::serve(listener, app).await.expect("the app serves");
        });
        let nginx = Nginx::start_before(addr, options);
        let roan = Roan::builder()
            .cache(roan::Nginx::at(&nginx.purge_url()).unwrap())
            .site(HOST)
            .web(Web::new().policy(CachePolicy::until_purged()));
        let roan = set(roan).build().unwrap();
        wrap.send(app(&database).layer(roan.web().unwrap()))
            .unwrap_or_else(|_| panic!("the app waits for its layer"));
        Self {
            database,
            browser: nginx.browser(),
            roan,
            nginx,
            _app: server,
        }
    }

    /// A visitor who waits for the end of a body.
    fn read(&self, url: &'static str) -> JoinHandle<String> {
        let browser = self.browser.clone();
        thread::spawn(move || browser.get(url).text())
    }

    #[track_caller]
    fn becomes(&self, url: &str, text: &str) {
        wait::until(wait::LONG, &format!("{url} shows {text}"), || {
            self.browser.get(url).text() == text
        });
        assert_eq!(self.browser.get(url).text(), text);
    }
}

/// Until the purge and its rebound are over.
fn purge(roan: &Roan, target: &Target) {
    let done = || roan.stats().nodes[0].purged + roan.stats().nodes[0].not_cached;
    let before = done();
    roan.purge(target).unwrap();
    wait::until(wait::LONG, "a purge and its rebound", || {
        let node = &roan.stats().nodes[0];
        done() >= before + 2 && node.pending + node.rebounds == 0
    });
}

fn targets() -> [Target; 4] {
    [
        Target::tag("value").unwrap(),
        Target::url("/page").unwrap(),
        Target::host(),
        Target::everything(),
    ]
}

#[test]
fn a_page_that_was_purged_while_its_body_came_is_purged_again() {
    for target in targets() {
        let site = Instance::start(|roan| roan);
        let gate = site.database.hold();
        let reader = site.read("/page");
        gate.wait_for(1);
        site.database.value.store(1, Ordering::SeqCst);
        purge(&site.roan, &target);
        gate.open();
        assert_eq!(reader.join().unwrap(), "begin 0", "{target}");
        site.becomes("/page", "begin 1");
    }
}

#[test]
fn a_page_that_was_purged_by_another_instance_while_its_body_came_is_purged_again() {
    for target in targets() {
        let file = SqliteFile::new();
        let outbox = Outbox::at(&file.url()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(outbox.migrate()).unwrap();
        let site = Instance::start(|roan| roan.outbox(outbox.clone()));
        // It has the same cache.
        let other = Roan::builder()
            .cache(roan::Nginx::at(&site.nginx.purge_url()).unwrap())
            .site(HOST)
            .rebound(Duration::from_millis(50))
            .outbox(outbox)
            .build()
            .unwrap();
        let gate = site.database.hold();
        let reader = site.read("/page");
        gate.wait_for(1);
        site.database.value.store(1, Ordering::SeqCst);
        purge(&other, &target);
        gate.open();
        assert_eq!(reader.join().unwrap(), "begin 0", "{target}");
        site.becomes("/page", "begin 1");
    }
}

#[test]
fn a_page_that_gets_a_tag_too_late_does_not_stay_cached_without_it() {
    let site = Instance::start(|roan| roan);
    assert_eq!(site.browser.get("/late").text(), "begin 0");
    wait::until(wait::LONG, "the purge of the page", || {
        site.browser.get("/late").cache_status() != "HIT"
    });
    site.database.value.store(1, Ordering::SeqCst);
    site.roan.purge(Target::tag("value").unwrap()).unwrap();
    assert_eq!(site.roan.flush_blocking(wait::LONG).pending(), 0);
    assert_eq!(site.browser.get("/late").text(), "begin 1");
}

/// With HTTP/1.0, which nginx speaks by default, the end of the connection is that of the body.
#[test]
fn a_body_that_breaks_off_does_not_stay_cached() {
    let by_default = Options::default().edit("proxy_http_version 1.1;", "proxy_http_version 1.0;");
    let site = Instance::start_behind(&by_default, |roan| roan);
    let gate = site.database.hold();
    let reader = site.read("/broken");
    gate.wait_for(1);
    gate.open();
    assert_eq!(reader.join().unwrap(), "begin ");
    wait::until(wait::LONG, "the purge of the page", || {
        site.browser.get("/broken").cache_status() != "HIT"
    });
}

async fn response(app: &Router, url: &str) -> Response {
    let request = Request::get(format!("http://example.org{url}"));
    let request = request.body(Body::empty()).unwrap();
    app.clone()
        .oneshot(request)
        .await
        .unwrap_or_else(|never: Infallible| match never {})
}

#[tokio::test]
async fn what_is_said_too_late_is_logged_with_its_page_and_the_remedy() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt().with_writer(Arc::new(log.reopen().unwrap()));
    let _until_the_end = tracing::subscriber::set_default(subscriber.finish());
    let cache = Recorder::new();
    let roan = Roan::builder()
        .cache(nginx(&cache))
        .site("https://example.org")
        .rebound(None)
        .web(until_purged())
        .build()
        .unwrap();
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let after = move || async move {
        *keep.lock().unwrap() = web::page();
        "after"
    };
    let app = app(&Database::default())
        .route("/after", get(after))
        .layer(roan.web().unwrap());
    let read = |url| {
        let app = app.clone();
        async move {
            let response = response(&app, url).await;
            let (parts, body) = response.into_parts();
            assert!(axum::body::to_bytes(body, usize::MAX).await.is_ok());
            parts.headers["x-accel-expires"]
                .to_str()
                .unwrap()
                .to_owned()
        }
    };
    let purges = || async {
        let left = roan.flush(wait::LONG).await;
        assert_eq!(left.pending(), 0);
        let purges = cache.purges();
        let purges = purges.targets().iter().map(ToString::to_string);
        purges.collect::<Vec<_>>()
    };
    assert_eq!(read("/late?a").await, "31536000");
    assert_eq!(purges().await, ["/late?a"]);
    // It would have to be purged each time.
    assert_eq!(read("/late?b").await, "0");
    assert_eq!(purges().await, ["/late?a"]);
    // Also after the end of the body, and however the handle was passed on.
    assert_eq!(read("/after").await, "31536000");
    let page: web::Page = kept.lock().unwrap().take().unwrap();
    page.cache(CachePolicy::no_store());
    assert_eq!(purges().await, ["/after", "/late?a"]);
    let log = std::fs::read_to_string(log.path()).unwrap();
    for path in ["/late", "/after"] {
        let told = format!("{path} is not cached: its handler calls `show`, `show_all`, `tag`");
        assert_eq!(log.matches(&told).count(), 1, "{log}");
    }
    assert!(log.contains("before the handler returns"), "{log}");
}
