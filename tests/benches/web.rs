//! What the web layer costs: `cargo bench -p roan-tests --bench web`.
//!
//! A request in the layer beside the same request without it, in process; the purge of a tag that nginx does not know
//! beside those of its pages by their URLs; and what the index takes beside what its docs state.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends"
)]

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{Request, Response};
use axum::routing::get;
use reqwest::Client;
use roan::web::{self, CachePolicy, Web, WebLayer};
use roan::{Roan, Target, purge_on};
use roan_tests::{Background, HOST as SITE, Nginx, Options, median};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt, service_fn};

const LONG: Duration = Duration::from_secs(300);
/// Tags of a page.
const TAGS: [usize; 3] = [0, 5, 30];

#[purge_on(save, delete, tag = "row-number-{0}")]
struct Row(usize);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    requests(&runtime);
    println!();
    purges(&runtime);
    println!();
    index(&runtime);
}

/// Its purges lead nowhere.
fn start(max_pages: usize) -> Roan {
    let refusing = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = refusing.local_addr().unwrap();
    build(&format!("http://{address}/purge"), max_pages)
}

fn build(purge_url: &str, max_pages: usize) -> Roan {
    let policy = CachePolicy::until_purged();
    Roan::builder()
        .cache(roan::Nginx::at(purge_url).unwrap())
        .site(SITE)
        .rebound(None)
        .web(Web::new().policy(policy).max_pages(max_pages))
        .build()
        .unwrap()
}

/// A page of some size that shows so many rows, beginning with this one.
fn render(first: usize, tags: usize) -> Response<Body> {
    for row in first..first + tags {
        web::show(&Row(row));
    }
    Response::new(Body::from("page"))
}

fn url(page: usize) -> String {
    format!("/a/page/of/some/length/{page:016}")
}

fn request(page: usize) -> Request<usize> {
    let request = Request::get(url(page)).header(HOST, SITE);
    request.body(page).unwrap()
}

/// Sends one request for each page.
async fn send<S, B>(service: &mut S, pages: std::ops::Range<usize>)
where
    S: Service<Request<usize>, Response = Response<B>, Error = Infallible>,
{
    for page in pages {
        let service = service.ready().await.unwrap();
        let response = service.call(request(page)).await.unwrap();
        std::hint::black_box(response);
    }
}

fn requests(runtime: &Runtime) {
    // So few that a busy machine seldom interrupts a round.
    const PAGES: usize = 50;
    const ROUNDS: usize = 501;
    println!(
        "{:<44} {:>9} {:>9} {:>9}",
        "one request, microseconds", "bare", "layer", "adds"
    );
    for tags in TAGS {
        let app = service_fn(move |request: Request<usize>| async move {
            // Neighbours share rows, as the pages of a list do.
            Ok::<_, Infallible>(render(*request.body() / 10, tags))
        });
        let roan = start(2 * PAGES * ROUNDS);
        let mut bare = app;
        let mut layered = roan.web().unwrap().layer(app);
        let mut times = [const { Vec::new() }; 4];
        let mut time = |what: usize, pages: std::ops::Range<usize>| {
            let start = Instant::now();
            runtime.block_on(async {
                match what % 2 {
                    0 => send(&mut bare, pages).await,
                    _ => send(&mut layered, pages).await,
                }
            });
            times[what].push(start.elapsed().as_secs_f64() * 1e6 / PAGES as f64);
        };
        for round in 0..ROUNDS {
            let new = PAGES * round..PAGES * (round + 1);
            // The first is not known; the others have been rendered before.
            time(2, new.clone());
            time(3, new.clone());
            time(0, new.clone());
            time(1, new);
        }
        let [bare, known, bare_new, new] = times.map(median);
        for (what, bare, layer, limit) in [
            ("a known page", bare, known, Some(5.0)),
            ("a new page", bare_new, new, None),
        ] {
            let adds = layer - bare;
            let limit = limit.map(|limit| {
                let word = if adds <= limit { "holds" } else { "MISSED" };
                format!("  (limit {limit}: {word})")
            });
            println!(
                "{:<44} {bare:>9.2} {layer:>9.2} {adds:>9.2}{}",
                format!("{what}, {tags} tags"),
                limit.unwrap_or_default()
            );
        }
    }
}

