//! The learned index: each page is found by all that it carries, under each URL it was asked for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use roan::__private::index::{Found, Key, Resolving, SharedIndex, Store, open_store};
use roan::Target;
use roan::outbox::Outbox;
use roan_tests::wait;

use crate::support::{Client, Database, LONG, on_each_database};

on_each_database!(
    pages_are_found_by_what_they_carry,
    areas_have_the_pages_in_them,
    urls_and_tags_are_kept_byte_for_byte,
    a_hash_of_two_urls_is_for_the_first,
    keys_with_one_hash_are_one_key,
    many_keys_and_many_pages_are_all_found,
    instances_that_learn_at_once_lose_nothing,
    old_pages_leave_the_index_for_the_outbox,
    a_page_that_is_learned_at_this_moment_is_not_forgotten,
    two_that_forget_do_not_forget_more,
    a_page_that_is_learned_while_it_is_forgotten_is_there_or_known_to_be_gone,
    what_was_learned_survives_a_crash,
);

pub(crate) fn url(text: &str) -> Target {
    Target::url(text).expect("a URL")
}

pub(crate) fn tag(text: &str) -> Target {
    Target::tag(text).expect("a tag")
}

pub(crate) fn keys(tags: &[&str]) -> Vec<Key> {
    tags.iter().map(|text| Key::of(&tag(text))).collect()
}

/// All pages of these targets, with the hash of what each carries.
async fn found(store: &mut Store, targets: &[Target]) -> Vec<Found> {
    let mut resolving = Resolving::new(targets.iter().map(|target| Key::of(target).hash()));
    let mut all = Vec::new();
    while !resolving.is_done() {
        all.extend(store.resolve(&mut resolving, 1000).await.expect("pages"));
    }
    all
}

/// The URLs of the pages that carry this.
pub(crate) async fn pages(store: &mut Store, target: &Target) -> Vec<String> {
    let found = found(store, std::slice::from_ref(target)).await;
    let mut pages: Vec<String> = found.iter().map(|one| one.page.to_string()).collect();
    pages.sort();
    pages
}

async fn store(database: &Database) -> Store {
    connect(&database.outbox().await).await
}

/// A connection that a test may leave alone for a while: MySQL would end it after the lease.
pub(crate) async fn connect(outbox: &Outbox) -> Store {
    let outbox = outbox.clone().lease(LONG);
    open_store(&outbox).await.expect("a connection")
}

/// Learns a page, however often the database is too slow.
async fn learn(index: &SharedIndex, page: &Target, keys: &Arc<[Key]>) {
    let start = Instant::now();
    loop {
        match index.learn(page.clone(), Arc::clone(keys)).await {
            Ok(true) => return,
            other => assert!(start.elapsed() < LONG, "{other:?}"),
        }
    }
}

async fn pages_are_found_by_what_they_carry(database: Database) {
    let mut store = store(&database).await;
    let (list, post) = (url("/posts"), url("/posts/a?utm_source=x"));
    let canonical = url("/posts/a");
    let of_post = [keys(&["post-1", "author-7"]), vec![Key::of(&canonical)]].concat();
    let of_list = keys(&["post-1", "post-2"]);
    let both: [(&Target, &[Key]); 2] = [(&post, &of_post), (&list, &of_list)];
    // Twice, as after an answer that was lost.
    for _ in 0..2 {
        assert_eq!(store.learn(&both).await.unwrap(), [true, true]);
    }
    assert_eq!(
        pages(&mut store, &tag("post-1")).await,
        ["/posts", "/posts/a?utm_source=x"]
    );
    assert_eq!(pages(&mut store, &tag("post-2")).await, ["/posts"]);
    assert_eq!(
        pages(&mut store, &canonical).await,
        ["/posts/a?utm_source=x"]
    );
    assert!(pages(&mut store, &tag("post-3")).await.is_empty());
    assert!(
        pages(&mut store, &tag("post-1").at_site("shop"))
            .await
            .is_empty()
    );

    // An older copy may be cached, so what it carried stays.
    let less = keys(&["post-2"]);
    let fewer: [(&Target, &[Key]); 2] = [(&post, &less), (&list, &[])];
    assert_eq!(store.learn(&fewer).await.unwrap(), [true, true]);
    assert_eq!(
        store.tags_of(&post).await.unwrap(),
        Some(vec![tag("author-7"), tag("post-1"), tag("post-2")])
    );
    assert_eq!(
        store
            .pages_of(&Key::of(&tag("post-2")), 10)
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        store
            .pages_of(&Key::of(&tag("post-2")), 1)
            .await
            .unwrap()
            .len(),
        1
    );
    // A page may carry nothing, and a page that nobody asked for is not there.
    assert_eq!(store.learn(&[(&canonical, &[])]).await.unwrap(), [true]);
    assert_eq!(store.tags_of(&canonical).await.unwrap(), Some(Vec::new()));
    assert_eq!(store.tags_of(&url("/other")).await.unwrap(), None);
    assert_eq!(store.learn(&[]).await.unwrap(), [false; 0]);
}

