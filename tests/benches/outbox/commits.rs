//! Commits a second of several clients, with the outbox and without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use roan::{Nginx, Roan};
use roan_tests::Origin;
use tokio::task::JoinSet;

use crate::support::{Connection, Database, Post, dispatcher, drain, held, median, nginx};

const CLIENTS: usize = 8;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
const LIMIT: f64 = 0.7;

pub(crate) async fn table(database: &Database, origin: &Origin) {
    let node = nginx(origin, 1_000_000);
    let roan = dispatcher(Nginx::at(&node.purge_url()).unwrap())
        .outbox(database.outbox("commits_").await)
        .build()
        .unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(database.connect().await);
    }
    let mut rates = [Vec::new(), Vec::new()];
    let mut left = Vec::new();
    // The first round only warms up.
    for round in 0..=ROUNDS {
        for with in [round % 2, 1 - round % 2] {
            let outbox = (with == 1).then_some(&roan);
            let name = format!("{round}-{with}");
            let rate;
            (rate, clients) = commits(database, clients, outbox, &name).await;
            if with == 1 {
                let (purges, _) = roan.outbox().backlog(1_000_000).await.unwrap();
                left.push(purges as f64);
                // The relay is through before the others' turn comes.
                drain(&roan).await;
            }
            if round > 0 {
                rates[with].push(rate);
            }
        }
    }
    let [without, with] = rates.each_ref().map(|rates| median(rates));
    println!(
        "\n{:<46} {:>10} {:>10} {:>6} {:>14}",
        format!("{}, {CLIENTS} clients", database.name),
        "without",
        "outbox",
        "ratio",
        "rows not taken"
    );
    let ratio = with / without;
    println!(
        "{:<46} {without:>8.0}/s {with:>8.0}/s {ratio:>6.2} {:>14.0}  (limit {LIMIT}: {})",
        "commits, the relay at work meanwhile",
        median(&left),
        held(ratio, LIMIT, false),
    );
}

async fn commits(
    database: &Database,
    clients: Vec<Connection>,
    roan: Option<&Roan>,
    round: &str,
) -> (f64, Vec<Connection>) {
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for (number, mut client) in clients.into_iter().enumerate() {
        let over = Arc::clone(&over);
        let roan = roan.cloned();
        let insert = database.insert_post();
        let name = format!("{round}-{number}");
        tasks.spawn(async move {
            let mut commits = 0_u32;
            while !over.load(Ordering::Relaxed) {
                let post = Post {
                    slug: format!("{name}-{commits}"),
                };
                client.run("BEGIN").await;
                client
                    .execute(insert, &[post.slug.as_str(), "A title"])
                    .await;
                if let Some(roan) = &roan {
                    client.save(roan, &post).await;
                }
                client.run("COMMIT").await;
                commits += 1;
            }
            (commits, client)
        });
    }
    tokio::time::sleep(ROUND).await;
    over.store(true, Ordering::Relaxed);
    let ended = tasks.join_all().await;
    let seconds = start.elapsed().as_secs_f64();
    let commits: u32 = ended.iter().map(|(commits, _)| *commits).sum();
    let clients = ended.into_iter().map(|(_, client)| client).collect();
    (f64::from(commits) / seconds, clients)
}
