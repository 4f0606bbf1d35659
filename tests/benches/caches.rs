//! What the dispatcher makes of each real server: `cargo bench -p roan-tests --bench caches`.
//!
//! Purges a second, and the time of one purge on an idle machine, compared with a bare reqwest client that sends the same requests
//! to the same server over as many connections, in turns in the same run. And a tag on 10,000 pages: at a server that knows tags,
//! and by the learned index at one that does not, beside the purges of those pages by their URLs.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends"
)]

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::{CACHE_CONTROL, HOST};
use axum::routing::get;
use reqwest::{Client, Method};
use roan::web::{self, CachePolicy, Web, WebLayer};
use roan::{Cache, Roan, Target};
use roan_tests::{
    Background, HOST as SITE, Nginx, Options, Squid, SquidOptions, TrafficServer,
    TrafficServerOptions, Varnish, VarnishOptions, median,
};
use tokio::runtime::Runtime;

const CONNECTIONS: usize = 8;
const LONG: Duration = Duration::from_secs(300);

/// A server under test.
struct Server {
    bare: Bare,
    cache: Cache,
    _process: Box<dyn Any>,
}

/// A server before an app, by its name.
type Start = fn(SocketAddr) -> Server;

const SERVERS: [(&str, Start); 4] = [
    ("nginx", nginx),
    ("varnish", varnish),
    ("squid", squid),
    ("traffic-server", traffic_server),
];

fn nginx(app: SocketAddr) -> Server {
    let server = Nginx::start_before(app, &Options::default().keys_zone("128m").one_worker());
    Server {
        bare: Bare::to(server.addr(), Method::GET, "/purge"),
        cache: roan::Nginx::at(&server.purge_url()).unwrap().into(),
        _process: Box::new(server),
    }
}

fn varnish(app: SocketAddr) -> Server {
    let server = Varnish::start_before(app, &VarnishOptions::default());
    let cache = roan::Varnish::new().node(&server.url()).unwrap();
    by_purge(server.addr(), cache, server)
}

fn squid(app: SocketAddr) -> Server {
    let server = Squid::start_before(app, &SquidOptions::default());
    let cache = roan::Squid::new().node(&server.url()).unwrap();
    by_purge(server.addr(), cache, server)
}

fn traffic_server(app: SocketAddr) -> Server {
    let server = TrafficServer::start_before(app, &TrafficServerOptions::default());
    let cache = roan::TrafficServer::new().node(&server.url()).unwrap();
    by_purge(server.addr(), cache, server)
}

/// One that takes the method PURGE at the URL of the page.
fn by_purge(address: SocketAddr, cache: impl Into<Cache>, process: impl Any) -> Server {
    Server {
        bare: Bare::to(address, Method::from_bytes(b"PURGE").unwrap(), ""),
        cache: cache.into(),
        _process: Box::new(process),
    }
}

fn main() {
    // As the dispatcher: one thread.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let only = std::env::args().find(|name| SERVERS.iter().any(|(other, _)| name == other));
    let servers = || {
        let is_asked = |name: &str| only.as_deref().is_none_or(|only| only == name);
        SERVERS.into_iter().filter(move |(name, _)| is_asked(name))
    };
    println!(
        "{:<46} {:>10} {:>10} {:>6}",
        "purges of URLs, 8 connections", "bare", "roan", "ratio"
    );
    for (name, start) in servers() {
        urls(name, start, &runtime);
    }
    println!();
    println!(
        "{:<46} {:>10} {:>10} {:>6} {:>9}",
        "purges of 10,000 pages a second", "URLs", "one tag", "ratio", "requests"
    );
    for (name, start) in servers() {
        tag(name, start, &runtime);
    }
}