/// The pages in these areas, with the number of each area, a few at a time.
async fn inside(store: &mut Store, areas: &[Target], limit: usize) -> Vec<(i64, String)> {
    let mut resolving = Resolving::default();
    for (number, area) in (0..).zip(areas) {
        resolving.add_area(number, area);
    }
    let mut all = Vec::new();
    while !resolving.is_done() {
        let found = store.resolve(&mut resolving, limit).await.expect("pages");
        all.extend(found.into_iter().map(|one| (one.key, one.page.to_string())));
    }
    all.sort();
    all
}

async fn areas_have_the_pages_in_them(database: Database) {
    let mut store = store(&database).await;
    let prefix = |text: &str| Target::prefix(text).unwrap();
    let strange = "d'or \"\\% _!";
    let urls = [
        url("/docs/v_1/a"),
        url("/docs/v_1/?x=1"),
        url("//docs/v_1//b"),
        url("/docs/%76_1/c?d=%20"),
        url("/docs/v_1"),
        url("/docs/v_1?x=/docs/v_1/"),
        url("/docs/v_10/a"),
        url("/docs/vx1/a"),
        url("/docs/V_1/a"),
        url("/caf%C3%A9/it's"),
        url("/docs/v_1/a").at_site(strange),
        url("/docs/v_1/a").at_site("shop"),
    ];
    let tags = keys(&["t"]);
    for page in &urls {
        assert_eq!(store.learn(&[(page, &tags)]).await.unwrap(), [true]);
    }
    for (area, pages) in [
        (prefix("/docs/v_1/"), &[0, 1, 2, 3][..]),
        (prefix("/docs/"), &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (prefix("/docs/V_1/"), &[8]),
        (prefix("/caf%c3%a9/"), &[9]),
        (prefix("/a/"), &[]),
        (prefix("/docs/v_1/").at_site(strange), &[10]),
        (Target::host(), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Target::host().at_site("shop"), &[11]),
        (Target::host().at_site("other"), &[]),
        (
            Target::everything(),
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        ),
    ] {
        let mut wanted: Vec<_> = pages.iter().map(|at| (0, urls[*at].to_string())).collect();
        wanted.sort();
        for limit in [1, 2, 1000] {
            let found = inside(&mut store, std::slice::from_ref(&area), limit).await;
            assert_eq!(found, wanted, "{area}");
        }
    }
    // Several at once: few, and more than the database compares.
    let two = [prefix("/docs/V_1/"), Target::host().at_site("shop")];
    let wanted = [(0, urls[8].to_string()), (1, urls[11].to_string())];
    assert_eq!(inside(&mut store, &two, 1000).await, wanted);
    let others = (0..40).map(|number| prefix(&format!("/{number}/")));
    let many: Vec<_> = two.into_iter().chain(others).collect();
    assert_eq!(inside(&mut store, &many, 5).await, wanted);
    // An area that comes while pages are looked at is looked for from the beginning.
    let mut resolving = Resolving::default();
    resolving.add_area(1, &Target::everything());
    let mut found = store.resolve(&mut resolving, 11).await.unwrap();
    resolving.add_area(2, &prefix("/docs/V_1/"));
    while !resolving.is_done() {
        found.extend(store.resolve(&mut resolving, 1000).await.unwrap());
    }
    let of = |key| found.iter().filter(|one| one.key == key).count();
    assert_eq!((of(1), of(2)), (12, 1));
}

async fn urls_and_tags_are_kept_byte_for_byte(database: Database) {
    let mut store = store(&database).await;
    let path: String = (0x21..0x7f_u8)
        .map(char::from)
        .filter(|letter| Target::url(format!("/{letter}")).is_ok())
        .collect();
    let every_tag: String = (0x21..0x7f_u8)
        .map(char::from)
        .filter(|letter| Target::tag(letter.to_string()).is_ok())
        .collect();
    let long = format!("/{}", "x".repeat(Target::MAX_LEN - 1));
    let urls = [
        url("/a"),
        url("/A"),
        url("/a/"),
        url("//a"),
        url("/a?"),
        url("/wiki/C++"),
        url("/wiki/C%2B%2B"),
        url("/wiki/C%2b%2b"),
        url("/caf%C3%A9?q=%00"),
        url(&format!("/{path}")),
        url("/it's?\\\\$1"),
        url(&long),
        url(&format!("{}y", &long[..Target::MAX_LEN - 1])),
        url("/a").at_site("d'or \"\\ \u{1f600} $1 ?"),
        url("/a").at_site("ends in a space "),
        url("/a").at_site("ends in a space"),
        url("/a").at_site("a\0b"),
    ];
    let tags = [
        tag(&every_tag),
        tag("T"),
        tag("t"),
        tag(&"t".repeat(Target::MAX_LEN)),
        tag("t").at_site("shop"),
    ];
    for page in &urls {
        // Each tag on its own, with one that all pages have.
        let all: Vec<Key> = tags.iter().map(Key::of).collect();
        assert_eq!(
            store.learn(&[(page, &all)]).await.unwrap(),
            [true],
            "{page}"
        );
    }
    for one in &tags {
        let found = found(&mut store, std::slice::from_ref(one)).await;
        let found: BTreeSet<String> = found.iter().map(|one| format!("{:?}", one.page)).collect();
        let wanted: BTreeSet<String> = urls.iter().map(|page| format!("{page:?}")).collect();
        assert_eq!(found, wanted, "{one}");
    }
    for page in &urls {
        let carried = store.tags_of(page).await.unwrap().expect("a page");
        assert_eq!(carried.len(), tags.len(), "{page}");
        assert!(tags.iter().all(|one| carried.contains(one)), "{page}");
    }
}

async fn a_hash_of_two_urls_is_for_the_first(database: Database) {
    let mut store = store(&database).await;
    let (first, second) = (url("/first"), url("/second"));
    let (one, two) = (keys(&["one"]), keys(&["two"]));
    // In one go, in two, and with the first once more.
    for (id, order) in [(-7, vec![vec![0, 1]]), (8, vec![vec![0], vec![1], vec![0]])] {
        for batch in order {
            let pages: Vec<(i64, &Target, &[Key])> = batch
                .iter()
                .map(|at| {
                    let (page, keys) = [(&first, &one), (&second, &two)][*at];
                    (id, page, &**keys)
                })
                .collect();
            let wanted: Vec<bool> = batch.iter().map(|at| *at == 0).collect();
            assert_eq!(store.learn_as(&pages).await.unwrap(), wanted, "{batch:?}");
        }
    }
    // It does not lend its keys to the other page either.
    assert!(pages(&mut store, &tag("two")).await.is_empty());
    assert_eq!(
        pages(&mut store, &tag("one")).await,
        ["/first", "/first"],
        "one for each id that was given to it"
    );
}

async fn keys_with_one_hash_are_one_key(database: Database) {
    let mut store = store(&database).await;
    let same: Vec<Key> = keys(&["a", "b"])
        .into_iter()
        .map(|key| key.with_hash(i64::MIN))
        .collect();
    let (one, two) = (url("/1"), url("/2"));
    let learned = store.learn(&[(&one, &same[..1]), (&two, &same[1..])]).await;
    assert_eq!(learned.unwrap(), [true, true]);
    let mut resolving = Resolving::new([i64::MIN]);
    let found = store.resolve(&mut resolving, 100).await.unwrap();
    assert_eq!(found.len(), 2);
    // Both on one page.
    assert_eq!(store.learn(&[(&url("/3"), &same)]).await.unwrap(), [true]);
    assert_eq!(
        store
            .tags_of(&url("/3"))
            .await
            .unwrap()
            .map(|tags| tags.len()),
        Some(1)
    );
}

async fn many_keys_and_many_pages_are_all_found(database: Database) {
    let mut store = store(&database).await;
    // More keys than one statement takes, on pages before and after.
    let names: Vec<String> = (0..1203).map(|number| format!("key-{number}")).collect();
    let many: Vec<Key> = names.iter().map(|name| Key::of(&tag(name))).collect();
    let targets: Vec<Target> = (0..2500).map(|number| url(&format!("/{number}"))).collect();
    let common = keys(&["common"]);
    for targets in targets.chunks(700) {
        let pages: Vec<(&Target, &[Key])> = targets
            .iter()
            .enumerate()
            .map(|(at, page)| (page, if at == 3 { &*many } else { &*common }))
            .collect();
        let learned = store.learn(&pages).await.unwrap();
        assert!(learned.into_iter().all(|is_there| is_there));
    }
    assert_eq!(pages(&mut store, &tag("common")).await.len(), 2500 - 4);
    for limit in [1, 7, 1000, 100_000] {
        let all = many.iter().chain(&common).map(Key::hash);
        let mut resolving = Resolving::new(all.take(if limit < 9 { 3 } else { 2000 }));
        let wanted = if limit < 9 {
            3 * 4
        } else {
            1203 * 4 + 2500 - 4
        };
        let mut found = BTreeSet::new();
        let mut count = 0;
        while !resolving.is_done() {
            let some = store.resolve(&mut resolving, limit).await.unwrap();
            assert!(some.len() <= limit, "{} of {limit}", some.len());
            count += some.len();
            found.extend(some.iter().map(|one| (one.key, one.page.to_string())));
        }
        assert_eq!((found.len(), count), (wanted, wanted), "by {limit}");
    }
}

async fn instances_that_learn_at_once_lose_nothing(database: Database) {
    const PAGES: usize = 40;
    let outbox = database.outbox().await;
    let mut tasks = Vec::new();
    let instances = [
        SharedIndex::open(&outbox).await.unwrap(),
        SharedIndex::open(&outbox).await.unwrap(),
    ];
    for (task, instance) in instances.iter().cycle().take(8).enumerate() {
        let instance = instance.clone();
        tasks.push(tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(task as u64);
            let mut order: Vec<usize> = (0..PAGES).collect();
            random.shuffle(&mut order);
            for number in order {
                let carried: Arc<[Key]> = keys(&[&format!("task-{task}"), "all"]).into();
                learn(&instance, &url(&format!("/{number}")), &carried).await;
            }
        }));
    }
    // Beside batches of many pages, in the opposite order, and forgetting, which takes nothing here.
    let mut other = connect(&outbox).await;
    let targets: Vec<Target> = (0..PAGES)
        .rev()
        .map(|number| url(&format!("/{number}")))
        .collect();
    let carried = keys(&["batch"]);
    for _ in 0..10 {
        let batch: Vec<(&Target, &[Key])> = targets.iter().map(|page| (page, &*carried)).collect();
        while let Err(error) = other.learn(&batch).await {
            let code = error.as_database_error().and_then(|error| error.code());
            assert_eq!(code.as_deref(), Some("40001"), "{error}");
            other.learn_again().await.unwrap();
        }
        assert_eq!(other.forget(PAGES, 100).await.unwrap(), 0);
    }
    for task in tasks {
        task.await.expect("each page was learned");
    }
    for task in 0..8 {
        let found = pages(&mut other, &tag(&format!("task-{task}"))).await;
        assert_eq!(found.len(), PAGES);
    }
    assert_eq!(pages(&mut other, &tag("batch")).await.len(), PAGES);
}

