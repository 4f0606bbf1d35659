//! What people type wrongly about an outbox, and what must not come of it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use roan::outbox::Dialect;
use roan_tests::Connection;

use crate::outbox::{Place, on_each_database};
use crate::support::{ended, roan, run};

on_each_database!(
    another_programs_table_is_not_taken_for_an_outbox,
    unknown_ids_are_counted,
);

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_value_is_refused_and_does_not_mean_all() {
    let mut place = Place::start(Dialect::Sqlite).await;
    place.dead("a", "\"/posts/1\"", "timed out").await;
    for verb in ["retry", "drop", "dead", "list"] {
        for option in [
            "--error",
            "--target",
            "--cache",
            "--node",
            "--older-than",
            "--newer-than",
            "--prefix",
        ] {
            for value in ["", " "] {
                let ran = run(place.command(&[verb, &format!("{option}={value}")]));
                ran.assert_code(2).assert_says(&[option]);
            }
        }
        run(place.command(&[verb, ""])).assert_code(2);
    }
    place.run(&["dead"]).assert_says(&["timed out"]);
    for arguments in [
        &["outbox", "replay", "--since", ""][..],
        &["outbox", "pause", ""],
        &["outbox", "status", "--database", ""],
        &["outbox", "status", "--config", ""],
        &["why", ""],
        &["why", "--tag", ""],
        &["why", "--below", ""],
        &["why", "/a", "--site", ""],
        &["why", "/a", "--node", ""],
        &["why", "/a", "--since", ""],
        &["watch", "--text", ""],
        &["watch", "--node", ""],
        &["watch", "--every", ""],
        &["purge", ""],
        &["purge", "/a", "--purge-url", ""],
        &["purge", "/a", "--site", ""],
        &["purge", "--tag", ""],
        &["purge", "--prefix", ""],
        &["purge", "--sitemap", ""],
        &["purge", "--file", ""],
        &["purge", "/a", "--config", ""],
        &["doctor", ""],
        &["doctor", "http://site.test/", "--app", ""],
        &["doctor", "http://site.test/", "--purge-url", ""],
        &["vcl", "--site", ""],
        &["nginx-conf", "--site", ""],
        &["init", "--roan-path", ""],
        &["init", ""],
    ] {
        let ran = run(place.of_outbox(arguments));
        ran.assert_code(2);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

/// Wherever it is written, no message has it.
#[test]
fn no_message_quotes_a_value_of_the_file() {
    const SECRET: &str = "hunter2";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.toml");
    let name = file.to_str().unwrap();
    for (text, words) in [
        (
            "outbox = \"postgres://me:hunter2@h/d\"",
            "`outbox` is not a table: write `[outbox]`",
        ),
        (
            "outbox = [\"postgres://me:hunter2@h/d\"]",
            "`outbox` is not a table",
        ),
        (
            "roan = \"postgres://me:hunter2@h/d\"",
            "`roan` is not a table: write `[roan]`",
        ),
        (
            "[outbox]\nurl = [\"postgres://me:hunter2@h/d\"]",
            "[outbox]: invalid type: sequence",
        ),
        ("[outbox]\nurl = \"postgres://me:hunter2@h/d", "line 2: "),
        ("[outbox]\nurl = postgres://me:hunter2@h/d", "line 2: "),
        (
            "[outbox]\nurl = \"postgres://h/d\"\nnotify = \"hunter2\"",
            "string (not shown)",
        ),
        (
            "[outbox]\nurl = \"postgres://h/d\"\nmax_attempts = \"hunter2\"",
            "string (not shown)",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let ran = run(roan(&["outbox", "status", "--config", name]));
        ran.assert_code(2).assert_says(&["app.toml: ", words]);
        assert!(!ran.stderr.contains(SECRET), "{ran:#?}");
    }
    for (text, words) in [
        (
            "caches = \"http://me:hunter2@h/purge\"",
            "string (not shown)",
        ),
        ("site = [\"http://me:hunter2@h\"]", "invalid type: sequence"),
        ("sites = \"http://me:hunter2@h\"", "string (not shown)"),
        (
            "[[caches]]\nkind = \"nginx\"\nnodes = \"http://me:hunter2@h/purge\"",
            "string (not shown)",
        ),
        (
            "[[caches]]\nkind = \"cloudflare\"\nzone = \"z\"\ntoken = [\"hunter2\"]",
            "app.toml",
        ),
        (
            "[[caches]]\nkind = \"cloudflare\"\nzone = \"z\"\ntoken = \"hunter2",
            "line 4: ",
        ),
        (
            "[[caches]]\nkind = \"http\"\nheaders = \"Authorization: hunter2\"",
            "app.toml",
        ),
        ("max_waiting = \"hunter2\"", "string (not shown)"),
        ("timeout = 2 hunter2", "line 1: "),
    ] {
        std::fs::write(&file, text).unwrap();
        let ran = run(roan(&["purge", "/a", "--config", name]));
        ran.assert_code(2).assert_says(&[words]);
        assert!(!ran.stderr.contains(SECRET), "{ran:#?}");
    }
    // A token may be a number.
    std::fs::write(&file, "[outbox]\nurl = 31415926").unwrap();
    let ran = run(roan(&["outbox", "status", "--config", name]));
    ran.assert_code(2).assert_says(&["integer (not shown)"]);
    assert!(!ran.stderr.contains("31415926"), "{ran:#?}");
}

async fn another_programs_table_is_not_taken_for_an_outbox(mut place: Place) {
    place
        .sql("CREATE TABLE {}x_schema (name varchar(20))")
        .await;
    let prefix = format!("{}x_", place.prefix);
    for arguments in [&["outbox", "status"][..], &["why", "/a"], &["watch"]] {
        let other = run(place.of_outbox(&[arguments, &["--prefix", &prefix]].concat()));
        other.assert_code(2).assert_says(&[
            &format!("{prefix}schema is not Roan's"),
            "version",
            "another program's database",
            "give --prefix",
        ]);
        assert!(!other.stderr.contains("at line"), "{other:#?}");
    }
    // Nor by a program that makes its tables.
    let migrated = place.outbox.clone().prefix(&prefix).migrate().await;
    let error = migrated.unwrap_err().to_string();
    assert!(error.contains("is not Roan's"), "{error}");
}

async fn unknown_ids_are_counted(mut place: Place) {
    place.dead("a", "\"/posts/1\"", "timed out").await;
    let id = place.json(&["dead"])[0]["id"].to_string();
    for arguments in [
        &["dead", &id, "4000000", "-4000000"][..],
        &["dead", "--count", &id, "4000000", "-4000000"],
    ] {
        let ran = run(place.command(arguments));
        ran.assert_code(4)
            .assert_says(&["2 of 3 ids were left out: not dead"]);
    }
    run(place.command(&["list", &id]))
        .assert_code(4)
        .assert_says(&["1 of 1 id was left out: not waiting"]);
    run(place.command(&["dead", &id])).assert_code(0);
    // The next page may have it.
    let second = ["dead", "--limit", "1", "--after", &id, &id];
    run(place.command(&second)).assert_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_that_have_no_effect_are_named() {
    let place = Place::start(Dialect::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.toml");
    let (url, prefix) = (&place.url, &place.prefix);
    let text = format!("[outbox]\nurl = \"{url}\"\nprefix = \"{prefix}\"");
    std::fs::write(&file, text).unwrap();
    let name = file.to_str().unwrap();
    let ran = place.run(&["status", "--config", name]);
    let words =
        "is read in place of the environment, so ROAN_OUTBOX and ROAN_OUTBOX_PREFIX have no effect";
    ran.assert_says(&[words]);
    let ran = run(roan(&["outbox", "status", "--config", name]));
    ran.assert_code(0);
    assert_eq!(ran.stderr, "");
    let ran = run(place.command(&["status", "--database", url]));
    ran.assert_says(&["so ROAN_OUTBOX_PREFIX has no effect; write --prefix"]);
    let ran = place.run(&["status", "--database", url, "--prefix", prefix]);
    assert_eq!(ran.stderr, "");
}

/// Nothing else shows why the command is silent.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_behind_a_lock_says_that_it_waits() {
    let place = Place::start(Dialect::Postgres).await;
    let mut other = Connection::open(&place.url).await.unwrap();
    let lock = format!("BEGIN; LOCK TABLE {}outbox", place.prefix);
    other.run(&lock).await.unwrap();
    let mut status = place.command(&["status"]);
    let status = status.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut status = status.spawn().unwrap();
    let mut said = BufReader::new(status.stderr.take().unwrap());
    let said = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        line
    });
    let said = tokio::time::timeout(Duration::from_secs(60), said).await;
    let said = said.expect("it says why").unwrap();
    assert!(said.contains("still waiting for the database"), "{said}");
    other.run("COMMIT").await.unwrap();
    ended(status)
        .assert_code(0)
        .assert_says(&["writes   0 wait"]);
}