fn urls(name: &str, start: Start, runtime: &Runtime) {
    const PAGES: usize = 2_000;
    const ROUNDS: usize = 24;
    let app = Router::new().fallback(get(|| async {
        ([(CACHE_CONTROL, "s-maxage=31536000, max-age=0")], "page")
    }));
    let (_app, address) = Background::serve("app", |listener| async move {
        axum::serve(listener, app).await.expect("the app serves");
    });
    let server = start(address);
    let bare = server.bare;
    let roan = Roan::builder()
        .cache(server.cache)
        .site(SITE)
        .rebound(None)
        .concurrency(CONNECTIONS)
        .build()
        .unwrap();
    for (what, cached) in [("cached pages", true), ("pages that are not cached", false)] {
        let mut rates = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            let urls = |who| {
                (0..PAGES)
                    .map(|page| format!("/{what}/{round}/{who}/{page}").replace(' ', "-"))
                    .collect()
            };
            let both: [Vec<String>; 2] = [urls("bare"), urls("roan")];
            if cached {
                // In turns here, too: a page that was stored later may be slower to remove.
                for who in [round / 2 % 2, 1 - round / 2 % 2] {
                    runtime.block_on(bare.read_all(&both[who]));
                }
            }
            let before = roan.stats().nodes[0].clone();
            // In turns, for the second to go finds another server than the first.
            for who in [round % 2, 1 - round % 2] {
                rates[who].push(rate(PAGES, || match who {
                    0 => runtime.block_on(bare.purge_all(&both[0])),
                    _ => {
                        for url in &both[1] {
                            roan.purge(url).unwrap();
                        }
                        assert_eq!(roan.flush_blocking(LONG).pending(), 0);
                    }
                }));
            }
            let after = &roan.stats().nodes[0];
            let done = (
                after.purged - before.purged,
                after.not_cached - before.not_cached,
            );
            let pages = PAGES as u64;
            assert_eq!(done, if cached { (pages, 0) } else { (0, pages) });
        }
        // Of each round, since the machine is not equally fast in all of them.
        let ratios = rates[0].iter().zip(&rates[1]);
        let ratio = median(ratios.map(|(bare, roan)| roan / bare));
        let [bare_rate, roan_rate] = rates.map(median);
        println!(
            "{:<46} {bare_rate:>8.0}/s {roan_rate:>8.0}/s {ratio:>6.2}{}",
            format!("{name}, {what}"),
            if ratio < 0.9 {
                "  (least 0.9: MISSED)"
            } else {
                ""
            }
        );
    }
    idle(name, &roan, &bare, runtime);
}

/// From the hook to the answer on an idle machine, compared with one bare request.
fn idle(name: &str, roan: &Roan, bare: &Bare, runtime: &Runtime) {
    const SAMPLES: usize = 400;
    let mut times = [Vec::new(), Vec::new()];
    let mut reports = roan.subscribe();
    for sample in 0..SAMPLES {
        // Long enough for every thread to go to sleep, and for the least gap between two purges of
        // one target to be over.
        std::thread::sleep(Duration::from_millis(12));
        let url = format!("/idle/{}", sample % 10);
        let start = Instant::now();
        runtime.block_on(bare.purge(&url));
        times[0].push(start.elapsed().as_secs_f64() * 1e6);

        std::thread::sleep(Duration::from_millis(12));
        roan.purge(&url).unwrap();
        let report = reports.next_blocking().unwrap();
        times[1].push((report.waited + report.took).as_secs_f64() * 1e6);
    }
    let [bare_time, roan_time] = times.map(median);
    println!(
        "{:<46} {bare_time:>7.0} us {roan_time:>7.0} us {:>6.2}",
        format!("{name}, one purge, idle"),
        roan_time / bare_time
    );
}

/// Traffic Server does not find all pages that were just read.
fn answered(roan: &Roan) -> u64 {
    let stats = roan.stats();
    stats.nodes[0].purged + stats.nodes[0].not_cached
}

