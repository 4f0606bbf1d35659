//! Two tiers: a cache behind another one, as nginx behind a CDN. After each write the outer one must not keep what it got from
//! the inner one before that was purged: also while a node of the inner one is slow or down.
//!
//! ```text
//! ROAN_TIER_WRITES=10000 cargo test --release -p roan-tests --all-features --test caches two_tiers     a long run
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, HOST};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use reqwest::Client;
use roan::web::{self, CachePolicy, Web};
use roan::{Roan, RoanBuilder, Target};
use roan_examples::settling::settle;
use roan_tests::{HOST as SITE, lock, setting, wait};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::site::{Apps, NODES};
use crate::stand::{Fault, Setup, Stand, Start};

/// Writes in a run of the whole suite.
const SHORT: u64 = 300;
const PAGES: u64 = 12;
const WRITES_OF_A_PAGE: u64 = 5;
const READERS_OF_A_PAGE: usize = 2;

/// The slowest render, unless the machine stalls.
const SLOW: Duration = Duration::from_millis(60);

/// Without the web layer the second purge must come later than the slowest fetch of a node. A round with a slower render shows
/// nothing; what is left is for the way from node to node on a busy machine.
const REBOUND: Duration = Duration::from_millis(1_500);
const SLOWEST: Duration = Duration::from_millis(300);
const ROUNDS_TO_REPEAT: usize = 30;

/// What happens to one inner node during a round.
const TROUBLES: [Option<Fault>; 3] = [None, Some(Fault::Silent), Some(Fault::Down)];

/// The number of each page's last write, and the longest render.
#[derive(Clone, Default)]
struct Rows {
    numbers: Arc<Mutex<HashMap<u64, u64>>>,
    slowest: Arc<Mutex<Duration>>,
}

pub(crate) fn with_the_web_layer(inner: &Start, outer: &Start) {
    let web = Web::new().policy(CachePolicy::until_purged());
    Tiers::run(inner, outer, |builder| {
        builder.web(web).rebound(Duration::from_millis(50))
    });
}

pub(crate) fn with_a_rebound_only(inner: &Start, outer: &Start) {
    Tiers::run(inner, outer, |builder| builder.rebound(REBOUND));
}

struct Tiers {
    inner: Box<dyn Stand>,
    /// Where visitors ask.
    nodes: Vec<SocketAddr>,
    rows: Rows,
    roan: Roan,
    has_tags: bool,
    client: Client,
}

#[derive(Default)]
struct Counts {
    reads: AtomicU64,
    stale_reads: AtomicU64,
    errors: AtomicU64,
}

