//! Commits a second of several clients, with the outbox and without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use roan::{Nginx, Roan};
use roan_tests::Origin;
use tokio::task::JoinSet;

use crate::support::{Client, Database, Post, dispatcher, drain, held, median, nginx};

const CLIENTS: usize = 8;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
const LIMIT: f64 = 0.7;

/// What a transaction inserts besides the post.
#[derive(Clone)]
enum Second {
    Nothing,
    /// A row of an equal table that nobody reads.
    Plain(&'static str),
    /// Nothing, but the same purges are made, from memory, once it has committed.
    Memory(Roan),
    /// A row of the outbox, whose relay has ended: as where it is on another machine.
    Row(Roan),
    Outbox(Roan),
}

pub(crate) async fn table(database: &Database, origin: &Origin) {
    let node = nginx(origin, 1_000_000);
    let roan = dispatcher(Nginx::at(&node.purge_url()).unwrap())
        .outbox(database.outbox("commits_").await)
        .build()
        .unwrap();
    let _like = database.outbox("like_").await;
    let plain = database.pick(
        "INSERT INTO like_outbox (payload) VALUES (?)",
        "INSERT INTO like_outbox (payload) VALUES ($1)",
    );
    let memory = dispatcher(Nginx::at(&node.purge_url()).unwrap())
        .build()
        .unwrap();
    let row = Roan::builder()
        .outbox(database.outbox("row_").await)
        .build()
        .unwrap();
    // Its statements can be had all the same.
    let _ = row.shutdown(Duration::ZERO).await;
    let seconds = [
        Second::Nothing,
        Second::Plain(plain),
        Second::Row(row),
        Second::Memory(memory.clone()),
        Second::Outbox(roan.clone()),
    ];
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(database.connect().await);
    }
    let mut rates: [Vec<f64>; 5] = Default::default();
    let mut left = Vec::new();
    // The first round only warms up.
    for round in 0..=ROUNDS {
        for turn in 0..seconds.len() {
            let sort = (round + turn) % seconds.len();
            let name = format!("{round}-{sort}");
            let rate;
            (rate, clients) = commits(database, clients, &seconds[sort], &name).await;
            if matches!(seconds[sort], Second::Outbox(_)) {
                let purges = roan.outbox().backlog(1_000_000).await.unwrap().purges;
                left.push(purges as f64);
                // The relay is through before the others' turn comes.
                drain(&roan).await;
            }
            drain(&memory).await;
            if round > 0 {
                rates[sort].push(rate);
            }
        }
    }
    let [without, plain, row, memory, with] = rates.each_ref().map(|rates| median(rates));
    println!(
        "\n{:<46} {:>10} {:>10} {:>10} {:>10} {:>10} {:>14}",
        format!("{}, {CLIENTS} clients", database.name),
        "without",
        "+ plain",
        "+ its row",
        "in memory",
        "+ outbox",
        "rows not taken"
    );
    println!(
        "{:<46} {without:>8.0}/s {plain:>8.0}/s {row:>8.0}/s {memory:>8.0}/s {with:>8.0}/s {:>14.0}",
        "commits, the relay at work meanwhile",
        median(&left),
    );
    println!(
        "{:<46} {:>10.2} {:>10.2} {:>10.2} {:>10.2} {:>10.2}  (limit {LIMIT}: {})",
        "  ratio",
        1.0,
        plain / without,
        row / without,
        memory / without,
        with / without,
        held(with / without, LIMIT, false),
    );
}

async fn commits(
    database: &Database,
    clients: Vec<Client>,
    second: &Second,
    round: &str,
) -> (f64, Vec<Client>) {
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for (number, mut client) in clients.into_iter().enumerate() {
        let over = Arc::clone(&over);
        let second = second.clone();
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
                match &second {
                    Second::Nothing | Second::Memory(_) => {}
                    Second::Plain(insert) => {
                        let slug = &post.slug;
                        let payload = format!(r#"{{"purge":["/posts","/posts/{slug}"],"v":1}}"#);
                        client.execute(insert, &[&payload]).await;
                    }
                    Second::Row(roan) | Second::Outbox(roan) => client.save(roan, &post).await,
                }
                client.run("COMMIT").await;
                if let Second::Memory(roan) = &second {
                    roan.saved(&post);
                }
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
