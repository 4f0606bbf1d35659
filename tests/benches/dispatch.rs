//! What the dispatcher makes of a real nginx: `cargo bench -p roan-tests --bench dispatch`.
//!
//! Each figure is compared with a bare reqwest client that sends the same requests to the same nginx
//! over as many connections, in turns in the same run.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::header::HOST;
use roan::{Roan, Target};
use roan_tests::{HOST as SITE, Nginx, Options, Origin, median};
use tokio::runtime::Runtime;

const CONNECTIONS: usize = 8;
const PAGES: usize = 4_000;
const ROUNDS: usize = 24;
const LONG: Duration = Duration::from_secs(60);

fn main() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default().keys_zone("128m").one_worker());
    let roan = Roan::builder()
        .cache(roan::Nginx::at(&nginx.purge_url()).unwrap())
        .site(SITE)
        .rebound(None)
        .concurrency(CONNECTIONS)
        .build()
        .unwrap();
    // As the dispatcher: one thread.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bare = Bare {
        client: Client::builder().no_proxy().build().unwrap(),
        nginx: nginx.addr(),
    };

    println!("{:<46} {:>10} {:>10} {:>6}", "", "bare", "roan", "ratio");
    for (what, cached) in [("cached pages", true), ("keys that are not cached", false)] {
        let mut rates = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            let urls = |who| {
                (0..PAGES)
                    .map(|page| format!("/{what}/{round}/{who}/{page}").replace(' ', "-"))
                    .collect()
            };
            let (bare_urls, roan_urls): (Vec<String>, Vec<String>) = (urls("bare"), urls("roan"));
            if cached {
                // In turns here, too: a file that was written later may be slower to remove.
                let both = [&bare_urls, &roan_urls];
                for who in [round / 2 % 2, 1 - round / 2 % 2] {
                    runtime.block_on(bare.send_all("", both[who]));
                }
            }
            let before = roan.stats().nodes[0].clone();
            // In turns, for the second to go finds another nginx than the first.
            for who in [round % 2, 1 - round % 2] {
                rates[who].push(rate(|| match who {
                    0 => runtime.block_on(bare.send_all("/purge", &bare_urls)),
                    _ => purge_all(&roan, &roan_urls),
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
            "{:<46} {bare_rate:>8.0}/s {roan_rate:>8.0}/s {ratio:>6.2}",
            format!("purges of {what}, {CONNECTIONS} connections"),
        );
    }
    idle(&roan, &bare, &runtime);
}

/// From the hook to the answer on an idle machine, compared with one bare request.
fn idle(roan: &Roan, bare: &Bare, runtime: &Runtime) {
    const SAMPLES: usize = 400;
    let mut times = [Vec::new(), Vec::new()];
    let mut reports = roan.subscribe();
    for sample in 0..SAMPLES {
        // Long enough for every thread to go to sleep, and for the least gap between two purges of
        // one target to be over.
        std::thread::sleep(Duration::from_millis(12));
        let url = format!("/idle/{}", sample % 10);
        let start = Instant::now();
        runtime.block_on(bare.send("/purge", &url));
        times[0].push(start.elapsed().as_secs_f64() * 1e6);

        std::thread::sleep(Duration::from_millis(12));
        roan.purge(&url).unwrap();
        let report = reports.next_blocking().unwrap();
        times[1].push((report.waited + report.took).as_secs_f64() * 1e6);
    }
    let [bare_time, roan_time] = times.map(median);
    println!(
        "{:<46} {bare_time:>7.0} us {roan_time:>7.0} us {:>6.2}",
        "one purge, idle, from the hook to the answer",
        roan_time / bare_time
    );
}

fn rate(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    PAGES as f64 / start.elapsed().as_secs_f64()
}

fn purge_all(roan: &Roan, urls: &[String]) {
    let targets: Vec<Target> = urls.iter().map(|url| Target::url(url).unwrap()).collect();
    for target in targets {
        roan.purge(target).unwrap();
    }
    assert_eq!(roan.flush_blocking(LONG).pending(), 0);
}

struct Bare {
    client: Client,
    nginx: SocketAddr,
}

impl Bare {
    async fn send(&self, prefix: &str, url: &str) {
        let url = format!("http://{}{prefix}{url}", self.nginx);
        let response = self
            .client
            .get(url)
            .header(HOST, SITE)
            .send()
            .await
            .unwrap();
        assert!([200, 404].contains(&response.status().as_u16()));
        response.bytes().await.unwrap();
    }

    /// Every URL once, over [`CONNECTIONS`] connections.
    async fn send_all(&self, prefix: &'static str, urls: &[String]) {
        let next = Arc::new(AtomicUsize::new(0));
        let urls: Arc<[String]> = urls.into();
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (next, urls) = (Arc::clone(&next), Arc::clone(&urls));
                let bare = Self {
                    client: self.client.clone(),
                    nginx: self.nginx,
                };
                tokio::spawn(async move {
                    while let Some(url) = urls.get(next.fetch_add(1, Ordering::Relaxed)) {
                        bare.send(prefix, url).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
}
