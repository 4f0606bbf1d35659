//! How fast a backlog is drained to two nodes, and to one when the other is dead.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use roan::outbox::Dialect;
use roan::{Nginx, Roan, Target};
use roan_tests::Origin;

use crate::support::{Database, dispatcher, drain, held, nginx};

const LIMIT: f64 = 5_000.0;
const LIMIT_DEAD: f64 = 0.8;
const LOOK: Duration = Duration::from_millis(50);

pub(crate) async fn table(databases: &[Database], origin: &Origin) {
    let purges = std::env::var("ROAN_BACKLOG").map_or(100_000, |number| {
        number
            .replace('_', "")
            .parse()
            .expect("ROAN_BACKLOG is a number")
    });
    println!(
        "\n{:<46} {:>10} {:>17} {:>10}",
        format!("{purges} distinct purges, two nodes"),
        "a second",
        "resident memory",
        "one dead"
    );
    let memory = in_memory(origin, purges).await;
    println!(
        "{:<46} {memory:>8.0}/s",
        "asked for in memory, without an outbox"
    );
    for database in databases {
        let both = drained(database, origin, purges, false).await;
        let one = drained(database, origin, purges, true).await;
        let ratio = one.rate / both.rate;
        println!(
            "{:<46} {:>8.0}/s {:>17} {:>8.0}/s  (limit {LIMIT}: {})",
            database.name,
            both.rate,
            both.memory(),
            one.rate,
            held(both.rate, LIMIT, false),
        );
        println!(
            "{:<46} {:>10.2} {:>17} {ratio:>10.2}  (limit {LIMIT_DEAD}: {})",
            "  of that in memory; with one dead, of two",
            both.rate / memory,
            one.memory(),
            held(ratio, LIMIT_DEAD, false),
        );
    }
}

fn two_nodes(one: &str, other: &str) -> Nginx {
    Nginx::at(one).unwrap().node(other).unwrap()
}

struct Drained {
    /// Purges a second, each at every living node.
    rate: f64,
    /// Of this process in KiB, after the first tenth.
    least: u64,
    most: u64,
}

impl Drained {
    fn memory(&self) -> String {
        format!("{}-{} MiB", self.least / 1024, self.most / 1024)
    }
}

async fn drained(database: &Database, origin: &Origin, purges: usize, is_dead: bool) -> Drained {
    let prefix = if is_dead { "dead_" } else { "both_" };
    let outbox = database.outbox(prefix).await;
    fill(database, prefix, purges).await;
    let living = nginx(origin, purges);
    let other = (!is_dead).then(|| nginx(origin, purges));
    let other_url = other
        .as_ref()
        .map_or_else(closed_port, |node| node.purge_url());
    let cache = two_nodes(&living.purge_url(), &other_url);
    let start = Instant::now();
    let roan = dispatcher(cache).outbox(outbox).build().unwrap();
    let (mut least, mut most) = (u64::MAX, 0);
    let mut done = 0;
    while done < purges {
        tokio::time::sleep(LOOK).await;
        done = least_done(&roan, is_dead);
        if done >= purges / 10 {
            let now = resident_memory();
            (least, most) = (least.min(now), most.max(now));
        }
    }
    let rate = purges as f64 / start.elapsed().as_secs_f64();
    if !is_dead {
        drain(&roan).await;
    }
    // What the dead node was not asked for waits in the database.
    let _ = roan.shutdown(Duration::ZERO).await;
    let mut client = database.connect().await;
    client.run(&format!("DROP TABLE {prefix}outbox")).await;
    client.run(&format!("DROP TABLE {prefix}delivery")).await;
    client.run(&format!("DROP TABLE {prefix}relay")).await;
    client.run(&format!("DROP TABLE {prefix}schema")).await;
    Drained { rate, least, most }
}

/// What every node, or the living one, has answered.
fn least_done(roan: &Roan, is_dead: bool) -> usize {
    let stats = roan.stats();
    let living = stats.nodes.iter().take(if is_dead { 1 } else { 2 });
    let answered = living.map(|node| node.purged + node.not_cached);
    answered.min().unwrap_or_default() as usize
}

/// The same without a database.
async fn in_memory(origin: &Origin, purges: usize) -> f64 {
    let nodes = [nginx(origin, purges), nginx(origin, purges)];
    let cache = two_nodes(&nodes[0].purge_url(), &nodes[1].purge_url());
    let roan = dispatcher(cache).max_waiting(purges * 2).build().unwrap();
    let start = Instant::now();
    for number in 1..=purges {
        roan.purge(Target::url(format!("/posts/{number}")).unwrap())
            .unwrap();
    }
    drain(&roan).await;
    purges as f64 / start.elapsed().as_secs_f64()
}

pub(crate) async fn fill(database: &Database, prefix: &str, purges: usize) {
    let mut client = database.connect().await;
    let (text, source) = match database.dialect() {
        Dialect::Postgres => (
            "'/posts/' || n",
            format!("generate_series(1, {purges}) AS numbers(n)"),
        ),
        Dialect::MySql => ("concat('/posts/', seq)", format!("seq_1_to_{purges}")),
        _ => (
            "'/posts/' || n",
            format!(
                "(WITH RECURSIVE numbers(n) AS \
                 (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {purges}) \
                 SELECT n FROM numbers)"
            ),
        ),
    };
    let payload = match database.dialect() {
        Dialect::MySql => format!(r#"concat('{{"purge":["', {text}, '"],"v":1}}')"#),
        _ => format!(r#"'{{"purge":["' || {text} || '"],"v":1}}'"#),
    };
    client
        .run(&format!(
            "INSERT INTO {prefix}outbox (payload) SELECT {payload} FROM {source}"
        ))
        .await;
    // What the server does by itself after such a write would be in the way.
    match database.dialect() {
        Dialect::Postgres => {
            client.run(&format!("VACUUM ANALYZE {prefix}outbox")).await;
            client.run("CHECKPOINT").await;
        }
        Dialect::Sqlite => client.run("PRAGMA wal_checkpoint(TRUNCATE)").await,
        _ => {}
    }
}

/// Where nobody listens.
fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/purge", listener.local_addr().unwrap())
}

fn resident_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}
