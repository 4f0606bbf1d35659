//! What the learned index and the fence add to a render, compared with the INSERT of one row.

use std::sync::Arc;
use std::time::Instant;

use roan::__private::index::{Key, Resolving, SharedIndex, open_store};
use roan::Target;

use crate::support::{Database, median, micros};

const SAMPLES: usize = 500;
const KEYS: usize = 10;
/// Keys with a purge, among which a check looks.
const PURGED: usize = 10_000;
const TAGGED: usize = 10_000;
/// Renders at once.
const RENDERS: usize = 32;

pub(crate) async fn table(databases: &[Database]) {
    println!(
        "\n{:<46} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        format!("a page with {KEYS} keys, microseconds"),
        "INSERT",
        "learn",
        "in each",
        "again",
        "check",
        "mark"
    );
    for database in databases {
        measure(database).await;
    }
}

fn keys(page: usize) -> Vec<Key> {
    let names = (0..KEYS - 1).map(|key| format!("post-{page}-{key}"));
    let names = names.chain(["all".to_owned()]);
    names
        .map(|name| Key::of(&Target::tag(name).unwrap()))
        .collect()
}

fn page(number: usize) -> Target {
    Target::url(format!("/posts/a-page-of-the-blog-{number}?utm_source=x")).unwrap()
}

async fn measure(database: &Database) {
    let outbox = database.outbox("index_").await;
    let index = SharedIndex::open(&outbox).await.unwrap();
    let mut store = open_store(&outbox).await.unwrap();
    let mut relay = open_store(&outbox).await.unwrap();
    let mut client = database.connect().await;
    let purged: Vec<i64> = (0..PURGED)
        .map(|number| Key::of(&Target::tag(format!("purged-{number}")).unwrap()).hash())
        .collect();
    relay.mark(&purged).await.unwrap();
    let mut times: [Vec<f64>; 5] = Default::default();
    for number in 0..SAMPLES {
        let (page, keys) = (page(number), keys(number));
        let hashes: Vec<i64> = keys.iter().map(Key::hash).collect();
        let slug = format!("index-{number}");
        let start = Instant::now();
        client
            .execute(database.insert_post(), &[&slug, "A title"])
            .await;
        times[0].push(micros(start));
        for kind in [1, 2] {
            let start = Instant::now();
            store.learn(&[(&page, &keys)]).await.unwrap();
            times[kind].push(micros(start));
        }
        let since = index.number();
        let start = Instant::now();
        let checked = store.purged_since(&hashes, since).await.unwrap();
        assert!(!checked.is_purged(hashes, since));
        times[3].push(micros(start));
        let start = Instant::now();
        relay.mark(&purged[number..number + 2]).await.unwrap();
        times[4].push(micros(start));
    }
    let [insert, learn, again, check, mark] = times.each_ref().map(|times| median(times));
    println!(
        "{:<46} {insert:>9.0} {learn:>9.0} {:>9.2} {again:>9.0} {check:>9.0} {mark:>9.0}",
        database.name,
        learn / insert,
    );

    let start = Instant::now();
    let tasks = (0..RENDERS).map(|task| {
        let index = index.clone();
        tokio::spawn(async move {
            for number in 0..SAMPLES / 10 {
                let number = (task + 1) * SAMPLES + number;
                let (page, keys): (_, Arc<[Key]>) = (page(number), keys(number).into());
                let since = index.number();
                assert_eq!(index.learn(page, Arc::clone(&keys)).await, Ok(true));
                index.check(keys, since).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let renders = (RENDERS * (SAMPLES / 10)) as f64;
    println!(
        "{:<46} {:>7.0}/s",
        format!("  new pages learned and checked, {RENDERS} at once"),
        renders / start.elapsed().as_secs_f64()
    );

    let tag = [Key::of(&Target::tag("tagged").unwrap())];
    let pages: Vec<Target> = (0..TAGGED).map(|number| page(number + 1_000_000)).collect();
    for pages in pages.chunks(500) {
        let pages: Vec<(&Target, &[Key])> = pages.iter().map(|page| (page, &tag[..])).collect();
        store.learn(&pages).await.unwrap();
    }
    let start = Instant::now();
    let mut resolving = Resolving::new([tag[0].hash()]);
    let mut count = 0;
    while !resolving.is_done() {
        count += relay.resolve(&mut resolving, 1000).await.unwrap().len();
    }
    assert_eq!(count, TAGGED);
    println!(
        "{:<46} {:>7.1} ms",
        format!("  the {TAGGED} pages of a tag"),
        micros(start) / 1000.0
    );
}
