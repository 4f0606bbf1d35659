//! What a write with hooks costs, compared with the same write without Roan, for each library:
//! `cargo bench -p roan-tests --bench orm`.
//!
//! One PostgreSQL that waits for the disk at each commit. Each write has a transaction of its own; the
//! sorts of writes come in turns. The outbox's relay has ended, so that its rows stay: what is measured
//! is what the writer waits for. Then the same with purges in memory that leave after the commit (by a
//! scope around the transaction, or by the watch of Diesel), in a process of its own, for a program has
//! one global dispatcher.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends"
)]

mod diesel;
mod sea_orm;
mod sqlx;

use std::process::Command;
use std::time::{Duration, Instant};

use roan::Roan;
use roan::outbox::{Dialect, Outbox};
use roan::testing::Recorder;
use roan_tests::{Database, median};
use tokio::runtime::Runtime;

const ROUNDS: usize = 400;
const LIMIT: f64 = 1.25;
/// The argument of the process whose purges wait in memory.
const IN_MEMORY: &str = "in-memory";

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Insert,
    /// Of a column that a rule reads.
    UpdateSlug,
    /// Of one that no rule reads.
    UpdateViews,
    Delete,
}

const WRITES: [(Write, &str); 4] = [
    (Write::Insert, "INSERT"),
    (Write::UpdateSlug, "UPDATE of the slug"),
    (Write::UpdateViews, "UPDATE of another column"),
    (Write::Delete, "DELETE"),
];

/// A library with a connection. `with` Roan it writes to the table `posts`, without to `plain`.
pub(crate) trait Library {
    fn write(&mut self, write: Write, with: bool, id: i64);
}

fn main() {
    if std::env::args().any(|argument| argument == IN_MEMORY) {
        return table(false);
    }
    table(true);
    let mut other = Command::new(std::env::current_exe().unwrap());
    assert!(other.arg(IN_MEMORY).status().unwrap().success());
}

fn table(durable: bool) {
    let runtime = Runtime::new().unwrap();
    let database = Database::start(Dialect::Postgres);
    let roan = runtime.block_on(async {
        let mut connection = database.connect().await;
        for table in ["posts", "plain"] {
            let sql = format!(
                "CREATE TABLE {table} (id bigint PRIMARY KEY, slug varchar(100) NOT NULL, \
                 title varchar(100) NOT NULL, views bigint NOT NULL)"
            );
            connection.run(&sql).await.unwrap();
        }
        let builder = Roan::builder().cache(Recorder::new());
        if !durable {
            return builder.rebound(None).install().unwrap();
        }
        let outbox = Outbox::at(database.url()).unwrap();
        outbox.migrate().await.unwrap();
        let roan = builder.outbox(outbox).install().unwrap();
        // Its statements can be had all the same.
        let _ = roan.shutdown(Duration::ZERO).await;
        roan
    });
    let with = if durable { "outbox" } else { "in memory" };
    println!(
        "\n{:<42} {:>9} {with:>9} {:>9}",
        "one write in a transaction, microseconds", "without", "ratio"
    );
    let scope = !durable;
    let libraries: [(&str, bool, Box<dyn Library>); 3] = [
        ("sqlx", scope, Box::new(sqlx::Writer::new(&database))),
        ("SeaORM", scope, Box::new(sea_orm::Writer::new(&database))),
        (
            "Diesel",
            false,
            Box::new(diesel::Writer::new(&database, durable)),
        ),
    ];
    for (number, (name, scope, mut library)) in libraries.into_iter().enumerate() {
        let first = i64::try_from(number * 1_000_000).unwrap();
        let times = measure(library.as_mut(), first, scope);
        for ((_, write), [without, with]) in WRITES.iter().zip(times) {
            let ratio = with / without;
            let held = if ratio <= LIMIT { "holds" } else { "MISSED" };
            let what = format!("{name}: {write}");
            println!("{what:<42} {without:>9.0} {with:>9.0} {ratio:>9.2}  (limit {LIMIT}: {held})");
        }
    }
    if !durable {
        // Else hooks that did nothing would look cheap.
        let left = runtime.block_on(roan.flush(Duration::from_secs(60)));
        assert!(left.pending() == 0 && roan.stats().asked > 0, "{left}");
    }
}

/// The medians of each sort of write, without and with Roan.
fn measure(library: &mut dyn Library, first: i64, scope: bool) -> [[f64; 2]; 4] {
    let mut times: [[Vec<f64>; 2]; 4] = Default::default();
    for round in 0..ROUNDS {
        let id = first + i64::try_from(round).unwrap();
        for ((write, _), times) in WRITES.iter().zip(&mut times) {
            // Who comes first changes.
            for turn in 0..2 {
                let with = (turn + round) % 2 == 1;
                let start = Instant::now();
                if with && scope {
                    roan::scope_blocking(|| library.write(*write, with, id));
                } else {
                    library.write(*write, with, id);
                }
                times[usize::from(with)].push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    times.map(|both| both.map(median))
}
