//! What was purged, why, and how each node answered, by the rows of the outbox.

use std::time::{Duration, SystemTime};

use roan::history::{AnswerKind, CauseKind, Filter, PurgeRecord, PurgeState};
use roan::outbox::Dialect;
use roan::testing::Recorder;
use roan::{Event, Nginx, Roan, Target, purge_on};
use roan_tests::{Behaviour, Faulty};

use crate::support::{Database, LONG, builder, builder_for, flush, on_each_database, urls};

on_each_database!(
    a_row_says_what_has_asked_for_it_and_how_the_nodes_have_answered,
    a_url_finds_the_purges_that_include_it,
    what_a_node_has_not_answered_at_first_is_written_down_when_it_does,
    what_is_dead_or_was_refused_says_why,
    a_history_that_is_off_costs_no_row_anything,
    causes_that_another_program_writes_do_no_harm,
    writes_of_two_requests_are_one_replay,
    a_page_of_many_rows_is_found,
    many_rows_at_a_time_have_each_their_own_lines,
    what_was_dropped_by_hand_is_not_done,
    all_that_ends_at_once_is_seen_once,
);

#[purge_on(delete, tag = "post-{0}", site = "shop")]
struct Tagged(u32);

async fn find(roan: &Roan, filter: &Filter) -> Vec<PurgeRecord> {
    roan.outbox().history(filter).await.expect("the history")
}

fn of(target: &str) -> Filter {
    Filter::new().target(Target::url(target).unwrap())
}

