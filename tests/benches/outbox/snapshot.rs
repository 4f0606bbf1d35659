//! What a transaction costs that stays open while purges are done: the database keeps the remains of each row for it.

use std::time::{Duration, Instant};

use roan::Roan;
use roan::outbox::Dialect;
use roan::testing::Recorder;

use crate::backlog::fill;
use crate::support::{Database, Post, drain, held, median, micros};

/// Purges that are done before.
const DONE: usize = 150_000;
/// Purges that are measured.
const MORE: usize = 20_000;
const SAMPLES: usize = 100;
const LIMIT: f64 = 2.0;

struct Measured {
    rate: f64,
    /// Milliseconds.
    look: f64,
}

/// The same with the transaction and without it: a backlog, and single writes that end in `committed`, so that the time
/// is that of the relay's look, of its statements after it, and of the recorder.
pub(crate) async fn table(databases: &[Database]) {
    println!(
        "\n{:<46} {:>10} {:>10} {:>14} {:>14}",
        format!("{DONE} purges done, with a snapshot open"),
        "none",
        "open",
        "write, none",
        "write, open"
    );
    for database in databases {
        let none = measure(database, "none_", false).await;
        let open = measure(database, "open_", true).await;
        let ratio = open.look / none.look;
        println!(
            "{:<46} {:>8.0}/s {:>8.0}/s {:>11.2} ms {:>11.2} ms  (ratio {ratio:.2}, limit {LIMIT}: {})",
            database.name,
            none.rate,
            open.rate,
            none.look,
            open.look,
            held(ratio, LIMIT, true),
        );
    }
}

async fn measure(database: &Database, prefix: &str, is_open: bool) -> Measured {
    let outbox = database.outbox(prefix).await;
    let recorder = Recorder::new();
    let builder = Roan::builder().cache(recorder.clone()).rebound(None);
    let roan = builder.outbox(outbox).build().unwrap();
    let mut holder = database.connect().await;
    if is_open {
        let begin = match database.dialect() {
            Dialect::Postgres => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM posts"
            }
            Dialect::MySql => "START TRANSACTION WITH CONSISTENT SNAPSHOT",
            _ => "BEGIN; SELECT count(*) FROM posts",
        };
        holder.run(begin).await;
    }
    fill(database, prefix, DONE).await;
    drain(&roan).await;
    let start = Instant::now();
    fill(database, prefix, MORE).await;
    drain(&roan).await;
    let rate = MORE as f64 / start.elapsed().as_secs_f64();

    let mut reports = roan.subscribe();
    let mut client = database.connect().await;
    let mut times = Vec::new();
    for number in 0..SAMPLES {
        // The looks have become rare, and the relay has written down what was done.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let slug = format!("sample-{number}");
        client.run("BEGIN").await;
        client.save(&roan, &Post { slug }).await;
        client.run("COMMIT").await;
        let start = Instant::now();
        roan.outbox().committed();
        for _ in 0..2 {
            reports.next().await.unwrap();
        }
        times.push(micros(start) / 1e3);
    }
    let _ = roan.shutdown(Duration::from_secs(10)).await;
    drop(holder);
    Measured {
        rate,
        look: median(&times),
    }
}