/// The URLs that wait in the outbox.
async fn purged(client: &mut Client) -> BTreeSet<String> {
    let payloads = client.texts("SELECT payload FROM {}outbox").await;
    let mut urls = BTreeSet::new();
    for payload in payloads {
        let targets = payload.split('"').skip(3).step_by(2);
        urls.extend(
            targets
                .filter(|text| text.starts_with('/'))
                .map(str::to_owned),
        );
    }
    urls
}

async fn old_pages_leave_the_index_for_the_outbox(database: Database) {
    const KEEP: usize = 100;
    const CRAWLED: usize = 10_000;
    let mut store = store(&database).await;
    let mut client = database.client().await;
    let before = store.use_index().await.unwrap().forgets;
    let carried = keys(&["all"]);
    let targets: Vec<Target> = (0..CRAWLED)
        .map(|number| url(&format!("/{number}")))
        .collect();
    for (round, batch) in targets.chunks(200).enumerate() {
        let batch: Vec<(&Target, &[Key])> = batch.iter().map(|page| (page, &*carried)).collect();
        store.learn(&batch).await.unwrap();
        // Between two looks there may be more than are kept.
        if round % 5 == 4 {
            while store.forget(KEEP, 450).await.unwrap() > 0 {}
            let count = client.count("SELECT count(*) FROM {}page").await;
            assert_eq!(count, KEEP as i64);
        }
    }
    assert_eq!(
        client.count("SELECT count(*) FROM {}page_key").await,
        KEEP as i64
    );
    let kept: BTreeSet<String> = pages(&mut store, &tag("all")).await.into_iter().collect();
    assert!(
        kept.iter()
            .all(|page| page[1..].parse::<usize>().unwrap() >= CRAWLED - 200),
        "the newest stay: {kept:?}"
    );
    let purged = purged(&mut client).await;
    assert!(kept.is_disjoint(&purged));
    assert_eq!(kept.len() + purged.len(), CRAWLED);
    assert!(store.epoch().await.unwrap().forgets > before);
    // Who was asked for again is not the oldest any more, and what is in bounds stays.
    let first = url(kept.first().unwrap());
    store.learn(&[(&first, &carried)]).await.unwrap();
    assert_eq!(store.forget(1, 1000).await.unwrap(), KEEP - 1);
    assert_eq!(pages(&mut store, &tag("all")).await, [first.to_string()]);
    assert_eq!(store.forget(1, 1000).await.unwrap(), 0);
}

