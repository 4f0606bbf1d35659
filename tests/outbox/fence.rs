//! The fence: no page that was rendered before a purge is released after it, unless the purge reaches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use roan::__private::index::{Key, Resolving, SharedIndex, Store};
use roan_tests::wait;

use crate::pages::{connect, keys, pages, tag, url};
use crate::support::{Database, on_each_database};

on_each_database!(
    a_purge_is_seen_by_renders_that_began_before_it,
    nothing_is_marked_where_nobody_renders,
    numbers_are_in_the_order_of_commits,
    a_render_that_ends_while_a_purge_begins_is_never_missed_by_both,
    what_was_swept_counts_as_purged,
    a_number_is_not_used_twice_though_the_database_forgets,
    known_pages_are_learned_again_after_some_were_forgotten,
);

fn hash(name: &str) -> i64 {
    Key::of(&tag(name)).hash()
}

fn carried(names: &[&str]) -> Arc<[Key]> {
    keys(names).into()
}

async fn a_purge_is_seen_by_renders_that_began_before_it(database: Database) {
    let outbox = database.outbox().await;
    let index = SharedIndex::open(&outbox).await.unwrap();
    let mut relay = connect(&outbox).await;
    let before = index.number();
    let both = carried(&["a", "b"]);
    assert!(
        !index
            .check(Arc::clone(&both), before)
            .await
            .unwrap()
            .is_purged
    );
    // As many keys as a batch of rows may have, some of them twice.
    let many = (0..1500).map(|number| hash(&format!("key-{number}")));
    let marked: Vec<i64> = many.chain([hash("b"), hash("b")]).collect();
    let number = relay.mark(&marked).await.unwrap().expect("a number");
    assert!(number > before);
    let seen = index.check(Arc::clone(&both), before).await.unwrap();
    assert!(seen.is_purged);
    assert_eq!(seen.number, number);
    // Who began after it has what the purge was for.
    assert_eq!(index.number(), number);
    assert!(
        !index
            .check(Arc::clone(&both), number)
            .await
            .unwrap()
            .is_purged
    );
    assert!(
        !index
            .check(carried(&["a"]), before)
            .await
            .unwrap()
            .is_purged
    );
    let every: Vec<String> = (0..1500).map(|number| format!("key-{number}")).collect();
    for some in every.chunks(600) {
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        assert!(index.check(carried(&some), before).await.unwrap().is_purged);
        assert!(!index.check(carried(&some), number).await.unwrap().is_purged);
    }
    // The same key again.
    let next = relay.mark(&[hash("b")]).await.unwrap().expect("a number");
    assert!(next > number);
    assert!(index.check(both, number).await.unwrap().is_purged);
    // What the program's own relay says is known without a look.
    index.marked(next + 5);
    assert_eq!(index.number(), next + 5);
}

async fn nothing_is_marked_where_nobody_renders(database: Database) {
    let outbox = database.outbox().await;
    let mut relay = connect(&outbox).await;
    let mut client = database.client().await;
    assert_eq!(relay.mark(&[hash("a")]).await.unwrap(), None);
    assert_eq!(client.count("SELECT count(*) FROM {}fence").await, 0);
    let _index = SharedIndex::open(&outbox).await.unwrap();
    assert!(relay.mark(&[hash("a")]).await.unwrap().is_some());
    assert_eq!(relay.mark(&[]).await.unwrap(), None);
    // A dump may have omitted the row: then nothing is known of the time before.
    client.run("DELETE FROM {}epoch").await;
    let mut other = connect(&outbox).await;
    assert!(other.epoch().await.is_err());
    let index = SharedIndex::open(&outbox).await.unwrap();
    let since = index.number();
    let check = |since| index.check(carried(&["c"]), since);
    assert!(check(since - 1).await.unwrap().is_purged);
    assert!(!check(since).await.unwrap().is_purged);
    assert!(other.mark(&[hash("c")]).await.unwrap().is_some());
    assert!(check(since).await.unwrap().is_purged);
}

