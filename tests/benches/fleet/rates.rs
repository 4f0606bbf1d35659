//! Purges a second, from the call to the cache of the last agent, compared with a bare async-nats client that publishes and
//! consumes as many messages of the same size. A hundred agents share this process, and a cache that counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use roan::agent::{Agent, RunningAgent};
use roan::fleet::{Nats as Servers, Stream};
use roan::purger::{Answer, Cache, PurgeRequest, Purger};
use roan::{Fleet, Roan};
use roan_tests::{HOST, Nats, NatsOptions, median, wait};
use tokio::runtime::Runtime;

use crate::bare;

/// Agents, and the purges that each gets.
const CASES: [(usize, usize); 3] = [(1, 40_000), (5, 20_000), (100, 4_000)];
const ROUNDS: usize = 7;

/// A cache that drops a page by counting it.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Purger for Counting {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        self.0.fetch_add(request.targets().len(), Ordering::Relaxed);
        Answer::purged()
    }
}

pub(crate) fn run(runtime: &Runtime) {
    println!(
        "{:<58} {:>10} {:>10} {:>6}",
        "purges a second", "bare", "roan", "ratio"
    );
    for (agents, purges) in CASES {
        let mut rates = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            for who in [round % 2, 1 - round % 2] {
                // A server of its own each time: what one leaves behind must not slow the other.
                let server = Nats::start(&NatsOptions::default());
                let url = server.url();
                rates[who].push(match who {
                    0 => runtime.block_on(bare::rate(&url, agents, purges, message)),
                    _ => runtime.block_on(rate(&url, agents, purges)),
                });
            }
        }
        let ratios = rates[0].iter().zip(&rates[1]);
        let ratio = median(ratios.map(|(bare, roan)| roan / bare));
        let [bare, roan] = rates.map(median);
        let what = match agents {
            1 => "to one agent".to_owned(),
            _ => format!("to {agents} agents"),
        };
        println!("{what:<58} {bare:>8.0}/s {roan:>8.0}/s {ratio:>6.2}");
    }
}

fn page(number: usize) -> String {
    format!("/posts/{number}")
}

/// As Roan writes it.
fn message(number: usize) -> String {
    let page = page(number);
    format!(r#"{{"v":1,"purge":["{page}"],"asked":1795665105175,"site":"http://{HOST}"}}"#)
}

async fn rate(url: &str, agents: usize, purges: usize) -> f64 {
    let stream = || Stream::new().replicas(1).synced();
    let fleet = Fleet::nats(url).expect("a URL").stream(stream());
    let sender = Roan::builder()
        .cache(fleet)
        .site(HOST)
        .max_waiting(purges)
        .build()
        .expect("a configuration");
    let counting = Counting::default();
    let mut running: Vec<RunningAgent> = Vec::new();
    for number in 0..agents {
        let cache = Cache::new("counting").node("here", counting.clone());
        let caches = Roan::builder().cache(cache).site(HOST).rebound(None);
        let agent = Agent::new(Servers::at(url).expect("a URL"))
            .stream(stream())
            .node(format!("node{number}"))
            .empty_with("true")
            .start(caches);
        running.push(agent.await.expect("an agent"));
    }
    wait::until_async(3 * wait::LONG, "all agents to be ready", async || {
        running.iter().all(|agent| agent.not_ready().is_none())
    })
    .await;
    let before = counting.0.load(Ordering::Relaxed);
    let start = Instant::now();
    for number in 0..purges {
        sender.purge(page(number)).expect("a URL");
    }
    let all_are_done = || {
        let purged = counting.0.load(Ordering::Relaxed) - before;
        purged >= purges * agents && running.iter().all(|agent| agent.status().open == 0)
    };
    while !all_are_done() {
        assert!(start.elapsed() < 3 * wait::LONG, "not all purges came");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let rate = purges as f64 / start.elapsed().as_secs_f64();
    for agent in running {
        agent.stop(Duration::from_secs(1)).await;
    }
    rate
}