async fn a_page_that_is_learned_at_this_moment_is_not_forgotten(database: Database) {
    if database.is_one_writer() {
        return; // they wait for each other
    }
    let mut store = store(&database).await;
    let carried = keys(&["all"]);
    for page in ["/a", "/b"] {
        store.learn(&[(&url(page), &carried)]).await.unwrap();
    }
    let mut client = database.client().await;
    let id = Key::of(&url("/a")).hash();
    client.run("BEGIN").await;
    client
        .run(&format!(
            "UPDATE {{}}page SET seen_ms = seen_ms + 1 WHERE id = {id}"
        ))
        .await;
    assert_eq!(store.forget(0, 10).await.unwrap(), 1);
    client.run("COMMIT").await;
    assert_eq!(pages(&mut store, &tag("all")).await, ["/a"]);
}

async fn two_that_forget_do_not_forget_more(database: Database) {
    let outbox = database.outbox().await;
    let mut store = connect(&outbox).await;
    let carried = keys(&["all"]);
    let targets: Vec<Target> = (0..600).map(|number| url(&format!("/{number}"))).collect();
    let batch: Vec<(&Target, &[Key])> = targets.iter().map(|page| (page, &*carried)).collect();
    store.learn(&batch).await.unwrap();
    let both = (0..2).map(|_| {
        let outbox = outbox.clone();
        tokio::spawn(async move {
            let mut store = connect(&outbox).await;
            let mut count = 0;
            for _ in 0..40 {
                count += store.forget(100, 25).await.unwrap();
            }
            count
        })
    });
    let mut count = 0;
    for one in both.collect::<Vec<_>>() {
        count += one.await.unwrap();
    }
    assert_eq!(count, 500);
    assert_eq!(pages(&mut store, &tag("all")).await.len(), 100);
}