/// The only purge, when it is over.
async fn over(roan: &Roan, filter: &Filter) -> PurgeRecord {
    let start = std::time::Instant::now();
    loop {
        let mut found = find(roan, filter).await;
        assert!(start.elapsed() < LONG, "{found:#?}");
        if found.len() == 1 && found[0].state != PurgeState::Waiting {
            return found.remove(0);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn a_row_says_what_has_asked_for_it_and_how_the_nodes_have_answered(database: Database) {
    let roan = Roan::builder()
        .cache(Recorder::named("first"))
        .cache(Recorder::named("second"))
        .rebound(Duration::from_millis(20))
        .outbox(database.outbox().await)
        .build()
        .unwrap();
    let mut client = database.client().await;
    let before = SystemTime::now() - Duration::from_secs(60);
    client.save(&roan, "a b").await;
    client.save(&roan, "c").await;
    flush(&roan).await;
    over(&roan, &of("/posts/c")).await;
    let purge = over(&roan, &of("//posts/%61%20b?utm_source=x")).await;
    let targets: Vec<_> = purge.targets.iter().map(Target::as_str).collect();
    assert_eq!(
        (targets, purge.found),
        (vec!["/posts", "/posts/a%20b"], vec![1])
    );
    let first = client.count("SELECT min(id) FROM {}outbox").await;
    assert_eq!(
        (purge.id, purge.state, purge.error),
        (first, PurgeState::Done, None)
    );
    assert!(before < purge.asked && Some(purge.asked) <= purge.ended);
    let mut lines = Vec::new();
    for (number, cause) in purge.causes.iter().enumerate() {
        assert_eq!(
            (cause.kind(), cause.model()),
            (CauseKind::Rule, Some("Post"))
        );
        assert_eq!(cause.targets(), [number]);
        assert_eq!(cause.events().unwrap().to_string(), "save");
        assert!(cause.file().ends_with("tests/outbox/support.rs"), "{cause}");
        lines.push(cause.line());
    }
    assert_eq!(lines, [lines[0], lines[0] + 1]);
    let answers = purge.answers.iter();
    // A recorder has purged it again; both targets were answered alike.
    let answers: Vec<_> = answers
        .map(|answer| {
            (
                &*answer.cache,
                answer.result,
                answer.rebound,
                answer.count,
                answer.targets.len(),
            )
        })
        .collect();
    let kind = AnswerKind::Purged;
    for cache in ["first", "second"] {
        for rebound in [false, true] {
            assert!(
                answers.contains(&(cache, kind, rebound, 2, 0)),
                "{answers:?}"
            );
        }
    }
    assert_eq!(answers.len(), 4);
    assert_eq!(find(&roan, &of("/posts")).await.len(), 2);
    let next = purge.id + 1;
    assert_eq!(find(&roan, &of("/posts").after(purge.id)).await.len(), 1);
    assert_eq!(find(&roan, &of("/posts").before(next)).await.len(), 1);
    assert_eq!(find(&roan, &of("/posts").limit(1)).await[0].id, next);
    assert_eq!(find(&roan, &of("/other")).await, []);
    let all = Filter::new();
    assert_eq!(find(&roan, &all.clone().node("second")).await.len(), 2);
    assert_eq!(find(&roan, &all.clone().node("third")).await, []);
    assert_eq!(find(&roan, &all.clone().result(kind)).await.len(), 2);
    assert_eq!(find(&roan, &all.clone().result(AnswerKind::Dead)).await, []);
    assert_eq!(find(&roan, &all.clone().text("a%20b")).await.len(), 1);
    assert_eq!(find(&roan, &all.clone().since(before)).await.len(), 2);
    let later = SystemTime::now() + Duration::from_secs(60);
    assert_eq!(find(&roan, &all.since(later)).await, []);
}

async fn a_url_finds_the_purges_that_include_it(database: Database) {
    let recorder = Recorder::new();
    let roan = builder(&recorder)
        .named_site("shop", "https://shop.example.org")
        .outbox(database.outbox().await)
        .build()
        .unwrap();
    let mut client = database.client().await;
    for payload in [
        r#"{"v":2,"purge":["/docs",{"prefix":"/docs/v1/"}]}"#,
        r#"{"v":2,"purge":[{"prefix":"/docs/v2/"}]}"#,
        r#"{"v":2,"purge":[{"host":true}]}"#,
        r#"{"v":2,"purge":[{"host":true,"site":"shop"}]}"#,
        r#"{"v":2,"purge":[{"everything":true}]}"#,
        r#"{"v":1,"purge":["\/docs\/v1\/%61"]}"#,
        r#"{"v":1,"purge":["/docs/v1/%61"]}"#,
    ] {
        client
            .run(&format!(
                "INSERT INTO {{}}outbox (payload) VALUES ('{}')",
                payload.replace(
                    '\\',
                    match database.dialect() {
                        Dialect::MySql => "\\\\",
                        _ => "\\",
                    }
                )
            ))
            .await;
    }
    client
        .purge(&roan, || roan::deleted(&Tagged(7)))
        .await
        .unwrap();
    flush(&roan).await;
    let before = client.count("SELECT min(id) FROM {}outbox").await - 1;
    let ids = async |filter: Filter| -> Vec<i64> {
        let found = find(&roan, &filter).await;
        found.iter().map(|purge| purge.id - before).collect()
    };
    let page = of("/docs/v1/a");
    assert_eq!(ids(page.clone()).await, [7, 6, 5, 3, 1]);
    let tag = Target::tag("post-7").unwrap();
    assert_eq!(
        ids(page.clone().tags([tag.clone()])).await,
        [8, 7, 6, 5, 3, 1]
    );
    assert_eq!(ids(page.any_site()).await, [7, 6, 5, 4, 3, 1]);
    assert_eq!(ids(Filter::new().target(tag)).await, [8, 5]);
    let prefix = Target::prefix("/docs/v2/a/").unwrap();
    assert_eq!(ids(Filter::new().target(prefix)).await, [5, 3, 2]);
    let cause = find(&roan, &Filter::new().limit(1))
        .await
        .remove(0)
        .causes
        .remove(0);
    assert_eq!(
        (cause.model(), cause.events()),
        (Some("Tagged"), Some(Event::Delete.into()))
    );
    assert_eq!(
        find(&roan, &Filter::new().after(before + 4).before(before + 6)).await[0].causes,
        []
    );
}

async fn what_a_node_has_not_answered_at_first_is_written_down_when_it_does(database: Database) {
    let node = Faulty::start(Behaviour::Answer(503, Vec::new()));
    let roan = builder_for(Nginx::at(&node.purge_url()).unwrap())
        .outbox(database.outbox().await)
        .build()
        .unwrap();
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    client
        .wait_for_count(
            "SELECT count(*) FROM {}delivery WHERE attempts > 0 AND state = 0",
            2,
        )
        .await;
    let filter = of("/posts/a");
    let waiting = find(&roan, &filter.clone().result(AnswerKind::Failed)).await;
    let [waiting] = &*waiting else {
        panic!("{waiting:#?}");
    };
    assert_eq!((waiting.state, waiting.ended), (PurgeState::Waiting, None));
    assert_eq!(waiting.answers.len(), 2);
    assert!(
        waiting.answers[0]
            .error
            .as_ref()
            .unwrap()
            .contains("status 503")
    );
    node.set(Behaviour::Purged);
    let purge = over(&roan, &filter).await;
    assert_eq!(
        (purge.state, purge.answers.len()),
        (PurgeState::Done, 2),
        "{purge:#?}"
    );
    for (number, answer) in purge.answers.iter().enumerate() {
        assert_eq!((answer.result, answer.count), (AnswerKind::Purged, 1));
        assert!(answer.attempts > 1 && answer.error.is_none(), "{answer:?}");
        let place = answer.targets[0];
        assert!(place == number || purge.answers[1 - number].targets[0] == number);
    }
}

/// The answer to a delivery moves into the row of its purge when the delivery ends.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_moves_during_a_look_is_seen() {
    let database = Database::of(Dialect::Postgres);
    let admin = database.outbox().await.admin().await.unwrap();
    let (mut relay, mut observer) = (database.client().await, database.client().await);
    relay
        .run(r#"INSERT INTO {}outbox (id, payload, state, ended_ms) VALUES (7, '{"v":1,"purge":["/a"]}', 4, 1000)"#)
        .await;
    relay
        .run(
            "INSERT INTO {}delivery (purge_id, cache, node, target, created_ms) \
             VALUES (7, 'nginx', 'a', '\"/a\"', 1000)",
        )
        .await;
    relay.run("BEGIN").await;
    relay
        .run("LOCK TABLE {}delivery IN ACCESS EXCLUSIVE MODE")
        .await;
    let look = tokio::spawn(async move { admin.history(&Filter::new()).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%{}delivery%'";
    observer.wait_for_count(waiting, 1).await;
    relay
        .run(r#"UPDATE {}outbox SET history = '{"cache":"nginx","node":"a","result":"purged"}' WHERE id = 7"#)
        .await;
    relay.run("DELETE FROM {}delivery").await;
    relay.run("COMMIT").await;
    let found = look.await.unwrap().unwrap();
    assert_eq!(found[0].state, PurgeState::Done);
    let results: Vec<_> = found[0]
        .answers
        .iter()
        .map(|answer| answer.result)
        .collect();
    assert_eq!(results, [AnswerKind::Purged], "{found:#?}");
}

async fn what_is_dead_or_was_refused_says_why(database: Database) {
    let node = Faulty::start(Behaviour::AnswerSome("refused".to_owned(), 403));
    let roan = builder_for(Nginx::at(&node.purge_url()).unwrap())
        .outbox(database.outbox().await.grace_period(Duration::ZERO))
        .build()
        .unwrap();
    let mut client = database.client().await;
    client.save(&roan, "refused").await;
    client
        .run(r#"INSERT INTO {}outbox (payload) VALUES ('{"v":1,"purge":[{"url":"/a","site":"no"}]}')"#)
        .await;
    let purge = over(&roan, &of("/posts/refused")).await;
    assert_eq!(purge.state, PurgeState::Dead);
    let mut results: Vec<_> = purge
        .answers
        .iter()
        .map(|answer| (answer.targets[0], answer.result))
        .collect();
    results.sort_by_key(|(place, _)| *place);
    assert_eq!(results, [(0, AnswerKind::Purged), (1, AnswerKind::Refused)]);
    let refused = purge.answers.iter().find(|answer| answer.error.is_some());
    assert!(
        refused.unwrap().error.as_ref().unwrap().contains("403"),
        "{refused:?}"
    );
    let dead = over(&roan, &of("/a").any_site()).await;
    assert_eq!((dead.state, dead.answers.len()), (PurgeState::Dead, 0));
    assert!(
        dead.error
            .unwrap()
            .contains("site \"no\" is not configured")
    );
    assert_eq!(
        find(&roan, &Filter::new().result(AnswerKind::Refused))
            .await
            .len(),
        1
    );
}

async fn a_history_that_is_off_costs_no_row_anything(database: Database) {
    let recorder = Recorder::new();
    let roan = builder(&recorder)
        .outbox(database.outbox().await.history(false))
        .build()
        .unwrap();
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    flush(&roan).await;
    let purge = over(&roan, &of("/posts/a")).await;
    assert_eq!(
        (purge.state, purge.causes, purge.answers),
        (PurgeState::Done, vec![], vec![])
    );
    let payloads = client.texts("SELECT payload FROM {}outbox").await;
    assert_eq!(payloads, [r#"{"purge":["/posts","/posts/a"],"v":1}"#]);
    let noted = "SELECT count(*) FROM {}outbox WHERE history IS NOT NULL";
    assert_eq!(client.count(noted).await, 0);
}

async fn causes_that_another_program_writes_do_no_harm(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    for keys in [
        r#""by":7,"trace":[]"#,
        r#""by":[{"rule":"a:1","of":[9]}],"trace":"x""#,
    ] {
        client
            .run(&format!(
                r#"INSERT INTO {{}}outbox (payload) VALUES ('{{"v":1,"purge":["/a"],{keys}}}')"#
            ))
            .await;
    }
    flush(&roan).await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 2)
        .await;
    let found = find(&roan, &of("/a")).await;
    assert_eq!(found.len(), 2);
    client
        .run("UPDATE {}outbox SET history = 'no lines {'")
        .await;
    assert_eq!(find(&roan, &of("/a")).await[1].answers, []);
}

async fn writes_of_two_requests_are_one_replay(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    let trace = |digit: &str| format!("{}-{}", digit.repeat(32), digit.repeat(16));
    let (one, other) = (trace("1"), trace("2"));
    for payload in [
        format!(r#"{{"purge":["/a"],"v":1,"trace":"{one}"}}"#),
        format!(r#"{{"purge":["/a"],"v":1,"trace":"{other}"}}"#),
        format!(r#"{{"purge":["/b"],"v":1,"trace":"{one}"}}"#),
        // Not at its place: another program's.
        format!(r#"{{"trace":"{one}","purge":["/c"],"v":1}}"#),
        format!(r#"{{"trace":"{other}","purge":["/c"],"v":1}}"#),
    ] {
        client
            .run(&format!(
                "INSERT INTO {{}}outbox (payload) VALUES ('{payload}')"
            ))
            .await;
    }
    flush(&roan).await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 5)
        .await;
    let causes = find(&roan, &of("/b")).await.remove(0).causes;
    assert_eq!(causes[0].trace().unwrap().to_string(), one);
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    assert_eq!(roan.outbox().purge_since(an_hour_ago).await, Ok(4));
    flush(&roan).await;
    let mut again = urls(&recorder).split_off(0);
    again.dedup();
    assert_eq!(again, ["/a", "/b", "/c"]);
}

async fn a_page_of_many_rows_is_found(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    let row = |number: u32| {
        let history = r#"{"cache":"recorder","node":"recorder","result":"purged"}"#;
        format!(
            r#"('{{"purge":["/posts","/posts/{number}"],"v":1}}', 2, 99999999999999, '{history}')"#
        )
    };
    for piece in 0..25 {
        let rows: Vec<_> = (piece * 1000..(piece + 1) * 1000).map(row).collect();
        client
            .run(&format!(
                "INSERT INTO {{}}outbox (payload, state, ended_ms, history) VALUES {}",
                rows.join(", ")
            ))
            .await;
    }
    let first = client.count("SELECT min(id) FROM {}outbox").await;
    for number in [3, 12_345, 24_999] {
        let found = find(&roan, &of(&format!("/posts/{number}"))).await;
        assert_eq!(found.len(), 1, "{number}");
        assert_eq!((found[0].id, &*found[0].found), (first + number, &[1][..]));
    }
    let mut seen = 0;
    let mut filter = of("/posts").limit(7000);
    loop {
        let page = find(&roan, &filter).await;
        let Some(last) = page.last() else { break };
        assert_eq!(page[0].id, first + 24_999 - seen);
        seen += i64::try_from(page.len()).unwrap();
        filter = filter.before(last.id);
    }
    assert_eq!(seen, 25_000);
    assert_eq!(find(&roan, &of("/none")).await, []);
}

async fn many_rows_at_a_time_have_each_their_own_lines(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    for number in 0..20 {
        client.save(&roan, &number.to_string()).await;
    }
    flush(&roan).await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 20)
        .await;
    for history in client.texts("SELECT history FROM {}outbox").await {
        assert_eq!(
            history,
            "{\"cache\":\"recorder\",\"node\":\"recorder\",\"result\":\"purged\",\"verified\":true}\n"
        );
    }
}

async fn what_was_dropped_by_hand_is_not_done(database: Database) {
    let good = Faulty::start(Behaviour::Purged);
    let bad = Faulty::start(Behaviour::Answer(403, Vec::new()));
    let nginx = Nginx::at(&good.purge_url()).unwrap();
    let roan = builder_for(nginx.named_node("bad", &bad.purge_url()).unwrap())
        .outbox(database.outbox().await)
        .build()
        .unwrap();
    let mut client = database.client().await;
    client.save(&roan, "a").await;
    let before = over(&roan, &of("/posts/a")).await;
    assert_eq!(before.state, PurgeState::Dead);
    let admin = database.outbox().await.admin().await.unwrap();
    let mut watch = admin.watch(Filter::new()).await.unwrap();
    assert_eq!(roan.outbox().discard_all().await, Ok(2));
    let seen = watch.poll().await.unwrap();
    let after = over(&roan, &of("/posts/a")).await;
    assert_eq!(seen.len(), 1);
    for purge in [&seen[0], &after] {
        assert_eq!(purge.state, PurgeState::Dead);
        let dropped = purge.answers.iter().filter(|answer| *answer.node == *"bad");
        let dropped: Vec<_> = dropped.collect();
        assert_eq!(dropped.len(), 2, "{purge:#?}");
        for answer in dropped {
            assert_eq!(answer.result, AnswerKind::Dropped);
            let error = answer.error.as_deref().unwrap_or_default();
            assert!(error.starts_with("by hand (refused: "), "{error}");
        }
    }
    let found = find(&roan, &Filter::new().result(AnswerKind::Dropped)).await;
    assert_eq!(found.len(), 1);
    assert!(roan.outbox().dead(10).await.unwrap().is_empty());
}

async fn all_that_ends_at_once_is_seen_once(database: Database) {
    const MANY: usize = 25_000;
    let admin = database.outbox().await.admin().await.unwrap();
    let mut client = database.client().await;
    let mut watch = admin.watch(Filter::new()).await.unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap().as_millis();
    let row = format!(r#"('{{"v":1,"purge":["/a"]}}', 2, {now})"#);
    let rows = vec![&*row; 1000].join(", ");
    let insert = format!("INSERT INTO {{}}outbox (payload, state, ended_ms) VALUES {rows}");
    for _ in 0..MANY / 1000 {
        client.run(&insert).await;
    }
    assert_eq!(watch.poll().await.unwrap().len(), MANY);
    assert!(watch.poll().await.unwrap().is_empty());
    client
        .run(&format!(
            r#"INSERT INTO {{}}outbox (payload, state, ended_ms) VALUES ('{{"v":1,"purge":["/b"]}}', 2, {now})"#
        ))
        .await;
    assert_eq!(watch.poll().await.unwrap().len(), 1);
}
