//! What purges that fail cost the others at the same node: `cargo bench --bench starvation`.
//!
//! An endpoint answers 500 to the bad URLs and purges the others. The bad ones are asked for first; then one good
//! purge comes every few milliseconds. In each round every number of bad ones gets its turn, none among them.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends"
)]

use std::time::{Duration, Instant};

use roan::outbox::Outbox;
use roan::{Nginx, Outcome, Roan};
use roan_tests::{Behaviour, Faulty, SqliteFile};

const BAD: [usize; 6] = [0, 1, 2, 10, 100, 1000];
const ROUNDS: usize = 5;
const GOOD: usize = 400;
const GAP: Duration = Duration::from_millis(5);

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "{:<28} {:>8} {:>8} {:>8} {:>14}",
        "good purges, milliseconds", "p50", "p99", "ratio", "bad attempts/s"
    );
    for durable in [false, true] {
        let mut times: [Vec<f64>; BAD.len()] = Default::default();
        let mut attempts = [0; BAD.len()];
        for round in 0..ROUNDS {
            for turn in 0..BAD.len() {
                let which = (turn + round) % BAD.len();
                let (some, count) = runtime.block_on(run(BAD[which], durable));
                times[which].extend(some);
                attempts[which] += count;
            }
        }
        let mut without = None;
        for ((bad, mut times), attempts) in BAD.into_iter().zip(times).zip(attempts) {
            times.sort_by(f64::total_cmp);
            let [p50, p99] = [50, 99].map(|part| times[times.len() * part / 100]);
            let ratio = p99 / *without.get_or_insert(p99);
            let place = if durable {
                "with an outbox"
            } else {
                "in memory"
            };
            let seconds = GAP.as_secs_f64() * (GOOD * ROUNDS) as f64;
            println!(
                "{:<28} {p50:>8.2} {p99:>8.2} {ratio:>8.2} {:>14.1}  {}",
                format!("{place}, {bad} bad URLs"),
                attempts as f64 / seconds,
                if bad == 0 {
                    ""
                } else if ratio <= 1.5 {
                    "(limit 1.5: holds)"
                } else {
                    "(limit 1.5: MISSED)"
                }
            );
        }
    }
}

/// The times from the hook, or the commit, to the answer in milliseconds; and the attempts at bad ones meanwhile.
async fn run(bad: usize, durable: bool) -> (Vec<f64>, usize) {
    let endpoint = Faulty::start(Behaviour::AnswerSome("/bad/".to_owned(), 500));
    let file = SqliteFile::new();
    let mut builder = Roan::builder()
        .cache(Nginx::at(&endpoint.purge_url()).unwrap())
        .rebound(None);
    if durable {
        let outbox = Outbox::at(&file.url()).unwrap();
        outbox.migrate().await.unwrap();
        builder = builder.outbox(outbox);
    }
    let roan = builder.build().unwrap();
    let mut client = Client::open(&roan, durable.then_some(&file)).await;
    for number in 0..bad {
        client.purge(&format!("/bad/{number}")).await;
    }
    // The first attempts at all of them are over.
    let deadline = Instant::now() + Duration::from_secs(60);
    while endpoint.count() < bad {
        assert!(Instant::now() < deadline, "the bad ones were not tried");
        tokio::time::sleep(GAP).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = endpoint.count();
    let mut reports = roan.subscribe();
    let mut times = Vec::with_capacity(GOOD);
    for number in 0..GOOD {
        let url = format!("/good/{number}");
        let start = Instant::now();
        client.purge(&url).await;
        loop {
            let report = reports.next().await.unwrap();
            if report.target.as_str() == url && report.outcome == Outcome::Purged {
                break;
            }
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(GAP).await;
    }
    let attempts = endpoint.count() - before - GOOD;
    assert!(!roan.stats().nodes[0].down);
    let _ = roan.shutdown(Duration::ZERO).await;
    (times, attempts)
}

/// Asks for purges: from memory, or by rows of an outbox, each in a transaction of its own.
struct Client<'a> {
    roan: &'a Roan,
    connection: Option<roan_tests::Connection>,
}

impl<'a> Client<'a> {
    async fn open(roan: &'a Roan, file: Option<&SqliteFile>) -> Self {
        let connection = match file {
            Some(file) => Some(roan_tests::Connection::open(&file.url()).await.unwrap()),
            None => None,
        };
        Self { roan, connection }
    }

    async fn purge(&mut self, url: &str) {
        match &mut self.connection {
            Some(connection) => {
                let sql = format!(
                    "INSERT INTO roan_outbox (payload) VALUES ('{{\"v\":1,\"purge\":[\"{url}\"]}}')"
                );
                connection.run(&sql).await.unwrap();
                self.roan.outbox().committed();
            }
            None => self.roan.purge(url).unwrap(),
        }
    }
}