async fn a_page_that_is_learned_while_it_is_forgotten_is_there_or_known_to_be_gone(
    database: Database,
) {
    let outbox = database.outbox().await;
    let index = SharedIndex::open(&outbox).await.unwrap();
    let forgotten = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let forgetting = tokio::spawn({
        let (forgotten, stop) = (Arc::clone(&forgotten), Arc::clone(&stop));
        let mut relay = connect(&outbox).await;
        async move {
            while !stop.load(Ordering::Acquire) {
                let count = relay.forget(0, 10).await.expect("it is forgotten");
                forgotten.fetch_add(count, Ordering::Release);
                tokio::time::sleep(Duration::from_micros(fastrand::u64(0..2000))).await;
            }
        }
    });
    let mut reader = connect(&outbox).await;
    let (mut there, mut number) = (0, 0);
    let deadline = Instant::now() + Duration::from_secs(60);
    // Both ends of the race must be met, and how often is left to chance.
    while number < 200 || there <= 5 || forgotten.load(Ordering::Acquire) <= 5 {
        assert!(
            Instant::now() < deadline,
            "{there} there and {forgotten:?} forgotten after {number} rounds"
        );
        number += 1;
        let name = format!("key-{number}");
        let known = index.forgets();
        learn(&index, &url("/a"), &keys(&[&name]).into()).await;
        // In the order of the check of a render, so that nothing comes between.
        let found = pages(&mut reader, &tag(&name)).await;
        let release = index.check(Arc::new([]), index.number()).await.unwrap();
        if release.forgets == known {
            assert_eq!(found, ["/a"], "it is taken for known");
            there += 1;
        }
    }
    stop.store(true, Ordering::Release);
    forgetting.await.unwrap();
}