/// A tag on 10,000 pages, which a real nginx has.
fn purges(runtime: &Runtime) {
    const PAGES: usize = 10_000;
    const ROUNDS: usize = 5;
    let (wrap, wrapped) = tokio::sync::oneshot::channel::<WebLayer>();
    let (_app, addr): (_, SocketAddr) = Background::serve("app", |listener| async move {
        let layer = wrapped.await.expect("the layer is made");
        let page = get(|| async {
            web::tag("all").expect("it is a tag");
            "page"
        });
        let app = Router::new().fallback_service(page).layer(layer);
        axum::serve(listener, app).await.expect("the app serves");
    });
    let nginx = Nginx::start_before(addr, &Options::default().keys_zone("128m").one_worker());
    let roan = build(&nginx.purge_url(), PAGES);
    let layer = roan.web().unwrap();
    assert!(wrap.send(layer.clone()).is_ok(), "the app waits");
    let client = Client::builder().no_proxy().build().unwrap();
    let tag = Target::tag("all").unwrap();
    let urls: Vec<_> = (0..PAGES)
        .map(|page| Target::url(url(page)).unwrap())
        .collect();

    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        // In turns, for the second to go finds another nginx than the first.
        for what in [round % 2, 1 - round % 2] {
            runtime.block_on(read_all(&client, nginx.addr(), PAGES));
            assert_eq!(runtime.block_on(layer.pages_of(&tag)).unwrap().len(), PAGES);
            let before = roan.stats().nodes[0].purged;
            let start = Instant::now();
            match what {
                0 => {
                    for url in &urls {
                        roan.purge(url.clone()).unwrap();
                    }
                }
                _ => roan.purge(tag.clone()).unwrap(),
            }
            assert_eq!(roan.flush_blocking(LONG).pending(), 0);
            rates[what].push(PAGES as f64 / start.elapsed().as_secs_f64());
            assert_eq!(roan.stats().nodes[0].purged - before, PAGES as u64);
        }
    }
    let ratios = rates[0].iter().zip(&rates[1]);
    let ratio = median(ratios.map(|(urls, tag)| tag / urls));
    let [by_url, by_tag] = rates.map(median);
    println!(
        "{:<44} {:>9} {:>9} {:>9}",
        "nginx, purges a second", "URLs", "one tag", "ratio"
    );
    println!(
        "{:<44} {by_url:>9.0} {by_tag:>9.0} {ratio:>9.2}",
        "the same 10,000 cached pages"
    );
}

/// Every page once, over eight connections, so that nginx has it.
async fn read_all(client: &Client, nginx: SocketAddr, pages: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (client, next) = (client.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let page = next.fetch_add(1, Ordering::Relaxed);
                    if page >= pages {
                        return;
                    }
                    let request = client.get(format!("http://{nginx}{}", url(page)));
                    let answer = request.header("Host", SITE).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    answer.bytes().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// The bytes of a page in the index, and the time to find the pages of a tag.
fn index(runtime: &Runtime) {
    const PAGES: usize = 100_000;
    println!(
        "{:<44} {:>9} {:>9} {:>9} {:>15}",
        "100,000 pages, each tag on 100", "stated", "bytes", "ratio", "pages of a tag"
    );
    for tags in TAGS {
        let roan = start(PAGES);
        let layer = roan.web().unwrap();
        let app = service_fn(move |request: Request<usize>| async move {
            // Such that a row is on 100 pages, in groups that share no row.
            let first = *request.body() / 100 * tags;
            Ok::<_, Infallible>(render(first, tags))
        });
        let mut layered = layer.clone().layer(app);
        let learned = allocation_counter::measure(|| {
            runtime.block_on(send(&mut layered, 0..PAGES));
        });
        assert_eq!(layer.known_urls(), PAGES);
        let bytes = learned.bytes_current as f64 / PAGES as f64;
        let stated = (3 * url(0).len() + 500 + 100 * tags) as f64;
        let tag = Target::tag(format!("row-number-{}", tags / 2)).unwrap();
        let found = (0..1000).map(|_| {
            let start = Instant::now();
            let pages = runtime.block_on(layer.pages_of(&tag)).unwrap().len();
            let time = start.elapsed().as_secs_f64() * 1e6;
            assert_eq!(pages, if tags == 0 { 0 } else { 100 });
            time
        });
        let found = median(found);
        println!(
            "{:<44} {stated:>9.0} {bytes:>9.0} {:>9.2} {found:>12.1} us",
            format!("bytes of a page with {tags} tags"),
            bytes / stated
        );
    }
}
