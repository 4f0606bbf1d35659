//! What the web layer costs: `cargo bench -p roan-tests --bench web`.
//!
//! A request in the layer beside the same request without it, in process; and what the index takes beside what its docs state.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends"
)]

use std::convert::Infallible;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Instant;

use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{Request, Response};
use roan::web::{self, CachePolicy, Web};
use roan::{Roan, Target, purge_on};
use roan_tests::{HOST as SITE, median};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt, service_fn};

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
    index(&runtime);
}

/// Its purges lead nowhere.
fn start(max_pages: usize) -> Roan {
    let refusing = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = refusing.local_addr().unwrap();
    let policy = CachePolicy::until_purged();
    Roan::builder()
        .cache(roan::Nginx::at(&format!("http://{address}/purge")).unwrap())
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
