//! A page that was purged while it was on its way into nginx, and that arrives after the purge and the rebound.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use roan::outbox::{Dialect, Outbox};
use roan::web::{self, CachePolicy, Web};
use roan::{Roan, Target};
use roan_tests::{Background, Browser, Database, HOST, Held, Nginx, Options, SqliteFile, wait};
use tokio::runtime::Runtime;

/// A page that has left is taken to arrive in 2 s at most. Where the machine takes about that long for a purge, the test begins
/// anew.
const IN_TIME: Duration = Duration::from_millis(1500);
const ATTEMPTS: usize = 20;

/// An app behind an nginx, and a wire between them that a test can hold.
struct Site {
    value: Arc<AtomicU32>,
    /// Each attempt has a page of its own: nginx stores one after it has answered.
    pages: AtomicU32,
    wire: Held,
    roan: Roan,
    nginx: Nginx,
    browser: Browser,
    runtime: Runtime,
    _app: Background,
}

impl Site {
    fn start(outbox: Option<Outbox>) -> Self {
        let (wrap, wrapped) = tokio::sync::oneshot::channel::<Router>();
        let (app, addr): (_, SocketAddr) = Background::serve("app", |listener| async move {
            let app = wrapped.await.expect("the layer is made");
            axum::serve(listener, app).await.expect("the app serves");
        });
        let wire = Held::before(addr);
        let nginx = Nginx::start_before(wire.addr(), &Options::default());
        let builder = Roan::builder()
            .cache(roan::Nginx::at(&nginx.purge_url()).unwrap())
            .site(HOST)
            .web(Web::new().policy(CachePolicy::until_purged()));
        let builder = match outbox {
            Some(outbox) => builder.outbox(outbox),
            None => builder,
        };
        let roan = builder.build().unwrap();
        let value = Arc::new(AtomicU32::new(0));
        let shown = Arc::clone(&value);
        let page = get(move || async move {
            web::tag("value").unwrap();
            shown.load(Ordering::SeqCst).to_string()
        });
        let router = Router::new().route("/docs/{page}", page);
        wrap.send(router.layer(roan.web().unwrap()))
            .unwrap_or_else(|_| panic!("the app waits for its layer"));
        Self {
            value,
            pages: AtomicU32::new(0),
            wire,
            roan,
            browser: nginx.browser(),
            nginx,
            runtime: Runtime::new().unwrap(),
            _app: app,
        }
    }

    /// Another program that purges the same nginx.
    fn worker(&self, outbox: Outbox) -> Roan {
        Roan::builder()
            .cache(roan::Nginx::at(&self.nginx.purge_url()).unwrap())
            .site(HOST)
            .rebound(Duration::from_millis(50))
            .outbox(outbox)
            .build()
            .unwrap()
    }

    /// Holds a page on its way until it was purged twice, and returns it if that took less time than its way may take.
    fn race(&self, purging: &Roan, purge: &str) -> Option<String> {
        let page = format!("/docs/{}", self.pages.fetch_add(1, Ordering::SeqCst));
        let target = target(purge, &page);
        let begin = Instant::now();
        let gate = self.wire.hold();
        let reader = thread::spawn({
            let (browser, page) = (self.browser.clone(), page.clone());
            move || browser.get(&page).text()
        });
        gate.wait_for(1);
        let before = self.value.fetch_add(1, Ordering::SeqCst);
        let mut reports = purging.subscribe();
        purging.purge(target).unwrap();
        let rebound = async {
            while let Some(report) = reports.next().await {
                if report.rebound && report.target.as_str() == page {
                    return;
                }
            }
        };
        self.runtime
            .block_on(async { tokio::time::timeout(wait::LONG, rebound).await })
            .expect("the page is purged twice");
        let is_in_time = begin.elapsed() < IN_TIME;
        gate.open();
        assert_eq!(reader.join().unwrap(), before.to_string(), "{purge}");
        is_in_time.then_some(page)
    }

    #[track_caller]
    fn becomes_fresh_after(&self, purging: &Roan, purge: &str) {
        let page = (0..ATTEMPTS).find_map(|_| self.race(purging, purge));
        let page = page.unwrap_or_else(|| panic!("each {purge} took longer than the way"));
        let value = self.value.load(Ordering::SeqCst).to_string();
        let read = || self.browser.get(&page).text();
        let what = format!("the page is fresh after its {purge} was purged");
        wait::until(wait::LONG, &what, || read() == value);
        assert_eq!(read(), value, "{purge}");
    }
}

const PURGES: [&str; 5] = ["url", "tag", "prefix", "host", "everything"];

fn target(purge: &str, page: &str) -> Target {
    match purge {
        "url" => Target::url(page).unwrap(),
        "tag" => Target::tag("value").unwrap(),
        "prefix" => Target::prefix("/docs/").unwrap(),
        "host" => Target::host(),
        "everything" => Target::everything(),
        other => panic!("{other}"),
    }
}

fn migrated(outbox: Outbox) -> Outbox {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(outbox.migrate()).unwrap();
    outbox
}

#[test]
fn a_page_that_arrives_after_its_purges_does_not_stay() {
    let site = Site::start(None);
    for purge in PURGES {
        site.becomes_fresh_after(&site.roan, purge);
    }
}

#[test]
fn with_an_outbox_neither() {
    let file = SqliteFile::new();
    let outbox = migrated(Outbox::at(&file.url()).unwrap());
    let site = Site::start(Some(outbox));
    for purge in PURGES {
        site.becomes_fresh_after(&site.roan, purge);
    }
}

#[test]
fn nor_if_another_program_has_purged_it() {
    for dialect in [Dialect::Postgres, Dialect::MySql] {
        let database = Database::create(dialect);
        let outbox = migrated(Outbox::at(database.url()).unwrap());
        let site = Site::start(Some(outbox.clone()));
        let worker = site.worker(outbox);
        for purge in PURGES {
            site.becomes_fresh_after(&worker, purge);
        }
    }
}

/// Nobody looks into the outbox by itself, and nobody is notified.
#[test]
fn nor_if_this_program_seldom_looks_into_the_outbox() {
    let file = SqliteFile::new();
    let outbox = migrated(Outbox::at(&file.url()).unwrap());
    let site = Site::start(Some(outbox.clone().poll(Duration::from_secs(60 * 60))));
    let worker = site.worker(outbox);
    site.becomes_fresh_after(&worker, "tag");
}
