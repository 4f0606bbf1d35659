//! Whatever rows hold, all others leave.

use roan::outbox::{Dialect, OutboxError};
use roan::testing::Recorder;
use roan_tests::wait;

use crate::support::{Client, Database, LONG, builder, on_each_database, urls};

on_each_database!(
    rows_with_any_content_hold_up_no_other,
    the_good_half_of_a_payload_is_purged_and_the_row_is_dead,
    a_payload_with_targets_and_rows_loses_neither,
    what_a_node_has_not_answered_may_be_unreadable,
    an_error_that_cannot_be_stored_ends_in_what_can,
);

/// What is written into columns of texts, as SQL.
fn texts(dialect: Dialect) -> Vec<String> {
    let mut texts: Vec<String> = [
        "''",
        "'x'",
        "'{'",
        "'null'",
        "'[]'",
        "'\"/quoted\"'",
        "'{\"v\":1}'",
        "'{\"v\":99,\"purge\":[\"/newer\"]}'",
        "'{\"v\":1,\"purge\":[\"no-slash\",7,null]}'",
        "'{\"v\":1,\"purge\":[\"/half\",\"bad half\"]}'",
        "'{\"v\":1,\"table\":\"nobody\",\"event\":\"create\",\"rows\":[]}'",
        "'\u{e9}\u{1f600}'",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push(format!("'{}'", "long".repeat(10_000)));
    match dialect {
        Dialect::Sqlite => texts.extend(
            [
                "CAST(x'80' AS text)",
                "x'ff00fe'",
                "CAST(x'007f' AS text)",
                "7",
                "1.5",
                "char(0)",
            ]
            .map(str::to_owned),
        ),
        Dialect::MySql => texts.extend(["char(0)", "concat('a', char(0))"].map(str::to_owned)),
        // Where the database allows it.
        _ => texts.push("convert_from('\\x80ff'::bytea, 'SQL_ASCII')".to_owned()),
    }
    texts
}

/// What is written into columns of numbers.
fn numbers(dialect: Dialect) -> Vec<&'static str> {
    let mut numbers = vec![
        "0",
        "1",
        "-1",
        "7",
        "32767",
        "9223372036854775807",
        "-9223372036854775808",
    ];
    if dialect == Dialect::Sqlite {
        numbers.extend(["'text'", "''", "1e300", "x'00'"]);
    }
    numbers
}

/// Rows with random content in all columns of all tables that hold rows of work.
async fn fill_with_anything(
    client: &mut Client,
    dialect: Dialect,
    random: &mut fastrand::Rng,
    rows: usize,
) {
    let texts = texts(dialect);
    let numbers = numbers(dialect);
    for _ in 0..rows {
        let text = |random: &mut fastrand::Rng| texts[random.usize(..texts.len())].clone();
        let number = |random: &mut fastrand::Rng| numbers[random.usize(..numbers.len())].to_owned();
        let state = if random.u8(..4) == 0 {
            number(random)
        } else {
            "0".to_owned()
        };
        let sql = match random.u8(..5) {
            0..=1 => format!(
                "INSERT INTO {{}}outbox (created_ms, payload, state, relay, ended_ms, error) VALUES ({}, {}, {state}, {}, {}, {})",
                number(random),
                text(random),
                number(random),
                number(random),
                text(random)
            ),
            2..=3 => format!(
                "INSERT INTO {{}}delivery (purge_id, cache, node, target, created_ms, state, relay, attempts, due_ms, error) \
                 VALUES ({}, {}, {}, {}, {}, {state}, {}, {}, {}, {})",
                number(random),
                if random.bool() {
                    "'recorder'".to_owned()
                } else {
                    text(random)
                },
                if random.bool() {
                    "'recorder'".to_owned()
                } else {
                    text(random)
                },
                text(random),
                number(random),
                number(random),
                number(random),
                number(random),
                text(random)
            ),
            _ => format!(
                "INSERT INTO {{}}relay (id, beat) VALUES ({}, {})",
                number(random),
                number(random)
            ),
        };
        // What the database itself refuses is nobody's problem.
        let _ = client.try_run(&sql).await;
    }
}

async fn rows_with_any_content_hold_up_no_other(database: Database) {
    let databases = match database.sql_ascii().await {
        Some(ascii) => vec![database, ascii],
        None => vec![database],
    };
    for database in databases {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let recorder = Recorder::new();
        let outbox = database.outbox().await;
        let dialect = outbox.dialect();
        let mut client = database.client().await;
        fill_with_anything(&mut client, dialect, &mut random, 300).await;
        let roan = builder(&recorder).outbox(outbox).build().unwrap();
        for number in 0..20 {
            client.save(&roan, &format!("good-{number}")).await;
            fill_with_anything(&mut client, dialect, &mut random, 30).await;
        }
        let wanted = |number| format!("/posts/good-{number}");
        let what = format!("all good purges with seed {seed} on {dialect}");
        wait::until_ok(LONG, &what, || {
            let is_purged = |number| urls(&recorder).contains(&wanted(number));
            let all = (0..20).all(is_purged);
            all.then_some(())
                .ok_or_else(|| format!("{:?}", roan.outbox().current_error()))
        });
        // What cannot be read is dead, and says why; nothing of it is taken again and again. (A row may say that a relay has
        // taken it which will be alive for years, so not all rows are dead.)
        client
            .wait_for_count(
                "SELECT count(*) FROM {}outbox WHERE state = 0 AND ended_ms = 0",
                0,
            )
            .await;
        let mut reasons = vec!["payload is not valid JSON"];
        if dialect == Dialect::Sqlite {
            reasons.push("is not UTF-8");
        }
        wait::until_async(LONG, &format!("{reasons:?} (seed {seed})"), async || {
            let dead = roan.outbox().dead(100_000).await.expect("a list");
            let is_said = |reason: &&str| dead.iter().any(|purge| purge.error.contains(*reason));
            reasons.iter().all(is_said)
        })
        .await;
        assert_eq!(roan.outbox().current_error(), None, "seed {seed}");
    }
}