async fn what_was_learned_survives_a_crash(database: Database) {
    let Some(mut server) = database.own_server() else {
        return; // a file does not crash with its program
    };
    let outbox = server.database.outbox().await;
    let index = SharedIndex::open(&outbox).await.unwrap();
    let mut learned = Vec::new();
    let mut marked = Vec::new();
    for round in 0..5 {
        // A render that ends at the moment of the crash.
        let done = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..4)
            .map(|task| {
                let (index, done) = (index.clone(), Arc::clone(&done));
                tokio::spawn(async move {
                    let mut learned = Vec::new();
                    for number in 0.. {
                        let page = url(&format!("/{round}/{task}/{number}"));
                        let carried: Arc<[Key]> = keys(&[&format!("round-{round}")]).into();
                        match index.learn(page.clone(), carried).await {
                            Ok(true) => learned.push(page.to_string()),
                            _ => break,
                        }
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    learned
                })
            })
            .collect();
        let mut relay = connect(&outbox).await;
        let marking = tokio::spawn(async move {
            let mut marks = Vec::new();
            for number in 0.. {
                let key = Key::of(&tag(&format!("{round}-{number}"))).hash();
                match relay.mark(&[key]).await {
                    Ok(Some(number)) => marks.push((key, number)),
                    _ => break,
                }
            }
            marks
        });
        wait::until(wait::LONG, "pages to be learned", || {
            done.load(Ordering::Relaxed) > 10 + 7 * round
        });
        server.kill();
        for task in tasks {
            learned.extend(task.await.unwrap());
        }
        marked.extend(marking.await.unwrap());
        server.restart();
    }
    assert!(learned.len() > 20, "only {} were learned", learned.len());
    let mut store = connect(&outbox).await;
    let mut there = BTreeSet::new();
    for round in 0..5 {
        there.extend(pages(&mut store, &tag(&format!("round-{round}"))).await);
    }
    let lost: Vec<&String> = learned
        .iter()
        .filter(|page| !there.contains(*page))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    // No mark is lost, and no number was used twice.
    let all: Vec<i64> = marked.iter().map(|(key, _)| *key).collect();
    let checked = store.purged_since(&all, 0).await.unwrap();
    for (key, number) in &marked {
        assert!(checked.is_purged([*key], number - 1), "{number} is lost");
    }
    let numbers: BTreeSet<i64> = marked.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers.len(), marked.len());
    // The program's connections come back by themselves.
    learn(&index, &url("/after"), &keys(&["after"]).into()).await;
    assert_eq!(pages(&mut store, &tag("after")).await, ["/after"]);
}
