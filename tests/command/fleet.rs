//! `roan fleet`, with nodes that a test makes.

use std::process::Command;

use roan_tests::nats::Fleet;
use roan_tests::{Nats, NatsCluster, NatsOptions, wait};
use serde_json::{Value, json};

use crate::support::{Ran, ended, roan, run};

struct Place {
    server: Nats,
    fleet: Fleet,
}

impl Place {
    async fn start() -> Self {
        let server = Nats::start(&NatsOptions::default());
        let fleet = Fleet::at(&server.url()).await;
        Self { server, fleet }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = roan(&[&["fleet"], arguments].concat());
        command.env("ROAN_FLEET", self.server.url());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let ran = self.run(&[arguments, &["--format", "json"]].concat());
        ran.assert_code(code);
        ran.json().pop().expect("an object")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_a_table_and_says_what_is_wrong() {
    let place = Place::start().await;
    let none = place.run(&["status"]);
    none.assert_code(0)
        .assert_says(&["stream  ROAN: no message", "nodes   none: no agent"]);

    let well = place.fleet.consumer("eu-1", "").await;
    place.fleet.consumer("us-1", "").await;
    let last_answer = json!({"at": 1, "outcome": "purged", "target": "/a"});
    place
        .fleet
        .beat(
            "eu-1",
            json!({"last_answer": last_answer, "acknowledged": 1}),
        )
        .await;
    place.fleet.beat("us-1", json!({})).await;
    place.fleet.publish("roan.-.url", "/a").await;
    well.acknowledge(1).await;

    let ran = place.run(&["status"]);
    ran.assert_code(0);
    let lines: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .map(|line| line.split("  ").collect())
        .collect();
    let cells = |line: &[&str]| -> Vec<String> {
        let cells = line.iter().map(|cell| cell.trim().to_owned());
        cells.filter(|cell| !cell.is_empty()).collect()
    };
    assert!(
        ran.stdout
            .starts_with("stream  ROAN: 1 message, 1 to 1, 1 kB\n"),
        "{ran:#?}"
    );
    let head = [
        "node",
        "state",
        "lag",
        "oldest",
        "acknowledged",
        "last answer",
        "heard",
    ];
    assert_eq!(cells(&lines[1]), head);
    let eu = cells(&lines[2]);
    assert_eq!(eu[..5], ["eu-1", "consuming", "0", "-", "1"], "{ran:#?}");
    assert!(
        eu[5].starts_with("purged, ") && eu[6].ends_with("s ago"),
        "{ran:#?}"
    );
    let us = cells(&lines[3]);
    assert_eq!(us[..3], ["us-1", "consuming", "1"], "{ran:#?}");
    assert!(us[3].starts_with("1, ") && us[4] == "0", "{ran:#?}");
    assert_eq!(lines.len(), 5, "{ran:#?}");
    assert!(lines[4][0].contains("has one copy"), "{ran:#?}");

    // Warnings do not change the exit code. One is that the cache has refused the last purge, since it was emptied after that.
    let seen = json!({"acknowledged": 1, "warnings": ["the app says other\u{1b}.test"]});
    place.fleet.beat("eu-1", seen).await;
    let warned = place.run(&["status"]);
    warned
        .assert_code(0)
        .assert_says(&["eu-1: the app says other\u{fffd}.test"]);
    let refused = json!({"at": 1, "outcome": "refused: status 403", "target": "/a"});
    let refused = json!({"acknowledged": 1, "last_answer": refused});
    place.fleet.beat("eu-1", refused).await;
    let ran = place.run(&["status"]);
    ran.assert_code(0).assert_says(&[
        "eu-1: its cache has answered the last purge, of /a, ",
        "ago: refused: status 403: mend that, if it is not mended. The cache is emptied after each such answer",
    ]);

    // A message waits there, if for less than a second.
    let behind = place.run(&["status", "--max-lag", "0s"]);
    behind
        .assert_code(1)
        .assert_says(&["us-1: it is behind by ", "message 1 waits, and 1 in all"]);
    place.fleet.consumer("gone", "").await;
    let because = json!({"state": "unclean", "unclean": "nginx refused /b\u{1b}[2J\u{202e}"});
    place.fleet.beat("eu-1", because).await;
    let ran = place.run(&["status"]);
    ran.assert_code(1).assert_says(&[
        "gone: nothing is known of its agent",
        "eu-1: its pages may be stale, nginx refused /b\u{fffd}[2J\u{fffd}",
    ]);
    let status = place.json(&["status"], 1);
    let names: Vec<_> = status["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| &node["node"])
        .collect();
    assert_eq!(names, ["eu-1", "gone", "us-1"]);
    let [eu, gone, us] = [0, 1, 2].map(|place| &status["nodes"][place]);
    assert_eq!((&eu["state"], &eu["lag"]), (&json!("unclean"), &json!(0)));
    assert_eq!(
        (&gone["state"], &gone["cache"]),
        (&json!("gone"), &Value::Null)
    );
    assert_eq!(
        (&us["oldest"], &us["acknowledged"], &us["problem"]),
        (&json!(1), &json!(0), &Value::Null)
    );
    assert_eq!(
        (&status["stream"], &status["last"]),
        (&json!("ROAN"), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_ends_when_the_last_live_node_has_the_message() {
    let place = Place::start().await;
    let first = place.fleet.consumer("first", "").await;
    let second = place.fleet.consumer("second", "").await;
    for url in ["/a", "/b"] {
        place.fleet.publish("roan.-.url", url).await;
    }
    first.acknowledge(2).await;
    second.acknowledge(1).await;
    for (node, acknowledged) in [("first", 2), ("second", 1)] {
        let beat = json!({"acknowledged": acknowledged});
        place.fleet.beat(node, beat).await;
    }
    place
        .run(&["wait", "1"])
        .assert_code(0)
        .assert_says(&["message 1 is at all 2 live nodes"]);

    let late = place.run(&["wait", "--timeout", "1ms"]);
    late.assert_code(1).assert_says(&[
        "message 2 is not yet at second",
        "message 2 is missing at 1 live node",
        "second: 1 wait there, from message 2 on",
    ]);
    let late = place.json(&["wait", "--timeout", "1ms"], 1);
    let expected = json!([
        {"node": "first", "state": "consuming", "live": true, "has": true},
        {"node": "second", "state": "consuming", "live": true, "has": false},
    ]);
    assert_eq!(
        (&late["sequence"], &late["done"], &late["nodes"]),
        (&json!(2), &json!(false), &expected)
    );

    let mut waiting = place.command(&["wait", "2"]).spawn().unwrap();
    let stderr = waiting.stderr.take().unwrap();
    let mut stderr = std::io::BufReader::new(stderr);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    assert!(line.contains("message 2 is not yet at second"), "{line}");
    assert!(waiting.try_wait().unwrap().is_none(), "it waits");
    second.acknowledge(1).await;
    place.fleet.beat("second", json!({"acknowledged": 2})).await;
    ended(waiting)
        .assert_code(0)
        .assert_says(&["message 2 is at all 2 live nodes"]);

    // A message that comes meanwhile is not waited for.
    place.fleet.publish("roan.-.url", "/c").await;
    place.run(&["wait", "2"]).assert_code(0);
    place
        .run(&["wait", "4"])
        .assert_code(2)
        .assert_says(&["does not have message 4: its last one is 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_names_a_node_that_is_gone_and_lacks_it() {
    let place = Place::start().await;
    let live = place.fleet.consumer("live", "").await;
    place.fleet.consumer("gone", "").await;
    place.fleet.publish("roan.-.url", "/a").await;
    live.acknowledge(1).await;
    place.fleet.beat("live", json!({"acknowledged": 1})).await;
    let ran = place.run(&["wait"]);
    ran.assert_code(4).assert_says(&[
        "message 1 is at the one live node",
        "gone has been gone for",
        "and lacks it",
    ]);
    assert_eq!(place.json(&["wait"], 4)["done"], true);
    // A node that has given it up does not have it, whatever it has acknowledged.
    place
        .fleet
        .beat("live", json!({"state": "unclean", "unclean": "refused"}))
        .await;
    let unclean = place.run(&["wait", "--timeout", "1ms"]);
    unclean
        .assert_code(1)
        .assert_says(&["live: its pages may be stale, refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_ends_by_a_signal() {
    let place = Place::start().await;
    place.fleet.consumer("late", "").await;
    place.fleet.beat("late", json!({})).await;
    place.fleet.publish("roan.-.url", "/a").await;
    let mut waiting = place.command(&["wait"]).spawn().unwrap();
    let mut stderr = std::io::BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    let pid = rustix::process::Pid::from_child(&waiting);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    // Its notes have a reader until it ends.
    std::io::Read::read_to_string(&mut stderr, &mut line).unwrap();
    ended(waiting)
        .assert_code(130)
        .assert_says(&["message 1 is missing at 1 live node"]);
}

/// Nobody answers for the stream while the servers that are left elect its leader.
#[tokio::test(flavor = "multi_thread")]
async fn status_and_wait_outlast_an_election() {
    let mut cluster = NatsCluster::start(&NatsOptions::default());
    let fleet = Fleet::with_copies(3, &cluster.url()).await;
    let last = fleet.publish("roan.-.url", "/a").await;
    // It begins after the message: an acknowledgement could be lost with the leader.
    fleet.consumer("eu-1", "").await;
    fleet.beat("eu-1", json!({"acknowledged": last})).await;
    let leader = cluster.leader_of("ROAN").unwrap();
    cluster.servers[leader].kill();
    let url = cluster.servers[(leader + 1) % 3].url();
    let looks = [&["fleet", "status"][..], &["fleet", "wait"]].map(|arguments| {
        let mut command = roan(arguments);
        command.env("ROAN_FLEET", &url);
        tokio::task::spawn_blocking(|| run(command))
    });
    for look in looks {
        look.await.unwrap().assert_code(0);
    }
    let missing = format!("hears nothing from its copies at n{}", leader + 1);
    wait::until(wait::LONG, "status to name the copy that is away", || {
        let mut status = roan(&["fleet", "status"]);
        status.env("ROAN_FLEET", &url);
        run(status).stdout.contains(&missing)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn drop_forgets_a_node_that_is_gone() {
    let place = Place::start().await;
    place.fleet.consumer("live", "").await;
    place.fleet.beat("live", json!({})).await;
    place.fleet.consumer("gone", "").await;
    place.fleet.publish("roan.-.url", "/a").await;
    let unknown = place.run(&["drop", "other", "--yes"]);
    unknown
        .assert_code(2)
        .assert_says(&["no node is called \"other\": the nodes are gone, live"]);
    place
        .run(&["drop", "live", "--yes"])
        .assert_code(2)
        .assert_says(&["the agent of live is alive", "stop it first"]);
    place
        .run(&["drop", "gone"])
        .assert_code(2)
        .assert_says(&["for which 1 message wait", "add --yes"]);
    place
        .run(&["drop", "gone", "--yes"])
        .assert_code(0)
        .assert_says(&["gone is dropped"]);
    let left = place.json(&["status", "--max-lag", "1h"], 0);
    assert_eq!(left["nodes"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_cannot_be_asked_is_named() {
    run(roan(&["fleet", "status"]))
        .assert_code(2)
        .assert_says(&[
            "no fleet is named",
            "ROAN_FLEET=nats://10.0.0.5:4222 roan fleet status",
        ]);
    run(roan(&["fleet", "status", "--nats", "http://a"]))
        .assert_code(2)
        .assert_says(&["nats://nats-1.internal:4222"]);
    run(roan(&["fleet", "wait", "0", "--nats", "a"]))
        .assert_code(2)
        .assert_says(&["0 is not in 1.."]);
    run(roan(&[
        "fleet",
        "status",
        "--max-lag",
        "soon",
        "--nats",
        "a",
    ]))
    .assert_code(2)
    .assert_says(&["such as `30s`"]);
    let nowhere = format!("nats://127.0.0.1:{}", roan_tests::free_port());
    run(roan(&["fleet", "status", "--nats", &nowhere]))
        .assert_code(3)
        .assert_says(&["cannot connect to", &nowhere]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let with_file = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        run(roan(&[
            "fleet",
            "status",
            "--config",
            file.path().to_str().unwrap(),
        ]))
    };
    with_file("[[caches]]\nkind = \"nginx\"")
        .assert_code(2)
        .assert_says(&["nor a table `[agent]`"]);
    with_file("[agent]\nnats = \"ftp://a\"")
        .assert_code(2)
        .assert_says(&["nats: \"ftp://a\" is not a URL"]);
    let named = [
        format!("[agent]\nnats = \"{nowhere}\"\nnode = \"a\"\nlisten = \"b\""),
        format!("[[caches]]\nkind = \"nginx\"\n[[caches]]\nkind = \"fleet\"\nnats = \"{nowhere}\""),
        format!("[[roan.caches]]\nkind = \"fleet\"\nnats = \"{nowhere}\"\nreplicas = 3"),
    ];
    for text in named {
        with_file(&text)
            .assert_code(3)
            .assert_says(&["cannot connect to", &nowhere]);
    }
    let server = Nats::start(&NatsOptions::default());
    let no_stream = run(roan(&["fleet", "status", "--nats", &server.url()]));
    no_stream
        .assert_code(1)
        .assert_says(&["there is no stream ROAN"]);
    let closed = Nats::start(&NatsOptions::default().token("secret-token"));
    let denied = run(roan(&["fleet", "status", "--nats", &closed.url()]));
    denied
        .assert_code(2)
        .assert_says(&["refuses the connection"]);
}

/// What the settings of a stream can lose is for the start of an app, of an agent, and for `roan fleet status`.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_does_not_repeat_what_the_status_says_of_the_stream() {
    let place = Place::start().await;
    let mut purge = roan(&["purge", "/a"]);
    purge
        .env("ROAN_FLEET", place.server.url())
        .env("ROAN_SITE", "https://www.example.org");
    let ran = run(purge);
    ran.assert_code(0);
    assert!(!ran.stderr.contains("has one copy"), "{}", ran.stderr);
    place
        .run(&["status"])
        .assert_code(0)
        .assert_says(&["has one copy", "`sync_interval: always`"]);
    let said = place.json(&["status"], 0);
    assert_eq!(said["problem"], Value::Null);
    let warning = said["warnings"][0].as_str().unwrap();
    assert!(warning.contains("has one copy"), "{warning}");
    let mut synced = place.command(&["status"]);
    synced.env("ROAN_FLEET_SYNCED", "1");
    let ran = run(synced);
    ran.assert_code(0);
    assert!(!ran.stdout.contains("has one copy"), "{}", ran.stdout);
}
