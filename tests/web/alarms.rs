//! When it is suspicious that purges find no page.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use roan::outbox::Outbox;
use roan::web::{self, CachePolicy, Web};
use roan::{Roan, Target};
use roan_tests::{Background, HOST, Nginx, Options, SqliteFile, wait};
use tempfile::NamedTempFile;

const PAGES: usize = 25;

/// The warnings of all tests of this process.
fn log() -> &'static NamedTempFile {
    static LOG: OnceLock<NamedTempFile> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = NamedTempFile::new().unwrap();
        let writer = Arc::new(log.reopen().unwrap());
        tracing_subscriber::fmt().with_writer(writer).init();
        log
    })
}

/// Whether Roan has said that the purges at this nginx find nothing.
fn is_suspicious(nginx: &Nginx) -> bool {
    let log = std::fs::read_to_string(log().path()).unwrap();
    let node = nginx.addr().to_string();
    log.lines()
        .any(|line| line.contains(&node) && line.contains("did not find one"))
}

struct Site {
    nginx: Nginx,
    roan: Roan,
    _app: Background,
}

impl Site {
    fn start(options: &Options, outbox: Outbox) -> Self {
        log();
        let (wrap, wrapped) = tokio::sync::oneshot::channel::<Router>();
        let (server, addr): (_, SocketAddr) = Background::serve("app", |listener| async move {
            let app = wrapped.await.expect("the layer is made");
            axum::serve(listener, app).await.expect("the app serves");
        });
        let nginx = Nginx::start_before(addr, options);
        let roan = start(&nginx, outbox);
        let app = Router::new().fallback(|| async {
            web::tag("rows").unwrap();
            "page"
        });
        wrap.send(app.layer(roan.web().unwrap()))
            .unwrap_or_else(|_| panic!("the app waits for its layer"));
        Self {
            nginx,
            roan,
            _app: server,
        }
    }

    fn warm(&self) {
        for page in 0..PAGES {
            self.nginx.browser().warm(&format!("/pages/{page}"));
        }
    }
}

fn start(nginx: &Nginx, outbox: Outbox) -> Roan {
    Roan::builder()
        .cache(roan::Nginx::at(&nginx.purge_url()).unwrap())
        .site(HOST)
        .rebound(Duration::from_millis(50))
        .outbox(outbox)
        .web(Web::new().policy(CachePolicy::until_purged()))
        .build()
        .unwrap()
}

fn outbox(file: &SqliteFile) -> Outbox {
    let outbox = Outbox::at(&file.url()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(outbox.migrate()).unwrap();
    outbox
}

/// Purges the tag of all pages, with the rebounds. Returns how many requests have not found a page.
fn purge(roan: &Roan) -> u64 {
    roan.purge(Target::tag("rows").unwrap()).unwrap();
    assert_eq!(roan.flush_blocking(wait::LONG).pending(), 0);
    wait::until(wait::LONG, "the rebounds", || {
        let node = &roan.stats().nodes[0];
        let answers = node.purged + node.not_cached;
        node.rebounds == 0 && answers >= 2 * PAGES as u64
    });
    roan.stats().nodes[0].not_cached
}

/// The database has the pages that were purged before the program began, and nobody has asked for since.
#[test]
fn pages_that_were_purged_before_are_not_expected_in_the_cache() {
    let file = SqliteFile::new();
    let outbox = outbox(&file);
    let site = Site::start(&Options::default(), outbox.clone());
    site.warm();
    purge(&site.roan);
    assert_eq!(site.roan.shutdown_blocking(wait::LONG).pending(), 0);
    let next = start(&site.nginx, outbox);
    let app: Router = Router::new()
        .fallback(|| async { "page" })
        .layer(next.web().unwrap());
    let not_found = purge(&next);
    assert!(not_found >= 2 * PAGES as u64, "{not_found}");
    assert!(!is_suspicious(&site.nginx));
    drop(app);
}

#[test]
fn pages_that_were_rendered_and_not_found_are_suspicious() {
    let file = SqliteFile::new();
    let other_zone = Options::default()
        .http_text("proxy_cache_path FOLDER-others keys_zone=others:1m inactive=1y;")
        .edit(
            "proxy_cache_purge pages $roan_key;",
            "proxy_cache_purge others $roan_key;",
        );
    let site = Site::start(&other_zone, outbox(&file));
    site.warm();
    purge(&site.roan);
    assert!(is_suspicious(&site.nginx));
}
