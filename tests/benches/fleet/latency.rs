//! From the commit of a write to the purge at the last of five nodes: an outbox in PostgreSQL, one nats-server, and five
//! agents that are processes of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roan::Roan;
use roan::outbox::Outbox;
use roan_tests::{Agent, Connection, HOST, Nats, NatsOptions, Postgres, wait};
use tokio::runtime::Runtime;

use crate::agent;
use crate::stand_in::StandIns;

const NODES: usize = 5;
const IDLE_SAMPLES: usize = 300;
const CONNECTIONS: usize = 8;
const WRITES_A_SECOND: usize = 1_000;
const SECONDS: usize = 5;

pub(crate) fn run(runtime: &Runtime) {
    let nats = Nats::start(&NatsOptions::default());
    let postgres = Postgres::start();
    let stand_ins = Arc::new(StandIns::start(NODES));
    let url = postgres.url();
    let roan = runtime.block_on(async {
        let outbox = Outbox::at(&url).expect("a URL");
        outbox.migrate().await.expect("tables of the outbox");
        let mut db = Connection::open(&url).await.expect("the database");
        db.run("CREATE TABLE pages (id bigint PRIMARY KEY, version bigint NOT NULL)")
            .await
            .expect("a table");
        db.run("INSERT INTO pages SELECT id, 0 FROM generate_series(0, 9999) AS id")
            .await
            .expect("rows");
        let fleet = roan::Fleet::nats(&nats.url()).expect("a URL");
        Roan::builder()
            .cache(fleet.stream(roan::fleet::Stream::new().synced()))
            .site(HOST)
            .outbox(outbox)
            .build()
            .expect("a configuration")
    });
    let agents: Vec<Agent> = stand_ins
        .addrs
        .iter()
        .enumerate()
        .map(|(number, addr)| {
            agent::start(
                &nats.url(),
                &format!("node{number}"),
                &format!("http://{addr}/purge"),
            )
        })
        .collect();
    agent::wait_until_ready(&agents);

    let idle = runtime.block_on(idle(&roan, &url, &stand_ins));
    print("commit to purged at all of five nodes, idle", idle);
    let busy = runtime.block_on(busy(&roan, &url, &stand_ins));
    print("the same at 1,000 writes a second", busy);
}

async fn idle(roan: &Roan, url: &str, stand_ins: &StandIns) -> Vec<f64> {
    let mut db = Connection::open(url).await.expect("the database");
    let mut times = Vec::new();
    for sample in 0..IDLE_SAMPLES {
        tokio::time::sleep(Duration::from_millis(12)).await;
        let page = format!("/idle/{sample}");
        let committed = write(&mut db, roan, sample, &page).await;
        times.push(purged(stand_ins, &page, committed).await);
    }
    times
}

async fn busy(roan: &Roan, url: &str, stand_ins: &Arc<StandIns>) -> Vec<f64> {
    let start = Instant::now();
    let mut tasks = Vec::new();
    for connection in 0..CONNECTIONS {
        let (roan, url) = (roan.clone(), url.to_owned());
        tasks.push(tokio::spawn(async move {
            let mut db = Connection::open(&url).await.expect("the database");
            let mut written = Vec::new();
            for number in (connection..WRITES_A_SECOND * SECONDS).step_by(CONNECTIONS) {
                let due = Duration::from_secs_f64(number as f64 / WRITES_A_SECOND as f64);
                tokio::time::sleep(due.saturating_sub(start.elapsed())).await;
                let page = format!("/busy/{number}");
                let committed = write(&mut db, &roan, number, &page).await;
                written.push((page, committed));
            }
            written
        }));
    }
    let mut written = Vec::new();
    for task in tasks {
        written.extend(task.await.expect("a writer"));
    }
    let rate = written.len() as f64 / start.elapsed().as_secs_f64();
    println!("{:<58} {rate:>9.0}/s", "writes in the busy run");
    let mut times = Vec::new();
    for (page, committed) in written {
        times.push(purged(stand_ins, &page, committed).await);
    }
    times
}

/// Returns when it had committed.
async fn write(db: &mut Connection, roan: &Roan, number: usize, page: &str) -> Instant {
    db.run("BEGIN").await.expect("a transaction");
    let id = number % 10_000;
    db.run(&format!(
        "UPDATE pages SET version = version + 1 WHERE id = {id}"
    ))
    .await
    .expect("a row");
    let purge = || roan.purge(page).expect("a URL");
    db.purge(roan, purge).await.expect("a row of the outbox");
    db.run("COMMIT").await.expect("a commit");
    let committed = Instant::now();
    roan.outbox().committed();
    committed
}

/// Milliseconds until the last node was asked.
async fn purged(stand_ins: &StandIns, page: &str, committed: Instant) -> f64 {
    let start = Instant::now();
    loop {
        if let Some(last) = stand_ins.all_asked(page) {
            return last.duration_since(committed).as_secs_f64() * 1e3;
        }
        assert!(start.elapsed() < wait::LONG, "{page} was not purged");
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

fn print(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{what:<58} p50 {:>7.2} ms   p99 {:>7.2} ms",
        at(0.5),
        at(0.99)
    );
}