async fn numbers_are_in_the_order_of_commits(database: Database) {
    const MARKS: usize = 60;
    let outbox = database.outbox().await;
    connect(&outbox).await.use_index().await.unwrap();
    // Many writers starve each other in SQLite, where each tries again after a while.
    let count = if database.is_one_writer() { 2 } else { 3 };
    let relays = (0..count).map(|relay| {
        let outbox = outbox.clone();
        tokio::spawn(async move {
            let mut store = connect(&outbox).await;
            let mut keys = Vec::new();
            for number in 0..MARKS {
                let key = hash(&format!("{relay}-{number}"));
                // With one that all want, and in an order that is not theirs.
                let done = store
                    .mark(&[key, hash("all"), hash(&format!("{}", relay ^ 1))])
                    .await;
                done.unwrap().expect("a number");
                keys.push(key);
            }
            keys
        })
    });
    let relays: Vec<_> = relays.collect();
    let mut reader = connect(&outbox).await;
    let all: Vec<i64> = (0..count)
        .flat_map(|relay| (0..MARKS).map(move |number| hash(&format!("{relay}-{number}"))))
        .collect();
    // What a reader saw at a number: which of the keys were purged.
    let mut looks = Vec::new();
    while relays.iter().any(|relay| !relay.is_finished()) {
        let checked = reader.purged_since(&all, 0).await.unwrap();
        let seen: Vec<bool> = all.iter().map(|key| checked.is_purged([*key], 0)).collect();
        looks.push((checked.epoch.number, seen));
    }
    for relay in relays {
        relay.await.unwrap();
    }
    let last = reader.purged_since(&all, 0).await.unwrap();
    for (number, seen) in looks {
        for (key, seen) in all.iter().zip(seen) {
            // Its own number is in the end what it was: each is purged once.
            let is_up_to = !last.is_purged([*key], number);
            assert_eq!(seen, is_up_to, "a purge was not seen at {number}");
        }
    }
}

/// One page, one write, and all that may come between.
struct Race {
    name: String,
    is_written: AtomicBool,
}

impl Race {
    /// Renders, and says whether the old row was shown in a page that was released.
    async fn render(&self, index: &SharedIndex, random: &mut fastrand::Rng) -> bool {
        let since = index.number();
        let shows_old = !self.is_written.load(Ordering::SeqCst);
        pause(random).await;
        let carried = carried(&[&self.name, "other"]);
        let page = url(&format!("/{}", self.name));
        let forgets = index.forgets();
        // On a busy machine the database may take too long: then the page is not released.
        if index.learn(page, Arc::clone(&carried)).await != Ok(true) {
            return false;
        }
        let Ok(release) = index.check(carried, since).await else {
            return false;
        };
        shows_old && !release.is_purged && release.forgets == forgets
    }

    /// Writes and purges, and says whether the page was purged.
    async fn purge(&self, relay: &mut Store, random: &mut fastrand::Rng) -> bool {
        pause(random).await;
        self.is_written.store(true, Ordering::SeqCst);
        relay.mark(&[hash(&self.name)]).await.unwrap();
        let mut resolving = Resolving::new([hash(&self.name)]);
        let found = relay.resolve(&mut resolving, 10).await.unwrap();
        !found.is_empty()
    }
}

async fn pause(random: &mut fastrand::Rng) {
    // From none to more than a commit takes on a busy machine, so that each order comes about.
    let most = 1 << random.u32(0..18);
    tokio::time::sleep(Duration::from_micros(random.u64(0..most))).await;
}

async fn a_render_that_ends_while_a_purge_begins_is_never_missed_by_both(database: Database) {
    const RACES: usize = 120;
    // Many writers starve each other in SQLite, where each tries again after a while.
    let tasks_at_once = if database.is_one_writer() { 2 } else { 6 };
    let outbox = database.outbox().await;
    let instances = [
        SharedIndex::open(&outbox).await.unwrap(),
        SharedIndex::open(&outbox).await.unwrap(),
    ];
    let mut tasks = Vec::new();
    for task in 0..tasks_at_once {
        let index = instances[task % 2].clone();
        let mut relay = connect(&outbox).await;
        tasks.push(tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(task as u64);
            let mut other_random = random.fork();
            let mut counts = [0; 2];
            for number in 0..RACES {
                let race = Race {
                    name: format!("{task}-{number}"),
                    is_written: AtomicBool::new(false),
                };
                let (is_released, is_purged) = tokio::join!(
                    race.render(&index, &mut random),
                    race.purge(&mut relay, &mut other_random)
                );
                assert!(!is_released || is_purged, "{} is stale for good", race.name);
                counts[0] += usize::from(is_released);
                counts[1] += usize::from(!is_purged);
            }
            counts
        }));
    }
    let mut all = [0; 2];
    for task in tasks {
        let counts = task.await.unwrap();
        all = [all[0] + counts[0], all[1] + counts[1]];
    }
    // Both orders came about, or this proves nothing.
    let [released, missed] = all;
    assert!(released > 0, "no page was released before its purge");
    assert!(missed > 0, "no page was learned after its purge");
}

