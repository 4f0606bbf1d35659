//! How long after its commit a write is purged, when nothing else goes on.

use std::time::{Duration, Instant};

use roan::outbox::Dialect;
use roan::{Nginx, Report};
use roan_tests::Origin;

use crate::support::{
    Client, Database, Post, dispatcher, drain, held, median, micros, nginx, quantile,
};

const SAMPLES: usize = 200;
const LIMIT: f64 = 5.0;

/// Two purges for each commit; the time ends when the second one was reported. *Database*: what the
/// relay's statements before the purges take on a like connection, in turns. *nginx*: from the
/// start of the requests to the answers.
pub(crate) async fn table(databases: &[Database], origin: &Origin) {
    println!(
        "\n{:<46} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "idle, milliseconds", "p50", "p99", "database", "nginx", "call p50", "call p99"
    );
    for database in databases {
        for (what, told) in [
            ("commit to purged", false),
            ("  and `committed()` called", true),
        ] {
            let times = measure(database, origin, told).await;
            let millis = |values: &[f64], share| quantile(values, share) / 1e3;
            let p50 = millis(&times.from_return, 0.5);
            println!(
                "{:<46} {p50:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>8.2}  (limit {LIMIT}: {})",
                format!("{} {what}", database.name),
                millis(&times.from_return, 0.99),
                median(&times.database) / 1e3,
                median(&times.nginx) / 1e3,
                millis(&times.from_call, 0.5),
                millis(&times.from_call, 0.99),
                held(p50, LIMIT, true),
            );
        }
    }
}

#[derive(Default)]
struct Times {
    /// Since COMMIT has returned.
    from_return: Vec<f64>,
    /// Since it was called.
    from_call: Vec<f64>,
    database: Vec<f64>,
    nginx: Vec<f64>,
}

async fn measure(database: &Database, origin: &Origin, told: bool) -> Times {
    let node = nginx(origin, 0);
    let roan = dispatcher(Nginx::at(&node.purge_url()).unwrap())
        .outbox(database.outbox("idle_").await)
        .build()
        .unwrap();
    let _like = database.outbox("like_").await;
    let mut reports = roan.subscribe();
    let mut client = database.connect().await;
    let mut bare = Bare::new(database).await;
    let mut times = Times::default();
    for number in 0..SAMPLES {
        // The relay has written down what was done, and its looks have become rare; not in step
        // with them.
        pause(number).await;
        let post = Post {
            slug: format!("idle-{told}-{number}"),
        };
        client.run("BEGIN").await;
        let values = [post.slug.as_str(), "A title"];
        client.execute(database.insert_post(), &values).await;
        client.save(&roan, &post).await;
        let called = Instant::now();
        client.run("COMMIT").await;
        let returned = Instant::now();
        if told {
            roan.outbox().committed();
        }
        let reported: [Report; 2] = [reports.next().await.unwrap(), reports.next().await.unwrap()];
        times.from_return.push(micros(returned));
        times.from_call.push(micros(called));
        let took = reported.iter().map(|report| report.took).max().unwrap();
        times.nginx.push(took.as_secs_f64() * 1e6);
        assert!(reported.iter().all(|report| report.outcome.is_done()));

        pause(number).await;
        times.database.push(bare.take().await);
    }
    drain(&roan).await;
    times
}

async fn pause(number: usize) {
    let millis = 60 + number * 7 % 20;
    tokio::time::sleep(Duration::from_millis(millis as u64)).await;
}

/// The statements by which the relay finds and takes one row, without the relay.
struct Bare {
    dialect: Dialect,
    client: Client,
}

impl Bare {
    async fn new(database: &Database) -> Self {
        let mut client = database.connect().await;
        let session = match database.dialect() {
            Dialect::Postgres => "SET synchronous_commit = off",
            Dialect::MySql => "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            _ => "PRAGMA synchronous = normal",
        };
        client.run(session).await;
        client.run("DELETE FROM like_outbox").await;
        Self {
            dialect: database.dialect(),
            client,
        }
    }

    async fn take(&mut self) -> f64 {
        const WAITING: &str = "SELECT id FROM like_outbox WHERE state = 0 LIMIT 1";
        let client = &mut self.client;
        client
            .run(r#"INSERT INTO like_outbox (payload) VALUES ('{"purge":["/posts","/posts/idle-true-100"],"v":1}')"#)
            .await;
        let start = Instant::now();
        assert_eq!(client.numbers(WAITING).await.len(), 1);
        let taken = match self.dialect {
            Dialect::Postgres => {
                client
                    .numbers(
                        "UPDATE like_outbox SET state = 1, relay = 7 WHERE id = ANY(ARRAY( \
                         SELECT id FROM like_outbox WHERE state = 0 AND ended_ms = 0 \
                         ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED)) RETURNING id, payload",
                    )
                    .await
            }
            Dialect::MySql => {
                client.run("BEGIN").await;
                let ids = client
                    .numbers(
                        "SELECT id, payload FROM like_outbox WHERE state = 0 AND ended_ms = 0 \
                         ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED",
                    )
                    .await;
                let id = ids[0];
                client
                    .run(&format!(
                        "UPDATE like_outbox SET state = 1, relay = 7 WHERE id IN ({id}); COMMIT"
                    ))
                    .await;
                ids
            }
            _ => {
                client
                    .numbers(
                        "UPDATE like_outbox SET state = 1, relay = 7 WHERE id IN ( \
                         SELECT id FROM like_outbox WHERE state = 0 AND ended_ms = 0 \
                         ORDER BY id LIMIT 1000) RETURNING id, payload",
                    )
                    .await
            }
        };
        let time = micros(start);
        assert_eq!(taken.len(), 1);
        client
            .run("UPDATE like_outbox SET state = 2, ended_ms = 1 WHERE state = 1")
            .await;
        time
    }
}
