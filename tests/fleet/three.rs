//! The step of the guide from one server to three, under writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use roan::fleet::{FleetAdmin, FleetNodeState, Nats as Servers, Stream};
use roan::outbox::Outbox;
use roan::{Fleet, Roan};
use roan_tests::{
    Browser, HOST, Nats, NatsCluster, NatsOptions, Nginx, Options, Origin, free_port, logged, wait,
};

use crate::guide::{
    AGENT_TOML, CLUSTER_CONF, GUIDE, Killed, NATS_CONF, edited, etc, list, server_conf, servers,
};
use crate::support::Rows;

const NODES: [&str; 2] = ["eu-1", "us-1"];
const PAGES: u64 = 12;
const LONG: Duration = wait::LONG.saturating_mul(4);

/// A node of the guide: nginx, and an agent with a file.
struct Node {
    nginx: Nginx,
    file: PathBuf,
    agent: Killed,
}

impl Node {
    fn start(name: &str, origin: &Origin, etc: &Path, url: &str) -> Self {
        let nginx = Nginx::start(origin, &Options::default());
        let cache = nginx.cache_folder().display().to_string();
        let listen = format!("127.0.0.1:{}", free_port());
        let toml = edited(
            AGENT_TOML,
            &[
                ("https://www.example.org", HOST),
                ("tls://nats-1.example.org:4222", url),
                ("\"eu-1\"", &format!("\"{name}\"")),
                ("\"/etc/roan/", &format!("\"{}/", etc.display())),
                ("127.0.0.1:9112", &listen),
                ("/var/cache/nginx-pages", &cache),
                ("http://127.0.0.1/purge", &nginx.purge_url()),
            ],
        );
        let file = etc.join(format!("{name}.toml"));
        fs::write(&file, toml).unwrap();
        let agent = Killed(command(&["agent"], &file).spawn().unwrap());
        Self { nginx, file, agent }
    }

    /// Gives it other servers, and restarts the agent.
    fn now_at(&mut self, one: &str, three: &str) {
        let toml = fs::read_to_string(&self.file).unwrap();
        let line = format!("nats = \"{one}\"");
        let lines = format!("nats = \"{three}\"");
        let edits = [(&*line, &*lines), ("replicas = 1 ", "replicas = 3 ")];
        fs::write(&self.file, edited(&toml, &edits)).unwrap();
        let mut agent = command(&["agent"], &self.file);
        // The old one is killed before the new one starts.
        self.agent.end();
        self.agent = Killed(agent.spawn().unwrap());
    }
}

fn command(words: &[&str], file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roan-tests-command"));
    command
        .args(words)
        .arg("--config")
        .arg(file)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    command
}

/// The app with an outbox. A purge that fails is tried again soon.
fn app(servers: &Servers, replicas: usize, outbox: &Outbox) -> Roan {
    let fleet = Fleet::at(servers.clone()).stream(Stream::new().replicas(replicas));
    let short = Duration::from_millis(50);
    let builder = Roan::builder().cache(fleet).site(format!("http://{HOST}"));
    let builder = builder.backoff(short, 10 * short).outbox(outbox.clone());
    builder.build().unwrap()
}

/// The list of the guide with the addresses of these tests.
fn list_of_three(ports: [u16; 3]) -> String {
    let (_, rest) = GUIDE
        .split_once("Write `nats = \"")
        .expect("the list of three servers");
    let (urls, _) = rest.split_once('"').unwrap();
    assert!(GUIDE.contains("and `replicas = 3` into each `agent.toml`"));
    let at = |number: usize| format!("tls://127.0.0.1:{}", ports[number]);
    let name = |number: usize| format!("tls://nats-{}.example.org:4222", number + 1);
    let edits = [0, 1, 2].map(|number| (name(number), at(number)));
    let edits = edits.each_ref().map(|(name, at)| (&**name, &**at));
    edited(urls, &edits)
}

/// The configuration of a member of the cluster.
fn member(etc: &Path, number: usize, routes: [u16; 3]) -> String {
    let conf = server_conf(CLUSTER_CONF, etc);
    let of_guide = list(&conf, "routes: [").to_owned();
    let all = routes.map(|port| format!("\"nats://127.0.0.1:{port}\""));
    edited(
        &conf,
        &[
            (&*of_guide, &*all.join(", ")),
            ("0.0.0.0:6222", &format!("127.0.0.1:{}", routes[number])),
            (
                "server_name: nats-1\n",
                &format!("server_name: nats-{}\n", number + 1),
            ),
        ],
    )
}

