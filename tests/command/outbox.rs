//! `roan outbox`, on each kind of database.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use roan::outbox::{Dialect, Outbox};
use roan::{Nginx, Roan};
use roan_tests::{Behaviour, Connection, Database, Faulty, wait};
use serde_json::{Value, json};

use crate::support::{Ran, roan, run};

macro_rules! on_each_database {
    ($($test:ident),* $(,)?) => { roan_tests::on_each_database!($crate::outbox::Place::start; $($test),*); };
}

pub(crate) use on_each_database;

on_each_database!(
    status_says_what_waits_and_how_each_node_is,
    dead_purges_are_listed_retried_and_dropped,
    what_waits_is_listed,
    purges_are_replayed,
    what_was_done_after_a_failure_is_kept_too,
    a_node_is_paused_for_two_apps_and_resumed,
    an_outbox_that_cannot_be_used_is_named,
);

/// An outbox of a test's own.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) prefix: String,
    pub(crate) dialect: Dialect,
    pub(crate) outbox: Outbox,
    client: Connection,
    _server: Arc<Database>,
}

impl Place {
    pub(crate) async fn start(dialect: Dialect) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = Database::shared(dialect);
        let url = server.url().to_owned();
        let prefix = format!("c{}_", NUMBER.fetch_add(1, Ordering::Relaxed));
        let outbox = Outbox::at(&url).unwrap().prefix(&prefix);
        let outbox = outbox.poll(Duration::from_millis(50));
        outbox.migrate().await.unwrap();
        Self {
            client: Connection::open(&url).await.unwrap(),
            url,
            prefix,
            dialect,
            outbox,
            _server: server,
        }
    }

    /// The time of the database in milliseconds, as SQL.
    pub(crate) fn now(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
            Dialect::MySql => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
            _ => "CAST((julianday('now') - 2440587.5) * 86400000 AS integer)",
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.of_outbox(&[&["outbox"], arguments].concat())
    }

    pub(crate) fn of_outbox(&self, arguments: &[&str]) -> Command {
        let mut command = roan(arguments);
        command
            .env("ROAN_OUTBOX", &self.url)
            .env("ROAN_OUTBOX_PREFIX", &self.prefix);
        command
    }

    /// Runs it, which must go well.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let ran = run(self.command(arguments));
        ran.assert_code(0);
        ran
    }

    /// The objects that it prints.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        self.run(&[arguments, &["--format", "json"]].concat())
            .json()
    }

    fn app(&self, first: &Faulty, second: &Faulty) -> Roan {
        let nginx = Nginx::at(&first.purge_url()).unwrap();
        Roan::builder()
            .cache(nginx.named_node("second", &second.purge_url()).unwrap())
            .rebound(None)
            .outbox(self.outbox.clone())
            .build()
            .unwrap()
    }

    pub(crate) async fn sql(&mut self, sql: &str) {
        let sql = sql.replace("{}", &self.prefix);
        self.client.run(&sql).await.unwrap();
    }

    pub(crate) async fn wait_for_count(&mut self, sql: &str, wanted: i64) {
        let sql = sql.replace("{}", &self.prefix);
        self.client.wait_for_count(&sql, wanted).await;
    }

    pub(crate) async fn write(&mut self, url: &str) {
        let payload = json!({ "v": 1, "purge": [url] });
        self.sql(&format!(
            "INSERT INTO {{}}outbox (payload) VALUES ('{payload}')"
        ))
        .await;
    }

    /// A dead purge, written at the beginning of 1970.
    pub(crate) async fn dead(&mut self, node: &str, target: &str, error: &str) {
        self.sql(&format!(
            "INSERT INTO {{}}delivery (purge_id, cache, node, target, created_ms, state, attempts, error) \
             VALUES (1, 'nginx', '{node}', '{target}', 1, 3, 4, '{error}')"
        ))
        .await;
    }
}

