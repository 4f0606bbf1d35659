//! What triggers cost per row: `cargo bench -p roan-tests --bench triggers`.
//!
//! Real databases that wait for the disk at each commit. Two equal tables, one of which has triggers,
//! are written in turns in the same run: row by row, each in a transaction of its own, and all rows by
//! one statement. No relay runs.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends"
)]

use std::time::Instant;

use roan::outbox::{Dialect, Outbox};
use roan::purge_on;
use roan::triggers::Triggers;
use roan_tests::{Connection, Database, median};

const SINGLE: usize = 300;
const MANY: usize = 100_000;
const ROUNDS: usize = 3;

#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}", table = "posts")]
#[purge_on(update(title), url = "/feed/{id}")]
struct Post {
    id: i64,
    slug: String,
    title: String,
}

/// Microseconds a row, without and with triggers.
type Times = [Vec<f64>; 2];

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "{:<34} {:>9} {:>9} {:>9}",
        "microseconds a row", "without", "with", "adds"
    );
    for (name, dialect) in [
        ("SQLite", Dialect::Sqlite),
        ("PostgreSQL", Dialect::Postgres),
        ("MariaDB", Dialect::MySql),
    ] {
        runtime.block_on(table(name, &Database::start(dialect)));
    }
}

async fn table(name: &str, database: &Database) {
    let mut client = database.connect().await;
    for table in ["posts", "plain"] {
        let columns = "id bigint PRIMARY KEY, slug varchar(100), title varchar(100)";
        run(&mut client, &format!("CREATE TABLE {table} ({columns})")).await;
    }
    run(&mut client, "CREATE TABLE numbers (n bigint PRIMARY KEY)").await;
    for thousand in 0..MANY / 1000 {
        let values: Vec<_> = (0..1000)
            .map(|n| format!("({})", thousand * 1000 + n))
            .collect();
        run(
            &mut client,
            &format!("INSERT INTO numbers VALUES {}", values.join(",")),
        )
        .await;
    }
    let outbox = Outbox::at(database.url())
        .unwrap()
        .triggers(Triggers::new());
    outbox.migrate().await.unwrap();
    outbox.install_triggers().await.unwrap();

    let mut times: [Times; 3] = Default::default();
    for number in 0..SINGLE {
        for (statement, times) in times.iter_mut().enumerate() {
            for (with, table) in [(0, "plain"), (1, "posts")] {
                let sql = match statement {
                    0 => {
                        format!("INSERT INTO {table} VALUES ({number}, 'post-{number}', 'A title')")
                    }
                    1 => format!("UPDATE {table} SET title = 'Another' WHERE id = {number}"),
                    _ => format!("DELETE FROM {table} WHERE id = {number}"),
                };
                times[with].push(time(&mut client, &sql, 1).await);
            }
        }
    }
    print(name, 1, &times);

    let mut times: [Times; 3] = Default::default();
    let series = match database.dialect() {
        Dialect::MySql => "CONCAT('post-', n)",
        _ => "'post-' || n",
    };
    for round in 0..ROUNDS {
        for (statement, times) in times.iter_mut().enumerate() {
            for (with, table) in [(0, "plain"), (1, "posts")] {
                let sql = match statement {
                    0 => format!("INSERT INTO {table} SELECT n, {series}, 'A title' FROM numbers"),
                    1 => format!("UPDATE {table} SET title = 'Another'"),
                    _ => format!("DELETE FROM {table}"),
                };
                times[with].push(time(&mut client, &sql, MANY).await);
            }
        }
        if round + 1 < ROUNDS {
            run(&mut client, "DELETE FROM roan_outbox").await;
        }
    }
    print(name, MANY, &times);
}

fn print(name: &str, rows: usize, times: &[Times; 3]) {
    for (statement, times) in ["INSERT", "UPDATE", "DELETE"].iter().zip(times) {
        let [without, with] = times.each_ref().map(|times| median(times.iter().copied()));
        println!(
            "{:<34} {without:>9.1} {with:>9.1} {:>9.1}",
            format!("{name}, {statement} of {rows} rows").replace("1 rows", "1 row"),
            with - without
        );
    }
}

async fn time(client: &mut Connection, sql: &str, rows: usize) -> f64 {
    let start = Instant::now();
    run(client, sql).await;
    start.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(rows).unwrap())
}

async fn run(client: &mut Connection, sql: &str) {
    let done = client.run(sql).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