/// Each page is written, and read at both nodes, again and again, until `ends`.
async fn write(
    mut rows: Rows,
    origin: Arc<Origin>,
    readers: Vec<Browser>,
    ends: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
) -> (Rows, u64) {
    let mut number: u64 = 0;
    while !ends.load(Ordering::Relaxed) {
        let page = format!("/{}", number % PAGES);
        origin.set(&page, number.to_string());
        rows.insert(&format!("\"{page}\"")).await;
        written.fetch_add(1, Ordering::Relaxed);
        for reader in &readers {
            let _page = reader.try_send("GET", &page, &[]);
        }
        number += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (rows, number)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_becomes_three_and_no_purge_is_lost() {
    logged::start();
    let etc = etc();
    let etc = etc.path();
    let mut first = Nats::start(&NatsOptions::default().whole(&server_conf(NATS_CONF, etc)));
    let one = first.url().replace("nats://", "tls://");
    for user in ["app", "agent", "operator"] {
        servers(&one, user, etc);
    }
    let origin = Arc::new(Origin::start());
    let mut nodes = NODES.map(|name| Node::start(name, &origin, etc, &one));
    let rows = Rows::new().await;
    let outbox = rows.outbox.clone();
    let before = app(&servers(&one, "app", etc), 1, &outbox);
    let readers: Vec<_> = nodes.iter().map(|node| node.nginx.browser()).collect();
    let (ends, written) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let writing = tokio::spawn(write(
        rows,
        Arc::clone(&origin),
        readers.clone(),
        Arc::clone(&ends),
        Arc::clone(&written),
    ));
    let admin = FleetAdmin::connect(&servers(&one, "operator", etc), &Stream::new()).await;
    wait_for_nodes(&admin.unwrap()).await;

    // The other two are set up, and do not run.
    let routes = [free_port(), free_port(), free_port()];
    let mut others = [1, 2].map(|number| {
        let conf = member(etc, number, routes);
        Nats::start(&NatsOptions::default().whole(&conf))
    });
    for other in &mut others {
        other.stop();
        remove_streams(other);
    }

    // 1. The agents know all three.
    let ports = [first.addr(), others[0].addr(), others[1].addr()].map(|addr| addr.port());
    let three = list_of_three(ports);
    for node in &mut nodes {
        node.now_at(&one, &three);
    }
    let admin = FleetAdmin::connect(&servers(&one, "operator", etc), &Stream::new()).await;
    wait_for_nodes(&admin.unwrap()).await;

    // 2. The app knows all three, and what is there is not enough.
    drop(before);
    let all = servers(&three, "app", etc);
    let after = app(&all, 3, &outbox);
    let refused = wait::until_some(LONG, "a line of the log", || {
        logged::errors_with("has replicas: 1, and not 3").pop()
    });
    assert!(
        refused.contains("nats stream edit ROAN --replicas=3"),
        "{refused}"
    );

    // 3. The servers.
    first.stop();
    become_member(&first, &member(etc, 0, routes));
    remove_streams(&first);
    thread::scope(|scope| {
        for server in others.iter_mut().chain([&mut first]) {
            scope.spawn(|| server.restart());
        }
    });

    // 4. They count each other.
    let [second, third] = others;
    let mut cluster = NatsCluster::of([first, second, third]);
    cluster.wait_until_whole();

    let admin = FleetAdmin::connect(&servers(&three, "operator", etc), &Stream::new()).await;
    let admin = admin.unwrap();
    wait_for_nodes(&admin).await;
    let so_far = written.load(Ordering::Relaxed);
    wait::until(LONG, "more writes", || {
        written.load(Ordering::Relaxed) >= so_far + 2 * PAGES
    });
    ends.store(true, Ordering::Relaxed);
    let (mut rows, count) = writing.await.unwrap();
    rows.until_done().await;
    for words in [["fleet", "wait"], ["fleet", "status"]] {
        let output = command(&words, &nodes[0].file).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
    assert_eq!(copies(&three, etc).await, 3);
    for (reader, name) in readers.iter().zip(NODES) {
        for page in 0..PAGES {
            let last = (0..count).rfind(|number| number % PAGES == page).unwrap();
            let text = reader.get(&format!("/{page}")).text();
            assert_eq!(text, last.to_string(), "/{page} at {name}");
        }
    }
    drop(after);
}

fn remove_streams(server: &Nats) {
    fs::remove_dir_all(server.store_folder().join("jetstream")).unwrap();
}

/// Writes another configuration of a server that does not run, which listens where it did.
fn become_member(server: &Nats, conf: &str) {
    let file = server.folder().join("nats.conf");
    let before = fs::read_to_string(&file).unwrap();
    let line = |key: &str| {
        let line = before.lines().find(|line| line.starts_with(key));
        line.unwrap().split('#').next().unwrap().trim().to_owned()
    };
    let conf = edited(
        conf,
        &[
            ("FOLDER", &server.folder().display().to_string()),
            ("listen: \"ADDRESS\"", &line("listen:")),
            ("http: \"MONITOR\"", &line("http:")),
        ],
    );
    fs::write(file, conf).unwrap();
}

/// The number of copies that the stream has.
async fn copies(urls: &str, etc: &Path) -> usize {
    let (user, password) = (
        "operator".to_owned(),
        "password-of-the-operators".to_owned(),
    );
    let options = async_nats::ConnectOptions::with_user_and_password(user, password);
    let options = options.add_root_certificates(etc.join("ca.pem"));
    let urls: Vec<_> = urls.split(',').collect();
    let client = options.connect(urls).await.unwrap();
    let stream = async_nats::jetstream::new(client);
    let stream = stream.get_stream(Stream::NAME).await.unwrap();
    stream.cached_info().config.num_replicas
}

/// Both are there, and consume.
async fn wait_for_nodes(admin: &FleetAdmin) {
    wait::until_async(LONG, "both agents", async || {
        let Ok(status) = admin.status().await else {
            return false;
        };
        let names: Vec<_> = status.nodes.iter().map(|node| &*node.node).collect();
        let mut states = status.nodes.iter().map(|node| node.state);
        names == NODES && states.all(|state| state == FleetNodeState::Consuming)
    })
    .await;
}