async fn the_good_half_of_a_payload_is_purged_and_the_row_is_dead(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    client
        .run(r#"INSERT INTO {}outbox (payload) VALUES ('{"v":1,"purge":["/a","b",{"url":"/c"}]}')"#)
        .await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 3", 1)
        .await;
    assert_eq!(urls(&recorder), ["/a", "/c"]);
    let dead = roan.outbox().dead(10).await.unwrap();
    assert!(dead[0].error.contains("purge[1]"), "{}", dead[0].error);
}

async fn a_payload_with_targets_and_rows_loses_neither(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    for payload in [
        r#"{"v":1,"purge":["/both"],"table":"posts","event":"create","rows":[{"slug":"both"}]}"#,
        r#"{"v":1,"table":"posts","event":"create","rows":[1,{"slug":"good"}]}"#,
        r#"{"v":1,"purge":["/good"],"table":"posts","event":"created","rows":[]}"#,
    ] {
        let sql = format!("INSERT INTO {{}}outbox (payload) VALUES ('{payload}')");
        client.run(&sql).await;
    }
    for (state, rows) in [(2, 1), (3, 2)] {
        let sql = format!("SELECT count(*) FROM {{}}outbox WHERE state = {state}");
        client.wait_for_count(&sql, rows).await;
    }
    let mut purged = urls(&recorder);
    purged.dedup();
    assert_eq!(
        purged,
        ["/both", "/good", "/posts", "/posts/both", "/posts/good"]
    );
    let dead = roan.outbox().dead(10).await.unwrap();
    let mut errors: Vec<_> = dead.iter().map(|dead| dead.error.to_string()).collect();
    errors.sort();
    assert!(
        errors[0].starts_with("payload does not have an `event`"),
        "{errors:?}"
    );
    assert_eq!(errors[1], "rows[0]: 1 is not an object");
}

async fn what_a_node_has_not_answered_may_be_unreadable(database: Database) {
    let recorder = Recorder::new();
    let outbox = database.outbox().await;
    let mut client = database.client().await;
    for target in ["'nonsense'", "'\"/good\"'"] {
        client
            .run(&format!(
                "INSERT INTO {{}}delivery (purge_id, cache, node, target, created_ms) VALUES (1, 'recorder', 'recorder', {target}, 9000000000000)"
            ))
            .await;
    }
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    client
        .wait_for_count("SELECT count(*) FROM {}delivery WHERE state = 3", 1)
        .await;
    client
        .wait_for_count("SELECT count(*) FROM {}delivery", 1)
        .await;
    assert_eq!(urls(&recorder), ["/good"]);
    let dead = roan.outbox().dead(10).await.unwrap();
    assert_eq!((&*dead[0].node, &*dead[0].target), ("recorder", "nonsense"));
}

async fn an_error_that_cannot_be_stored_ends_in_what_can(database: Database) {
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    // The error quotes what it has found: a NUL, and far more than a column holds.
    let unknown = format!("\\u0000{}", "x".repeat(70_000));
    client
        .run(&format!(
            r#"INSERT INTO {{}}outbox (payload) VALUES ('{{"v":1,"purge":[{{"{}":1}}]}}')"#,
            if database.dialect() == Dialect::MySql {
                unknown.replace('\\', "\\\\")
            } else {
                unknown
            }
        ))
        .await;
    client.save(&roan, "good").await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 3", 1)
        .await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 1)
        .await;
    assert_eq!(roan.outbox().dead(10).await.map(|dead| dead.len()), Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_were_lost_in_part_are_named_and_others_are_made() {
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        let database = Database::of(dialect);
        let outbox = database.outbox().await;
        let mut client = database.client().await;
        client.run("DELETE FROM {}schema").await;
        assert_eq!(outbox.migrate().await, Ok(()), "{dialect}");
        assert_eq!(client.count("SELECT max(version) FROM {}schema").await, 1);

        client.run("DROP TABLE {}outbox").await;
        let Err(OutboxError::Incomplete(missing)) = outbox.migrate().await else {
            panic!("{dialect}: no table is missing");
        };
        assert!(missing.ends_with("outbox"), "{missing}");

        for table in [
            "delivery", "relay", "node", "page", "page_key", "fence", "epoch",
        ] {
            client.run(&format!("DROP TABLE {{}}{table}")).await;
        }
        assert_eq!(outbox.migrate().await, Ok(()), "{dialect}");
        assert_eq!(client.count("SELECT count(*) FROM {}schema").await, 1);
        builder(&Recorder::new()).outbox(outbox).build().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_autocommit_keeps_what_roan_writes() {
    let server = Database::of(Dialect::MySql).own_server().expect("a server");
    let mut client = server.database.client().await;
    client.run("SET GLOBAL autocommit = 0").await;
    let outbox = server.database.outbox().await;
    assert_eq!(client.count("SELECT count(*) FROM {}schema").await, 1);
    let recorder = Recorder::new();
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    client.save(&roan, "a").await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 1)
        .await;
}