impl Tiers {
    fn run(inner: &Start, outer: &Start, set: impl FnOnce(RoanBuilder) -> RoanBuilder) {
        let writes = setting("ROAN_TIER_WRITES").unwrap_or(SHORT);
        let apps = Apps::listen(NODES);
        let inner = inner(&apps.addresses, Setup::Right).unwrap();
        let outer = outer(&inner.nodes(), Setup::Right).unwrap();
        let short = Duration::from_millis(20);
        let builder = Roan::builder()
            .site(SITE)
            .backoff(short, 5 * short)
            .timeout(Duration::from_millis(200))
            .connect_timeout(Duration::from_millis(200));
        // The one nearest to the app first.
        let caches = inner.caches().into_iter().chain(outer.caches());
        let roan = set(caches.fold(builder, RoanBuilder::cache)).build();
        let roan = roan.unwrap();
        let rows = Rows::default();
        let mut app = Router::new()
            .route("/race/{page}", get(page))
            .with_state(rows.clone());
        let layer = roan.web().ok();
        let has_tags = layer.is_some();
        app = match layer {
            Some(layer) => app.layer(layer),
            None => app.layer(map_response(kept)),
        };
        let _servers = apps.serve(&app, &*inner);
        let mut tiers = Self {
            nodes: outer.nodes(),
            inner,
            rows,
            roan,
            has_tags,
            client: Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(10))
                .build()
                .unwrap(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(tiers.rounds(writes));
    }

    async fn rounds(&mut self, writes: u64) {
        let counts = Arc::<Counts>::default();
        let rounds = writes.div_ceil(PAGES * WRITES_OF_A_PAGE);
        let mut repeated = 0;
        let mut first = 0;
        let mut round = 0;
        while round < rounds {
            let index = usize::try_from(round).unwrap() % TROUBLES.len();
            *lock(&self.rows.slowest) = Duration::ZERO;
            self.round(first, TROUBLES[index], &counts).await;
            settle(&self.roan).await.unwrap();
            let is_too_slow = !self.has_tags && *lock(&self.rows.slowest) > SLOWEST;
            if is_too_slow {
                repeated += 1;
                assert!(repeated < ROUNDS_TO_REPEAT, "this machine is too busy");
                first += PAGES;
                continue;
            }
            for page in first..first + PAGES {
                let last = self.rows.number(page);
                for (node, address) in self.nodes.iter().enumerate() {
                    let seen = shown_at_last(&self.client, *address, page).await;
                    assert_eq!(
                        seen,
                        last,
                        "page {page} at outer node {node}, {:?}, {:?}",
                        TROUBLES[index],
                        self.roan.stats()
                    );
                }
            }
            first += PAGES;
            round += 1;
        }
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        println!(
            "{} writes: 0 pages stale for good; of {} reads {} were older than a write, {} failed",
            rounds * PAGES * WRITES_OF_A_PAGE,
            count(&counts.reads),
            count(&counts.stale_reads),
            count(&counts.errors)
        );
        assert!(count(&counts.reads) > count(&counts.errors));
    }

    /// Writes and reads pages, while one inner node has the trouble.
    async fn round(&mut self, first: u64, trouble: Option<Fault>, counts: &Arc<Counts>) {
        let ends = Arc::new(AtomicBool::new(false));
        let mut readers = JoinSet::new();
        for page in first..first + PAGES {
            for _ in 0..READERS_OF_A_PAGE {
                for node in &self.nodes {
                    let (client, node, rows) = (self.client.clone(), *node, self.rows.clone());
                    let (counts, ends) = (Arc::clone(counts), Arc::clone(&ends));
                    readers.spawn(async move {
                        while !ends.load(Ordering::Relaxed) {
                            let floor = rows.number(page);
                            counts.reads.fetch_add(1, Ordering::Relaxed);
                            // A cache may answer 502 while the one behind it is down.
                            let (stale, error) = match shown(&client, node, page).await {
                                Ok(seen) => (seen < floor, false),
                                Err(_) => (false, true),
                            };
                            counts
                                .stale_reads
                                .fetch_add(stale.into(), Ordering::Relaxed);
                            counts.errors.fetch_add(error.into(), Ordering::Relaxed);
                            sleep(Duration::from_millis(fastrand::u64(1..20))).await;
                        }
                    });
                }
            }
        }
        let mut writers = JoinSet::new();
        for page in first..first + PAGES {
            let (rows, roan, has_tags) = (self.rows.clone(), self.roan.clone(), self.has_tags);
            writers.spawn(async move {
                for _ in 0..WRITES_OF_A_PAGE {
                    sleep(Duration::from_millis(fastrand::u64(0..80))).await;
                    rows.write(page);
                    roan.purge(target(page, has_tags)).unwrap();
                }
            });
        }
        // A pause that is shorter than the timeout makes an answer slow, and a longer one makes an attempt fail.
        while let Some(fault) = trouble
            && !writers.is_empty()
            && self.inner.fail(1, fault)
        {
            sleep(Duration::from_millis(fastrand::u64(20..400))).await;
            // It comes back with what it had, and its readers are there.
            self.inner.mend(1, fault);
            sleep(Duration::from_millis(fastrand::u64(0..60))).await;
            while writers.try_join_next().is_some() {}
        }
        while writers.join_next().await.is_some() {}
        sleep(Duration::from_millis(fastrand::u64(0..50))).await;
        ends.store(true, Ordering::Relaxed);
        while let Some(reader) = readers.join_next().await {
            reader.unwrap();
        }
    }
}

/// A tag of the page, one of several pages, or its URL.
fn target(page: u64, has_tags: bool) -> Target {
    match page % 3 {
        0 if has_tags => Target::tag(format!("race-{page}")).unwrap(),
        1 if has_tags => Target::tag(group(page)).unwrap(),
        _ => Target::url(format!("/race/{page}")).unwrap(),
    }
}

fn group(page: u64) -> String {
    format!("group-{}", page / PAGES)
}

impl Rows {
    fn number(&self, page: u64) -> u64 {
        lock(&self.numbers).get(&page).copied().unwrap_or_default()
    }

    fn write(&self, page: u64) {
        *lock(&self.numbers).entry(page).or_default() += 1;
    }
}

/// Reads the row at once, and then takes its time.
async fn page(State(rows): State<Rows>, Path(page): Path<u64>) -> String {
    let start = Instant::now();
    let number = rows.number(page);
    for tag in [format!("race-{page}"), group(page)] {
        web::tag(&tag).expect("a tag");
    }
    let is_slow = fastrand::u8(0..50) == 0;
    let usual = Duration::from_millis(fastrand::u64(1..20));
    sleep(if is_slow { SLOW } else { usual }).await;
    let mut slowest = lock(&rows.slowest);
    *slowest = start.elapsed().max(*slowest);
    format!("race-{number}")
}

/// Without the web layer, the app says itself how long its pages are kept.
async fn kept(mut response: Response) -> Response {
    let control = HeaderValue::from_static("s-maxage=31536000, max-age=0");
    response.headers_mut().insert(CACHE_CONTROL, control);
    response
}

/// A cache may keep a connection that was cut when the one behind it went down, and answer 503 once.
async fn shown_at_last(client: &Client, node: SocketAddr, page: u64) -> u64 {
    let mut seen = None;
    wait::until_async(wait::LONG, "the page", async || {
        seen = shown(client, node, page).await.ok();
        seen.is_some()
    })
    .await;
    seen.expect("it was waited for")
}

async fn shown(client: &Client, node: SocketAddr, page: u64) -> Result<u64, String> {
    let url = format!("http://{node}/race/{page}");
    let answer = async {
        let response = client.get(url).header(HOST, SITE).send().await?;
        response.error_for_status()?.text().await
    };
    let text = answer.await.map_err(|error| error.to_string())?;
    let number = text
        .strip_prefix("race-")
        .and_then(|text| text.parse().ok());
    number.ok_or(text)
}
