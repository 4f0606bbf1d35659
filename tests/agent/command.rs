//! `roan agent`: killed, asked to end, and asked where it stands.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use roan_tests::{Browser, HOST, Nats, NatsOptions, wait};

use crate::stand::{LONG, NODE, Stand};

/// The command, without the environment of the test.
fn roan(arguments: &[&str], nats: &str, purge_url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roan-tests-command"));
    command
        .arg("agent")
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("ROAN_FLEET", nats)
        .env("ROAN_FLEET_REPLICAS", "1")
        .env("ROAN_NODE", NODE)
        .env("ROAN_PURGE_URL", purge_url)
        .env("ROAN_SITE", HOST)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn output(command: &mut Command) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// An agent in a process of its own.
struct Process {
    child: Child,
    health: Browser,
}

impl Process {
    fn start(stand: &Stand, arguments: &[&str]) -> Self {
        let empty = stand.empty();
        let mut all = vec!["--listen", "127.0.0.1:0", "--empty-with", &empty];
        all.extend(arguments);
        let mut command = roan(&all, &stand.nats.url(), &stand.nginx.purge_url());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                println!("{line}");
                if let Some((_, address)) = line.split_once("its health is at http://") {
                    let _ = sender.send(address.trim_end_matches('/').parse().unwrap());
                }
            }
        });
        let address = receiver.recv_timeout(LONG).unwrap();
        Self {
            child,
            health: Browser::new(address),
        }
    }

    fn figure(&self, name: &str) -> Option<f64> {
        let figures = self.health.get("/metrics").text();
        let line = figures
            .lines()
            .find_map(|line| line.strip_prefix(&format!("roan_agent_{name} ")));
        line.and_then(|value| value.parse().ok())
    }

    fn wait_until_ready(&self) {
        wait::until(LONG, "the agent to be ready", || {
            self.health.get("/").status == 200
        });
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &id]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_between_purge_and_acknowledgement_loses_nothing() {
    let stand = Stand::start().await;
    // The rebound of 2 s is between the two.
    let process = Process::start(&stand, &[]);
    process.wait_until_ready();
    stand.warm("/a", "old");
    let number = stand.write("/a", "new").await;
    stand.wait_until_shown("/a", "new");
    process.signal("-KILL");
    drop(process);
    assert_eq!(stand.consumer().await, Some((0, 1)));
    // A page that was rendered before the write arrives now.
    stand.origin.set("/a", "old");
    let _purged = stand.nginx.browser().send("GET", "/purge/a", &[]);
    stand.nginx.browser().warm("/a");
    stand.origin.set("/a", "new");
    assert!(stand.shown("/a").contains("old"));
    let process = Process::start(&stand, &[]);
    stand.wait_until_shown("/a", "new");
    wait::until(LONG, "the message to be acknowledged", || {
        process.figure("acknowledged") == Some(number as f64)
    });
    assert_eq!(process.figure("emptied_total"), Some(0.0));
    assert_eq!(stand.consumer().await, Some((number, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_sees_what_was_removed_from_the_stream_meanwhile() {
    let stand = Stand::start().await;
    let process = Process::start(&stand, &[]);
    process.wait_until_ready();
    let before = stand.publish("/before").await;
    wait::until(LONG, "the message to be acknowledged", || {
        process.figure("acknowledged") == Some(before as f64)
    });
    process.signal("-KILL");
    drop(process);
    stand.warm("/a", "old");
    let removed = [stand.write("/a", "new").await, stand.publish("/a").await];
    stand.publish("/b").await;
    stand.publish("/b").await;
    let stream = stand.jetstream.get_stream("ROAN").await.unwrap();
    for number in removed {
        stream.delete_message(number).await.unwrap();
    }
    let process = Process::start(&stand, &[]);
    stand.wait_until_shown("/a", "new");
    wait::until(LONG, "the emptying to be over", || {
        process.figure("emptied_total") == Some(1.0)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_where_it_stands_and_ends_cleanly() {
    let stand = Stand::start().await;
    let check = |arguments: &[&str]| {
        let arguments = [&["--check"], arguments].concat();
        output(&mut roan(
            &arguments,
            &stand.nats.url(),
            &stand.nginx.purge_url(),
        ))
    };
    let (code, said) = check(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the stream does not exist yet"), "{said}");
    let mut process = Process::start(&stand, &[]);
    process.wait_until_ready();
    wait::until(LONG, "it to say so", || check(&[]).0 == Some(0));
    let (_, said) = check(&["--format", "json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["heartbeat"]["state"], "consuming");
    assert_eq!(said["pending"], 0);
    process.signal("-TERM");
    wait::until(LONG, "it to end", || {
        process.child.try_wait().unwrap().is_some()
    });
    assert_eq!(process.child.wait().unwrap().code(), Some(0));

    // Somebody who cannot empty the cache.
    let (code, said) = output(&mut roan(
        &["--emptied"],
        &stand.nats.url(),
        "http://127.0.0.1:1/purge",
    ));
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("The cache of edge-1.test is taken for empty."),
        "{said}"
    );
    assert!(said.contains("does not run"), "{said}");
    // A name with a mistake does not become a node.
    let (code, said) = output(&mut roan(
        &["--emptied", "--node", "nope"],
        &stand.nats.url(),
        "http://127.0.0.1:1/purge",
    ));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the stream knows edge-1.test"), "{said}");
    // A message that nobody has acknowledged.
    stand.publish("/a").await;
    let (code, said) = check(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("1 message is not acknowledged"), "{said}");
}

#[test]
fn what_is_wrong_is_said_with_what_to_type() {
    let purge_url = "http://127.0.0.1:1/purge";
    let nats = Nats::start(&NatsOptions::default().user("edge", "SECRET"));
    let closed = format!("nats://127.0.0.1:{}", roan_tests::free_port());
    for (arguments, servers, code, words) in [
        (vec![], "", 2, "ROAN_FLEET: is not set: write"),
        (vec![], "http://a", 2, "is not a URL of a NATS server"),
        (
            vec!["--check"],
            &*closed,
            3,
            "see that nats-server runs there",
        ),
        (vec!["--check"], &*nats.url(), 2, "refuses the connection"),
        (vec![], &*nats.url(), 2, "refuses the connection"),
        (vec!["--listen", "9112"], &*closed, 2, "127.0.0.1:9112"),
        (vec!["--node", ""], &*closed, 2, "is not a name for a node"),
        (vec!["--config", "/none.toml"], &*closed, 2, "/none.toml"),
    ] {
        let mut command = roan(&arguments, servers, purge_url);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "off"]);
        }
        let (ended, said) = output(&mut command);
        assert_eq!(ended, Some(code), "{arguments:?} {servers}: {said}");
        assert!(said.contains(words) && !said.contains("SECRET"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_may_be_in_a_file() {
    let stand = Stand::start().await;
    let file = stand.file("agent.toml");
    let text = format!(
        "site = \"{HOST}\"\nrebound = \"off\"\n[[caches]]\nkind = \"nginx\"\nnodes = [\"{}\"]\n\
         [agent]\nnats = \"{}\"\nnode = \"{NODE}\"\nreplicas = 1\nlisten = \"127.0.0.1:0\"\nempty_with = \"{}\"\nready_lag = \"5s\"\n",
        stand.nginx.purge_url(),
        stand.nats.url(),
        stand.empty(),
    );
    std::fs::write(&file, &text).unwrap();
    let shown = file.display().to_string();
    let mut command = roan(&["--config", &shown], "", "");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    let mut child = command.spawn().unwrap();
    wait::until_async(LONG, "the agent to be there", async || {
        stand.consumer().await.is_some()
    })
    .await;
    stand.warm("/a", "old");
    stand.write("/a", "new").await;
    stand.wait_until_shown("/a", "new");
    let _ = child.kill();
    let _ = child.wait();

    std::fs::write(&file, format!("{text}nodes = 1\n")).unwrap();
    let (code, said) = output(&mut roan(&["--check", "--config", &shown], "", ""));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("[agent]: unknown field `nodes`"), "{said}");
}

/// As two machines with one configuration do, whose service manager starts each again.
#[tokio::test(flavor = "multi_thread")]
async fn two_agents_of_one_name_that_end_each_other_are_never_ready() {
    let stand = Stand::start().await;
    let mut older = Process::start(&stand, &[]);
    older.wait_until_ready();
    for _ in 0..3 {
        let newer = Process::start(&stand, &[]);
        let mut ended = None;
        wait::until(LONG, "the older one to end", || {
            let health = newer.health.get("/");
            assert_eq!(health.status, 503, "{}", health.text());
            ended = older.child.try_wait().unwrap();
            ended.is_some()
        });
        assert_eq!(ended.unwrap().code(), Some(1));
        let health = newer.health.get("/");
        assert_eq!(health.status, 503, "{}", health.text());
        older = newer;
    }
    older.wait_until_ready();
    // One that says that it ends was alone.
    older.signal("-TERM");
    assert!(older.child.wait().unwrap().success());
    let next = Process::start(&stand, &[]);
    wait::until(LONG, "an answer", || next.health.get("/").status == 200);
    assert_eq!(next.figure("emptied_total"), Some(0.0));
}
