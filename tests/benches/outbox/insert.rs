//! What the outbox adds to one INSERT in a transaction, compared with a second plain INSERT.

use std::time::{Duration, Instant};

use roan::Roan;
use roan::testing::Recorder;

use crate::support::{Client, Database, Post, drain, held, median, micros};

const ROUNDS: usize = 150;
/// Transactions of each sort in a round.
const BATCH: usize = 20;
const LIMIT: f64 = 1.2;

/// Kinds of transactions: each inserts a post, and some insert more.
const SORTS: usize = 4;
const BUSY: usize = 3;

/// Four sorts in turns, on one connection. Three outboxes in one database, so three equal tables:
///
/// - `like_` takes the plain rows;
/// - the relay of `still_` has ended, so that its rows stay, as the plain ones do: what the write
///   itself costs;
/// - the relay of `busy_` takes its rows meanwhile, and purges at a recorder: what the write costs
///   when the same two cores and the same database do that, too. It is through before another sort's
///   turn comes.
pub(crate) async fn table(databases: &[Database]) {
    println!(
        "\n{:<46} {:>9} {:>9} {:>9} {:>9}",
        "one INSERT in a transaction, microseconds", "alone", "+ plain", "+ outbox", "relay too"
    );
    for database in databases {
        let medians = measure(database).await;
        let [alone, plain, still, busy] = medians;
        println!(
            "{:<46} {alone:>9.0} {plain:>9.0} {still:>9.0} {busy:>9.0}",
            database.name
        );
        let ratio = |with: f64| (with - alone) / (plain - alone);
        println!(
            "{:<46} {:>9} {:>9.2} {:>9.2} {:>9.2}  (limit {LIMIT}: {})",
            "  what it adds, in plain INSERTs",
            "",
            1.0,
            ratio(still),
            ratio(busy),
            held(ratio(still), LIMIT, true),
        );
    }
}

async fn measure(database: &Database) -> [f64; SORTS] {
    let builder = || Roan::builder().cache(Recorder::new()).rebound(None);
    let _like = database.outbox("like_").await;
    let still = builder().outbox(database.outbox("still_").await).build();
    let busy = builder().outbox(database.outbox("busy_").await).build();
    let (still, busy) = (still.unwrap(), busy.unwrap());
    // Its statements can be had all the same.
    let _ = still.shutdown(Duration::ZERO).await;

    let mut client = database.connect().await;
    let mut times: [Vec<f64>; SORTS] = Default::default();
    // The first round only warms up.
    for round in 0..=ROUNDS {
        // The order turns, for a transaction may find another server than the one before it.
        let quiet = (0..3 * BATCH).map(|number| (number + number / 3 + round) % 3);
        let sorts: Vec<usize> = quiet.chain([BUSY; BATCH]).collect();
        for (number, sort) in sorts.into_iter().enumerate() {
            let post = Post {
                slug: format!("post-{round}-{number}"),
            };
            let time = transaction(database, &mut client, sort, [&still, &busy], &post).await;
            if round > 0 {
                times[sort].push(time);
            }
        }
        drain(&busy).await;
    }
    times.each_ref().map(|times| median(times))
}

async fn transaction(
    database: &Database,
    client: &mut Client,
    sort: usize,
    [still, busy]: [&Roan; 2],
    post: &Post,
) -> f64 {
    let plain = database.pick(
        "INSERT INTO like_outbox (payload) VALUES (?)",
        "INSERT INTO like_outbox (payload) VALUES ($1)",
    );
    let slug = &post.slug;
    let start = Instant::now();
    client.run("BEGIN").await;
    let values = [slug.as_str(), "A title"];
    client.execute(database.insert_post(), &values).await;
    match sort {
        0 => {}
        1 => {
            let payload = format!(r#"{{"purge":["/posts","/posts/{slug}"],"v":1}}"#);
            client.execute(plain, &[&payload]).await;
        }
        2 => client.save(still, post).await,
        _ => client.save(busy, post).await,
    }
    client.run("COMMIT").await;
    micros(start)
}
