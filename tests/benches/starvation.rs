//! What purges that fail cost the others at the same node: `cargo bench --bench starvation`.
//!
//! An endpoint answers 500 to the bad URLs and purges the others. There is one such endpoint and one dispatcher for
//! each number of bad URLs; when the bad ones have been tried, all get one good purge after the other, in turns.
//! Then 500 purges at an nginx that takes 50 a second.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends"
)]

use std::time::{Duration, Instant};

use roan::outbox::Outbox;
use roan::{Outcome, Reports, Roan};
use roan_tests::{Behaviour, Connection, Faulty, HOST, Nginx, Options, Origin, SqliteFile, median};

const BAD: [usize; 6] = [0, 1, 2, 10, 100, 1000];
const GOOD: usize = 2000;
/// The p99 is that of so many, and the median of those counts.
const PART: usize = 200;
const GAP: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(120);

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "{:<28} {:>8} {:>8} {:>8} {:>16}",
        "good purges, milliseconds", "p50", "p99", "ratio", "bad attempts/s"
    );
    if std::env::args().all(|argument| argument != "limit") {
        runtime.block_on(compare("in memory", false));
        runtime.block_on(compare("with an outbox", true));
    }
    limit();
}

async fn compare(place: &str, durable: bool) {
    let mut sites = Vec::new();
    for bad in BAD {
        sites.push(Site::start(bad, durable).await);
    }
    let start = Instant::now();
    for number in 0..GOOD {
        for turn in 0..sites.len() {
            let which = (turn + number) % BAD.len();
            sites[which].purge_good(number).await;
        }
        tokio::time::sleep(GAP).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    let without = parts(&sites[0].times);
    for (bad, site) in BAD.into_iter().zip(sites) {
        let with = parts(&site.times);
        let [p50, p99] = [0, 1].map(|which| median(with.iter().map(|part| part[which])));
        let ratio = p99 / median(without.iter().map(|part| part[1]));
        let attempts = (site.endpoint.count() - site.before - GOOD) as f64 / seconds;
        let verdict = match bad {
            0 => "",
            _ if ratio <= 1.5 => "  (limit 1.5: holds)",
            _ => "  (limit 1.5: MISSED)",
        };
        let what = format!("{place}, {bad} bad URLs");
        println!("{what:<28} {p50:>8.2} {p99:>8.2} {ratio:>8.2} {attempts:>16.1}{verdict}");
        assert!(!site.roan.stats().nodes[0].down);
        let _ = site.roan.shutdown(Duration::ZERO).await;
    }
}

/// The p50 and the p99 of each of several parts of the run.
fn parts(times: &[f64]) -> Vec<[f64; 2]> {
    let of_part = |part: &[f64]| {
        let mut part = part.to_vec();
        part.sort_by(f64::total_cmp);
        [50, 99].map(|percent| part[part.len() * percent / 100])
    };
    times.chunks(PART).map(of_part).collect()
}

/// A dispatcher, and its endpoint with so many bad URLs.
struct Site {
    endpoint: Faulty,
    roan: Roan,
    connection: Option<Connection>,
    reports: Reports,
    /// Requests before the first good purge.
    before: usize,
    /// From the hook, or the commit, to the answer, in milliseconds.
    times: Vec<f64>,
    _file: SqliteFile,
}

impl Site {
    async fn start(bad: usize, durable: bool) -> Self {
        let endpoint = Faulty::start(Behaviour::AnswerSome("/bad/".to_owned(), 500));
        let file = SqliteFile::new();
        let mut builder = Roan::builder()
            .cache(roan::Nginx::at(&endpoint.purge_url()).unwrap())
            .rebound(None);
        let mut connection = None;
        if durable {
            let outbox = Outbox::at(&file.url()).unwrap();
            outbox.migrate().await.unwrap();
            builder = builder.outbox(outbox);
            connection = Some(Connection::open(&file.url()).await.unwrap());
        }
        let roan = builder.build().unwrap();
        let mut site = Self {
            endpoint,
            reports: roan.subscribe(),
            roan,
            connection,
            before: 0,
            times: Vec::with_capacity(GOOD),
            _file: file,
        };
        for number in 0..bad {
            site.purge(&format!("/bad/{number}")).await;
        }
        let deadline = Instant::now() + LONG;
        while site.endpoint.count() < bad {
            assert!(Instant::now() < deadline, "the bad ones were not tried");
            tokio::time::sleep(GAP).await;
        }
        site.reports = site.roan.subscribe();
        site.before = site.endpoint.count();
        site
    }

    async fn purge(&mut self, url: &str) {
        let Some(connection) = &mut self.connection else {
            return self.roan.purge(url).unwrap();
        };
        let sql = format!(
            "INSERT INTO roan_outbox (payload) VALUES ('{{\"v\":1,\"purge\":[\"{url}\"]}}')"
        );
        connection.run(&sql).await.unwrap();
        self.roan.outbox().committed();
    }

    async fn purge_good(&mut self, number: usize) {
        let url = format!("/good/{number}");
        let start = Instant::now();
        self.purge(&url).await;
        loop {
            let report = self.reports.next().await.unwrap();
            if report.target.as_str() == url {
                assert_eq!(report.outcome, Outcome::Purged);
                break;
            }
        }
        self.times.push(start.elapsed().as_secs_f64() * 1e3);
    }
}

/// An nginx with `limit_req`.
fn limit() {
    let origin = Origin::start();
    let options = Options::default()
        .http_text("limit_req_zone $binary_remote_addr zone=purges:1m rate=50r/s;")
        .server_text("limit_req zone=purges;");
    let nginx = Nginx::start(&origin, &options);
    let roan = Roan::builder()
        .cache(roan::Nginx::at(&nginx.purge_url()).unwrap())
        .site(HOST)
        .rebound(None)
        .build()
        .unwrap();
    let start = Instant::now();
    for number in 0..500 {
        roan.purge(format!("/{number}")).unwrap();
    }
    assert_eq!(roan.flush_blocking(LONG).pending(), 0);
    let failed = roan.stats().nodes[0].failed;
    println!(
        "500 purges at an nginx that takes 50 a second: {failed} attempts turned away, {:.1} s",
        start.elapsed().as_secs_f64()
    );
}