async fn status_says_what_waits_and_how_each_node_is(mut place: Place) {
    let text = place.run(&["status"]);
    let (scheme, rest) = place.url.split_once(':').unwrap();
    let database = match scheme {
        "sqlite" => rest,
        _ => rest.rsplit_once('@').unwrap().1,
    };
    let database = database.trim_start_matches("//").split('?').next().unwrap();
    text.assert_says(&[
        &format!("outbox   {} {database}, schema version 1", place.dialect),
        "writes   0 wait, 0 taken",
        "relays   none has work",
        "nodes    none: no app",
    ]);
    let (first, second) = (
        Faulty::start(Behaviour::Purged),
        Faulty::start(Behaviour::Answer(503, Vec::new())),
    );
    let app = place.app(&first, &second);
    place.dead("second", "\"/a\"", "timed\nout \u{1b}[2J").await;
    place.write("/posts").await;
    place
        .wait_for_count(
            "SELECT count(*) FROM {}delivery WHERE attempts > 0 AND state < 3",
            1,
        )
        .await;
    let status = place.json(&["status"]).remove(0);
    assert_eq!(status["schema"], 1);
    assert_eq!(
        (&status["writes"]["waiting"], &status["writes"]["dead"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(
        (&status["deliveries"], &status["dead"]),
        (&json!(1), &json!(1))
    );
    let node = &status["nodes"][1];
    assert_eq!(node["cache"], "nginx");
    assert_eq!(node["node"], "second");
    assert_eq!((&node["waiting"], &node["dead"]), (&json!(1), &json!(1)));
    assert_eq!(node["failing"], 1);
    assert_eq!(status["nodes"][0]["failing"], 0);
    assert_eq!(node["paused_ms"], Value::Null);
    assert!(node["seen_ms"].as_u64().unwrap() < 60_000);
    assert!(
        node["last_error"].as_str().unwrap().contains("503"),
        "{node}"
    );
    let text = place.run(&["status"]);
    text.assert_says(&[
        "node     nginx second: FAILS for 1 purge; 1 wait, the oldest",
        "; 1 dead; an app at work has it",
    ]);
    assert!(!text.stdout.contains('\u{1b}'));
    drop(app);
}

async fn dead_purges_are_listed_retried_and_dropped(mut place: Place) {
    place.run(&["dead"]).assert_says(&["no dead purge"]);
    let targets = [
        ("a", "\"/posts/1\"", "timed out"),
        ("a", "\"/posts/2\"", "failed: status 503"),
        ("b", "{\"tag\":\"news\"}", "timed\nout \u{1b}[2J"),
    ];
    for (node, target, error) in targets {
        place.dead(node, target, error).await;
    }
    place
        .sql(
            "INSERT INTO {}outbox (payload, state, error) VALUES ('nonsense', 3, 'expected value')",
        )
        .await;
    let all = place.run(&["dead"]);
    all.assert_says(&[
        "nginx a  /posts/1  4 attempts, ",
        "nginx b  {\"tag\":\"news\"}",
        ": timed\u{fffd}out \u{fffd}[2J",
        "all nodes  nonsense  0 attempts",
    ]);
    assert_eq!(all.stdout.lines().count(), 4);
    let lines = place.json(&["dead", "--limit", "2"]);
    assert_eq!(
        lines[1]["targets"],
        json!([{ "kind": "url", "text": "/posts/2", "site": null }])
    );
    let next = &lines[2]["summary"]["next"];
    assert_eq!(
        lines[2]["summary"],
        json!({ "listed": 2, "dead": 4, "next": lines[1]["id"] })
    );
    let lines = place.json(&["dead", "--after", &next.to_string()]);
    assert_eq!((lines.len(), &lines[1]["node"]), (3, &Value::Null));
    assert_eq!(
        (&lines[0]["error"], &lines[0]["result"]),
        (&json!(targets[2].2), &json!("dead"))
    );
    assert_eq!(lines[1]["result"], Value::Null);
    let id = lines[1]["id"].as_i64().unwrap();
    assert!(id < 0);
    let newest = place.json(&["dead", "--newest", "--limit", "1"]);
    assert_eq!(newest[0]["node"], "b");
    let count = |arguments: &[&str]| {
        let lines = place.json(&[&["dead", "--count"], arguments].concat());
        lines[0]["dead"].as_u64().unwrap()
    };
    assert_eq!(count(&[]), 4);
    assert_eq!(count(&["--node", "a", "--error", "timed"]), 1);
    assert_eq!(count(&["--older-than", "1h"]), 3);
    assert_eq!(count(&["--newer-than", "1h"]), 1);
    assert_eq!(count(&["--target", "/posts/", "--cache", "nginx"]), 2);
    assert_eq!(count(&[&id.to_string()]), 1);

    for verb in ["retry", "drop"] {
        run(place.command(&[verb]))
            .assert_code(2)
            .assert_says(&["--all"]);
        let bare = run(place.command(&[verb, "--all"]));
        bare.assert_code(2).assert_says(&["add --yes"]);
        let both = run(place.command(&[verb, "--all", "--yes", "--node", "a"]));
        both.assert_code(2).assert_says(&["--all is for all"]);
        place
            .run(&[verb, "--all", "--dry-run"])
            .assert_says(&[&format!("would {verb} 4 dead purges")]);
    }
    let retried = place.json(&["retry", "--error", "503"]);
    assert_eq!(retried, [json!({ "retried": 1, "dry_run": false })]);
    place
        .wait_for_count(
            "SELECT count(*) FROM {}delivery WHERE state = 0 AND attempts = 0",
            1,
        )
        .await;
    let id = id.to_string();
    let some = run(place.command(&["drop", &id, "4000000"]));
    some.assert_code(4)
        .assert_says(&["dropped 1 dead purge", "1 of 2 ids was left out"]);
    place
        .run(&["drop", "--all", "--yes"])
        .assert_says(&["dropped 2 dead purges"]);
    place
        .run(&["retry", "--all", "--yes"])
        .assert_says(&["retried 0 dead purges"]);
}

async fn what_waits_is_listed(mut place: Place) {
    place.run(&["list"]).assert_says(&["nothing waits"]);
    place.write("/posts").await;
    place
        .sql(
            "INSERT INTO {}delivery (purge_id, cache, node, target, created_ms, attempts, error) \
             VALUES (1, 'nginx', 'a', '\"/posts/1\"', 1, 2, 'timed out')",
        )
        .await;
    place.run(&["list"]).assert_says(&[
        "nginx a  /posts/1  waits, after 2 attempts, ",
        " old: timed out",
        "all nodes  {\"purge\":[\"/posts\"],\"v\":1}  waits for a relay, ",
    ]);
    let lines = place.json(&["list", "--limit", "1"]);
    assert_eq!(lines[0]["state"], "waiting");
    assert_eq!(
        lines[1]["summary"],
        json!({ "listed": 1, "next": lines[0]["id"] })
    );
    assert_eq!(place.json(&["list", "--node", "b"]).len(), 1);
}

async fn purges_are_replayed(mut place: Place) {
    let nothing = place.run(&["replay", "--since", "1h"]);
    nothing.assert_says(&[
        "the purges of 0 writes are sent again",
        "keeps no purge that is done",
    ]);
    for (age, url) in [(7_200_000, "/old"), (60_000, "/new"), (50_000, "/new")] {
        place.write(url).await;
        let now = place.now();
        place
            .sql(&format!(
                "UPDATE {{}}outbox SET state = 2, ended_ms = {now} - {age} WHERE state = 0"
            ))
            .await;
    }
    let dry = place
        .json(&["replay", "--since", "1h", "--dry-run"])
        .remove(0);
    assert_eq!(
        (&dry["replayed"], &dry["dry_run"], &dry["all_kept"]),
        (&json!(1), &json!(true), &json!(true))
    );
    let older = place.run(&[
        "replay",
        "--since",
        "2020-01-01T02:00:00+02:00",
        "--dry-run",
    ]);
    older.assert_says(&[
        "would send the purges of 2 writes again",
        "ended 2h ago",
        "retention",
    ]);
    let replayed = place.run(&["replay", "--since", "1h"]);
    replayed.assert_says(&["the purges of 1 write are sent again"]);
    assert_eq!(replayed.stderr, "");
    place
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state = 0", 1)
        .await;
    let mut why = roan(&["why", "/new"]);
    why.env("ROAN_OUTBOX", &place.url)
        .env("ROAN_OUTBOX_PREFIX", &place.prefix);
    run(why)
        .assert_code(0)
        .assert_says(&["row 4  waiting, a replay of row 2"]);
    for (since, words) in [
        ("yesterday", "write a time such as"),
        ("2020-01-01T00:00:00", "has no time zone"),
        ("2020-01-01", "write a time such as"),
        ("2020-13-01T00:00:00Z", "write a time such as"),
        ("2999-01-01T00:00:00Z", "is in the future"),
        ("90000000000000years", "write a time such as"),
    ] {
        let ran = run(place.command(&["replay", "--since", since]));
        ran.assert_code(2).assert_says(&[words]);
    }
}

async fn what_was_done_after_a_failure_is_kept_too(mut place: Place) {
    // The row of a write with a delivery: one that was answered at last is gone, and one that is dead is not.
    for (id, hours) in [(1001, 3), (1002, 5)] {
        let now = place.now();
        place
            .sql(&format!(
                "INSERT INTO {{}}outbox (id, payload, state, ended_ms) \
                 VALUES ({id}, '{{\"v\":1,\"purge\":[\"/posts\"]}}', 4, {now} - {hours} * 3600000)"
            ))
            .await;
    }
    place
        .sql(
            "INSERT INTO {}delivery (purge_id, cache, node, target, created_ms, state, error) \
             VALUES (1002, 'nginx', 'a', '\"/posts\"', 1, 3, 'timed out')",
        )
        .await;
    place
        .run(&["status"])
        .assert_says(&["kept     purges since 3h ago"]);
    let replayed = place.run(&["replay", "--since", "2h", "--dry-run"]);
    assert_eq!(replayed.stderr, "");
    let why = run(place.of_outbox(&["why", "/other"]));
    why.assert_code(0)
        .assert_says(&["It was done longer ago than 3h"]);
}

async fn a_node_is_paused_for_two_apps_and_resumed(mut place: Place) {
    let (first, second) = (
        Faulty::start(Behaviour::Purged),
        Faulty::start(Behaviour::Purged),
    );
    let apps = [place.app(&first, &second), place.app(&first, &second)];
    let paused = place.json(&["pause", "nginx", "second"]);
    let shown = json!({ "cache": "nginx", "node": "second", "paused": true, "changed": true, "waiting": 0 });
    assert_eq!(paused, [shown]);
    place
        .run(&["pause", "second"])
        .assert_says(&["was paused already, for"]);
    let is_paused = |is: bool| {
        wait::until(wait::LONG, "each app to see it", || {
            apps.iter()
                .all(|app| app.stats().nodes[1].paused.is_some() == is)
        });
    };
    is_paused(true);
    for number in 0..10 {
        place.write(&format!("/{number}")).await;
    }
    first.wait_for(10);
    place
        .wait_for_count("SELECT count(*) FROM {}delivery WHERE state = 0", 10)
        .await;
    assert_eq!(second.count(), 0);
    place
        .run(&["status"])
        .assert_says(&["nginx second: PAUSED for ", "; 10 wait, the oldest "]);
    place
        .run(&["resume", "nginx second"])
        .assert_says(&["is resumed: 10 purges waited"]);
    second.wait_for(10);
    is_paused(false);
    place
        .run(&["resume", "second"])
        .assert_says(&["was not paused"]);
    let unknown = run(place.command(&["pause", "nginx", "third"]));
    unknown.assert_code(2).assert_says(&[
        "no node is called \"nginx third\": the nodes are ",
        "\"nginx second\"",
    ]);
    place
        .sql("INSERT INTO {}node (cache, node, seen_ms) VALUES ('cdn', 'second', 1)")
        .await;
    let several = run(place.command(&["pause", "second"]));
    several
        .assert_code(2)
        .assert_says(&["several nodes: write one of \"cdn second\", \"nginx second\""]);
}

async fn an_outbox_that_cannot_be_used_is_named(mut place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.toml");
    let toml = |text: String| std::fs::write(&file, text).unwrap();
    let of_file = || {
        run(roan(&[
            "outbox",
            "status",
            "--config",
            file.to_str().unwrap(),
        ]))
    };
    let (url, prefix) = (place.url.clone(), place.prefix.clone());
    toml(format!(
        "[roan.outbox]\nurl = \"{url}\"\nprefix = \"{prefix}\"\n[[roan.caches]]\nkind = \"unknown\""
    ));
    of_file().assert_code(0).assert_says(&["schema version 1"]);
    toml("[[caches]]\nkind = \"nginx\"".to_owned());
    of_file()
        .assert_code(2)
        .assert_says(&["app.toml: has no table `[outbox]`"]);
    toml("[outbox]\nuri = \"postgres://u:secret@h/d\"".to_owned());
    let wrong = of_file();
    wrong
        .assert_code(2)
        .assert_says(&["app.toml: [outbox]: unknown field `uri`"]);
    assert!(!wrong.stderr.contains("secret"));

    let by_hand = |arguments: &[&str]| run(roan(&[&["outbox", "status"], arguments].concat()));
    by_hand(&["--database", &url, "--prefix", &prefix]).assert_code(0);
    let other = by_hand(&["--database", &url, "--prefix", "other_"]);
    other
        .assert_code(2)
        .assert_says(&["tables of the outbox are missing", "give --prefix"]);
    by_hand(&["--database", &url, "--prefix", "a b"])
        .assert_code(2)
        .assert_says(&["prefix"]);
    place.sql("UPDATE {}schema SET version = 99").await;
    let newer = by_hand(&["--database", &url, "--prefix", &prefix]);
    newer.assert_code(2).assert_says(&[
        "schema version 99",
        "Install the `roan` of the app's version",
    ]);
}

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let port = roan_tests::free_port();
    for scheme in ["postgres", "mysql"] {
        let url = format!("{scheme}://app:hunter2@127.0.0.1:{port}/blog");
        let ran = run(roan(&["outbox", "status", "--database", &url]));
        let words = format!("cannot connect to the outbox's database: 127.0.0.1:{port}/blog: ");
        ran.assert_code(3).assert_says(&[&words]);
        assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let ran = run(roan(&["outbox", "status", "--database", &url]));
    let words = format!(
        "cannot connect to the outbox's database: {}: ",
        file.display()
    );
    ran.assert_code(3).assert_says(&[&words]);
    assert!(!file.exists(), "the command makes no file");
    for (arguments, words) in [
        (&["status"][..], "set ROAN_OUTBOX"),
        (
            &["status", "--database", "oracle://u:hunter2@h/d"],
            "must begin with postgres://",
        ),
        (
            &["status", "--database", "postgres://h:x/d"],
            "cannot be read",
        ),
        (
            &[
                "status",
                "--database",
                "sqlite://a.db",
                "--config",
                "a.toml",
            ],
            "give one of them",
        ),
        (&["status", "--config", "/none.toml"], "/none.toml"),
        (&["stat"], "status"),
        (
            &["dead", "--older-than", "soon"],
            "write a number and its unit",
        ),
        (&["dead", "--limit", "0"], "--limit"),
        (&["dead", "x"], "ID"),
        (&["pause"], "NODE"),
        (&["replay"], "--since"),
    ] {
        let ran = run(roan(&[&["outbox"], arguments].concat()));
        ran.assert_code(2).assert_says(&[words]);
        assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_missing_rights_are_said() {
    let mut place = Place::start(Dialect::MySql).await;
    let (_, server) = place.url.split_once('@').unwrap();
    let url = format!("mysql://nobody:hunter2@{server}");
    let ran = run(roan(&["outbox", "status", "--database", &url]));
    assert!(matches!(ran.code, Some(2 | 3)), "{ran:?}");
    ran.assert_says(&["denied"]);
    assert!(!ran.stderr.contains("hunter2"), "{ran:?}");

    place = Place::start(Dialect::Postgres).await;
    let (prefix, reader) = (place.prefix.clone(), format!("reader_{}", place.prefix));
    place
        .sql(&format!(
            "CREATE ROLE {reader}; GRANT {reader} TO CURRENT_USER"
        ))
        .await;
    for table in ["outbox", "delivery", "relay", "node", "schema"] {
        place
            .sql(&format!("GRANT SELECT ON {{}}{table} TO {reader}"))
            .await;
    }
    place.dead("a", "\"/a\"", "timed out").await;
    let separator = if place.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}options=-c%20role%3D{reader}", place.url);
    let as_reader = |arguments: &[&str]| {
        let database = ["--database", &url, "--prefix", &prefix];
        run(roan(&[&["outbox"], arguments, &database].concat()))
    };
    as_reader(&["status"]).assert_code(0);
    as_reader(&["dead"])
        .assert_code(0)
        .assert_says(&["timed out"]);
    let refused = as_reader(&["drop", "--all", "--yes"]);
    refused.assert_code(2).assert_says(&["lacks privileges"]);
    place
        .wait_for_count("SELECT count(*) FROM {}delivery", 1)
        .await;
}
