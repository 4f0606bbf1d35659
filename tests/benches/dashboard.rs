//! What the dashboard costs a hook, and how fast its page is: `cargo bench -p roan-tests --bench dashboard`.
//!
//! The hook is that of the benchmark `hooks`, at a cache in the program that answers at once, so that the dispatcher and the
//! dashboard work as hard as they can meanwhile. The page is opened in Chromium, from a program on this machine.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on ends")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use axum::Router;
use roan::dashboard::Dashboard;
use roan::purger::{Answer, Limits, PurgeRequest, Purger};
use roan::{Cache, Roan, TargetKind, purge_on};
use roan_tests::{Background, Chromium, median};

const ROUNDS: usize = 15;
const HOOKS: usize = 200_000;
const LOADS: usize = 15;

#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
struct Post {
    slug: String,
}

#[derive(Debug)]
struct AtOnce;

impl Purger for AtOnce {
    async fn purge(&self, _: PurgeRequest<'_>) -> Answer {
        Answer::purged()
    }
}

fn fire(posts: &[Post]) -> f64 {
    let start = Instant::now();
    for number in 0..HOOKS {
        roan::saved(black_box(&posts[number % posts.len()]));
    }
    start.elapsed().as_nanos() as f64 / HOOKS as f64
}

fn main() {
    let cache = Cache::new("at once").purges([TargetKind::Url], Limits::new());
    let roan = Roan::builder()
        .cache(cache.node("at once", AtOnce))
        .site("https://www.example.org")
        .rebound(None)
        .install()
        .expect("nothing was installed before");
    println!(
        "{:<44} {:>9} {:>9} {:>7}",
        "one write, two URLs, 1 thread", "without", "with", "ratio"
    );
    for (name, distinct) in [("one row again and again", 1), ("1,000 rows in turn", 1000)] {
        let posts: Vec<Post> = (0..distinct)
            .map(|number| Post {
                slug: format!("post-number-{number}"),
            })
            .collect();
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            times[0].push(fire(&posts));
            let dashboard = Dashboard::new(&roan).behind_auth();
            times[1].push(fire(&posts));
            drop(dashboard);
            let _nothing = roan.flush_blocking(Duration::from_secs(10));
        }
        let [without, with] = times.map(|times| median(times));
        let ratio = with / without;
        let verdict = if ratio <= 1.1 { "holds" } else { "MISSED" };
        println!(
            "{name:<44} {without:>6.0} ns {with:>6.0} ns {ratio:>7.2}  (limit 1.1: {verdict})"
        );
    }
    tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(paint(&roan));
}

async fn paint(roan: &Roan) {
    let dashboard = Dashboard::new(roan).without_auth();
    let app = Router::new().nest_service("/roan", dashboard);
    let (server, address) = Background::serve("program", |listener| async move {
        axum::serve(listener, app).await.expect("it serves");
    });
    let chromium = Chromium::start();
    let tab = chromium.open().await;
    let mut times = Vec::new();
    for _ in 0..LOADS {
        tab.go(&format!("http://{address}/roan")).await;
        tab.until(
            "a paint",
            "performance.getEntriesByName('first-contentful-paint').length",
        )
        .await;
        let time = tab
            .run("return performance.getEntriesByName('first-contentful-paint')[0].startTime;")
            .await;
        times.push(time.as_f64().expect("a number"));
        tab.go("about:blank").await;
    }
    let time = median(times);
    let verdict = if time < 200.0 { "holds" } else { "MISSED" };
    println!("first paint of the page, median of {LOADS}: {time:.0} ms  (limit 200 ms: {verdict})");
    tab.close().await;
    drop((chromium, server));
}