/// By tags where the server knows them, else by the URLs that the index knows; beside the same pages by their URLs.
fn tag(name: &str, start: Start, runtime: &Runtime) {
    const PAGES: usize = 10_000;
    const ROUNDS: usize = 5;
    let (wrap, wrapped) = tokio::sync::oneshot::channel::<WebLayer>();
    let (_app, address): (_, SocketAddr) = Background::serve("app", |listener| async move {
        let layer = wrapped.await.expect("the layer is made");
        let page = get(|| async {
            web::tag("all").expect("it is a tag");
            "page"
        });
        let app = Router::new().fallback_service(page).layer(layer);
        axum::serve(listener, app).await.expect("the app serves");
    });
    let server = start(address);
    let roan = Roan::builder()
        .cache(server.cache)
        .site(SITE)
        .rebound(None)
        .concurrency(CONNECTIONS)
        .web(
            Web::new()
                .policy(CachePolicy::until_purged())
                .max_pages(PAGES),
        )
        .build()
        .unwrap();
    assert!(wrap.send(roan.web().unwrap()).is_ok(), "the app waits");
    let urls: Vec<_> = (0..PAGES).map(|page| format!("/pages/{page}")).collect();
    let tag = Target::tag("all").unwrap();
    let mut rates = [Vec::new(), Vec::new()];
    let mut requests = [0, 0];
    for round in 0..ROUNDS {
        // In turns, for the second to go finds another server than the first.
        for what in [round % 2, 1 - round % 2] {
            runtime.block_on(server.bare.read_all(&urls));
            let before = answered(&roan);
            rates[what].push(rate(PAGES, || {
                match what {
                    0 => urls.iter().for_each(|url| roan.purge(url).unwrap()),
                    _ => roan.purge(tag.clone()).unwrap(),
                }
                assert_eq!(roan.flush_blocking(LONG).pending(), 0);
            }));
            requests[what] = answered(&roan) - before;
            let knows_tags = what == 1 && requests[what] == 1;
            assert!(requests[what] == PAGES as u64 || knows_tags);
        }
    }
    let ratios = rates[0].iter().zip(&rates[1]);
    let ratio = median(ratios.map(|(urls, tag)| tag / urls));
    let [by_url, by_tag] = rates.map(median);
    println!(
        "{name:<46} {by_url:>10.0} {by_tag:>10.0} {ratio:>6.2} {:>9}",
        requests[1]
    );
}

fn rate(count: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    count as f64 / start.elapsed().as_secs_f64()
}

/// A client that asks a server for pages and for purges.
#[derive(Clone)]
struct Bare {
    client: Client,
    server: SocketAddr,
    /// How the server is asked for a purge: the method, and what the URL begins with.
    method: Method,
    prefix: &'static str,
}

impl Bare {
    fn to(server: SocketAddr, method: Method, prefix: &'static str) -> Self {
        Self {
            client: Client::builder().no_proxy().build().unwrap(),
            server,
            method,
            prefix,
        }
    }

    async fn read_all(&self, urls: &[String]) {
        self.send_all(&Method::GET, "", urls).await;
    }

    async fn purge_all(&self, urls: &[String]) {
        self.send_all(&self.method, self.prefix, urls).await;
    }

    async fn purge(&self, url: &str) {
        self.send(&self.method, self.prefix, url).await;
    }

    /// Every URL once, over [`CONNECTIONS`] connections.
    async fn send_all(&self, method: &Method, prefix: &'static str, urls: &[String]) {
        let next = Arc::new(AtomicUsize::new(0));
        let urls: Arc<[String]> = urls.into();
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (next, urls) = (Arc::clone(&next), Arc::clone(&urls));
                let (bare, method) = (self.clone(), method.clone());
                tokio::spawn(async move {
                    while let Some(url) = urls.get(next.fetch_add(1, Ordering::Relaxed)) {
                        bare.send(&method, prefix, url).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }

    async fn send(&self, method: &Method, prefix: &str, url: &str) {
        let url = format!("http://{}{prefix}{url}", self.server);
        let request = self.client.request(method.clone(), url);
        let answer = request.header(HOST, SITE).send().await.unwrap();
        assert!([200, 404].contains(&answer.status().as_u16()));
        answer.bytes().await.unwrap();
    }
}