async fn what_was_swept_counts_as_purged(database: Database) {
    let outbox = database.outbox().await;
    let index = SharedIndex::open(&outbox).await.unwrap();
    let mut relay = connect(&outbox).await;
    let mut client = database.client().await;
    let before = index.number();
    let first = relay.mark(&[hash("a")]).await.unwrap().expect("a number");
    let second = relay.mark(&[hash("b")]).await.unwrap().expect("a number");
    // None is old.
    assert!(!relay.sweep().await.unwrap());
    assert_eq!(client.count("SELECT count(*) FROM {}fence").await, 2);
    assert!(!relay.sweep_but(second - first - 1).await.unwrap());
    assert_eq!(client.count("SELECT count(*) FROM {}fence").await, 1);
    // Of what began before, nothing is known any more; of what began later, all is.
    assert!(
        index
            .check(carried(&["z"]), before)
            .await
            .unwrap()
            .is_purged
    );
    assert!(!index.check(carried(&["z"]), first).await.unwrap().is_purged);
    assert!(index.check(carried(&["b"]), first).await.unwrap().is_purged);
    // In steps, so that marks do not wait for long.
    let many: Vec<i64> = (0..6000).collect();
    for keys in many.chunks(1000) {
        relay.mark(keys).await.unwrap();
    }
    let mut steps = 0;
    while relay.sweep_but(-1).await.unwrap() {
        steps += 1;
    }
    assert_eq!(steps, 1);
    assert_eq!(client.count("SELECT count(*) FROM {}fence").await, 0);
}

async fn a_number_is_not_used_twice_though_the_database_forgets(database: Database) {
    let outbox = database.outbox().await;
    let index = SharedIndex::open(&outbox).await.unwrap();
    let mut relay = connect(&outbox).await;
    let mut client = database.client().await;
    let first = relay.mark(&[hash("a")]).await.unwrap().expect("a number");
    index.check(carried(&["a"]), first).await.unwrap();
    // As after a failover that lost the last commits, or with what was restored: later than in the same millisecond.
    wait::until(wait::LONG, "the clock to go on", || {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        now.as_millis() > u128::try_from(first).unwrap()
    });
    client.run("UPDATE {}epoch SET number = 1000").await;
    client.run("DELETE FROM {}fence").await;
    let check = index.check(carried(&["b"]), first).await.unwrap();
    assert!(
        check.is_purged,
        "what was purged up to {first} is not known"
    );
    assert_eq!(index.number(), 1000);
    let next = relay.mark(&[hash("b")]).await.unwrap().expect("a number");
    assert!(next > first, "{next} after {first}");
    // The clock may be behind, and still each number is a new one.
    client
        .run(&format!(
            "UPDATE {{}}epoch SET number = {}",
            next + 3_600_000
        ))
        .await;
    let ahead = relay.mark(&[hash("b")]).await.unwrap();
    assert_eq!(ahead, Some(next + 3_600_001));
}

async fn known_pages_are_learned_again_after_some_were_forgotten(database: Database) {
    let outbox = database.outbox().await;
    let index = SharedIndex::open(&outbox).await.unwrap();
    let mut relay = connect(&outbox).await;
    let known = index.forgets();
    let of_page = carried(&["a"]);
    assert_eq!(index.learn(url("/a"), Arc::clone(&of_page)).await, Ok(true));
    let check = || index.check(Arc::clone(&of_page), index.number());
    assert_eq!(check().await.unwrap().forgets, known);
    assert_eq!(relay.forget(0, 10).await.unwrap(), 1);
    let after = check().await.unwrap();
    assert_ne!(after.forgets, known);
    assert_eq!(index.forgets(), after.forgets);
    assert!(pages(&mut relay, &tag("a")).await.is_empty());
    // Each time.
    assert_eq!(index.learn(url("/a"), Arc::clone(&of_page)).await, Ok(true));
    assert_eq!(relay.forget(0, 10).await.unwrap(), 1);
    assert_ne!(check().await.unwrap().forgets, after.forgets);
}
