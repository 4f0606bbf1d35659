//! A transaction that stays open keeps what has ended in PostgreSQL's indexes: looks must not pass it again and again.

use roan::outbox::Dialect;
use roan::testing::Recorder;
use roan_tests::logged::{self, errors_with};

use crate::support::{Client, Database, LONG, builder, flush, on_each_database, urls};

on_each_database!(a_row_far_below_others_is_found);

const ROWS: i64 = 20_000;

/// Of the indexes of the outbox: how often they were used, and how many entries were read.
async fn read(client: &mut Client) -> (i64, i64) {
    // What a session counts is seen by others about a second later.
    let of_indexes = "FROM pg_stat_user_indexes WHERE relname = '{}outbox'";
    let scans = format!("SELECT sum(idx_scan)::bigint {of_indexes}");
    let entries = format!("SELECT sum(idx_tup_read)::bigint {of_indexes}");
    (client.count(&scans).await, client.count(&entries).await)
}

async fn done_rows(client: &mut Client) {
    client
        .run(&format!(
            "INSERT INTO {{}}outbox (payload) \
             SELECT '{{\"v\":1,\"purge\":[\"/' || n % 10 || '\"]}}' FROM generate_series(1, {ROWS}) AS n"
        ))
        .await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", ROWS)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_relay_does_not_read_what_an_open_snapshot_keeps() {
    // One reads only, as pg_dump does; the other has written, as a long import does.
    for open in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM {}posts",
        "BEGIN; INSERT INTO {}posts VALUES ('x')",
    ] {
        let database = Database::of(Dialect::Postgres);
        let recorder = Recorder::new();
        let outbox = database.outbox().await;
        let mut holder = database.client().await;
        holder.run(open).await;
        let roan = builder(&recorder).outbox(outbox).build().unwrap();
        let mut client = database.client().await;
        done_rows(&mut client).await;
        flush(&roan).await;
        // Until the looks have become rare, and have passed the rows.
        let (mut before, mut entries_before) = read(&mut client).await;
        let mut quiet = 0;
        for _ in 0..100 {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            let (scans, entries) = read(&mut client).await;
            if scans - before < 40 {
                continue;
            }
            // A look that passes all of them is rare: one in ten seconds.
            let is_quiet = entries - entries_before < ROWS / 10;
            quiet += u32::from(is_quiet);
            (before, entries_before) = (scans, entries);
            if quiet == 3 {
                break;
            }
        }
        assert_eq!(quiet, 3, "{open}: the looks read what has ended");
        holder.run("COMMIT").await;
    }
}

async fn a_row_far_below_others_is_found(database: Database) {
    if database.dialect() == Dialect::Sqlite {
        return; // one writer at a time
    }
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let (mut early, mut late) = (database.client().await, database.client().await);
    early.run("BEGIN").await;
    early.save(&roan, "early").await;
    // Each is a look at least, so that the early transaction is no longer waited for.
    for number in 0..40 {
        late.save(&roan, &format!("late-{number}")).await;
        let sql = "SELECT count(*) FROM {}outbox WHERE state > 0";
        late.wait_for_count(sql, number + 1).await;
    }
    early.run("COMMIT").await;
    late.wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", 41)
        .await;
    assert!(urls(&recorder).contains(&"/posts/early".to_owned()));
}

/// A person's insert, or a restore or failover that leaves the sequence behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_high_id_does_not_make_every_later_purge_late() {
    logged::start();
    let database = Database::of(Dialect::Postgres);
    let recorder = Recorder::new();
    let roan = database.roan(&recorder).await;
    let mut client = database.client().await;
    let high =
        r#"INSERT INTO {}outbox (id, payload) VALUES (1000000, '{"v":1,"purge":["/high"]}')"#;
    client.run(high).await;
    flush(&roan).await;
    let table = format!("{}outbox", database.prefix);
    let wanted = format!(
        "SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
    );
    let end = std::time::Instant::now() + 2 * LONG;
    let mut number = 0;
    // Each flush is a look at all ids.
    while errors_with(&wanted).is_empty() {
        assert!(std::time::Instant::now() < end, "it is not noticed");
        client.save(&roan, &format!("low-{number}")).await;
        flush(&roan).await;
        number += 1;
    }
    assert!(number > 3, "{number}");
    for last in ["a", "b", "c", "d", "e"] {
        client.save(&roan, last).await;
        number += 1;
        client
            .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 2", number + 1)
            .await;
    }
    assert_eq!(errors_with(&wanted).len(), 1);
}
