//! The files that the guide quotes, and the lines that it says to type, with real servers.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use roan::fleet::{FleetAdmin, FleetNodeState, Nats as Servers, Stream};
use roan::{Fleet, Roan};
use roan_tests::{HOST, Nats, NatsCluster, NatsOptions, Nginx, Options, Origin, logged, wait};
use tempfile::TempDir;

pub(crate) const GUIDE: &str = include_str!("../../roan/src/guide/fleet.md");
pub(crate) const NATS_CONF: &str = include_str!("../conf/fleet/nats.conf");
pub(crate) const CLUSTER_CONF: &str = include_str!("../conf/fleet/nats-cluster.conf");
const USERS_CONF: &str = include_str!("../conf/fleet/users.conf");
pub(crate) const AGENT_TOML: &str = include_str!("../conf/fleet/agent.toml");
const REGION_CONF: &str = include_str!("../conf/fleet/region.conf");
const MIRROR: &str = include_str!("../conf/fleet/mirror.json");

/// The text with others in place of some, each of which occurs in it.
#[track_caller]
pub(crate) fn edited(text: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(text.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old:?} is missing in {text}");
        text.replace(old, new)
    })
}

/// A folder in place of `/etc/nats` and `/etc/roan`, with the users, and the certificates that the guide's lines make.
pub(crate) fn etc() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let lines = GUIDE
        .split("cd /etc/nats\n")
        .nth(1)
        .expect("lines of openssl");
    let lines = lines.split("chown").next().unwrap();
    // The tests connect by an address.
    let lines = edited(
        lines,
        &[(
            "DNS:nats-1.example.org",
            "DNS:nats-1.example.org,IP:127.0.0.1",
        )],
    );
    let mut shell = Command::new("sh");
    let output = shell
        .args(["-ec", &lines])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{lines}: {output:?}");
    // The server is another user, perhaps.
    Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(folder.path())
        .status()
        .unwrap();
    folder
}

/// A configuration of the guide with the folder of this test.
pub(crate) fn server_conf(text: &str, etc: &Path) -> String {
    let etc = format!("{}/", etc.display());
    edited(
        text,
        &[
            ("\"0.0.0.0:4222\"", "\"ADDRESS\""),
            ("\"127.0.0.1:8222\"", "\"MONITOR\""),
            ("\"/var/lib/nats\"", "\"FOLDER/store\""),
            // A path that is relative to the file.
            ("include \"nats/users.conf\"", &format!("{USERS_CONF}\n#")),
            ("\"/etc/nats/", &format!("\"{etc}")),
        ],
    )
}

/// The servers as the user of that name sees them.
pub(crate) fn servers(url: &str, user: &str, etc: &Path) -> Servers {
    let password = etc.join(format!("{user}.password"));
    let whose = match user {
        "agent" => "agents",
        "operator" => "operators",
        user => user,
    };
    fs::write(&password, format!("password-of-the-{whose}\n")).unwrap();
    let url = url.replace("nats://", "tls://");
    let servers = Servers::at(url).unwrap().password_file(user, password);
    servers.root_certificates(etc.join("ca.pem"))
}

fn app(servers: Servers) -> Roan {
    let builder = Roan::builder().cache(Fleet::at(servers));
    let builder = builder.site(format!("http://{HOST}"));
    builder
        .named_site("shop", "http://shop.test")
        .build()
        .unwrap()
}

async fn nodes(admin: &FleetAdmin) -> Vec<(String, FleetNodeState, bool)> {
    let status = admin.status().await.unwrap();
    let nodes = status.nodes.iter();
    nodes
        .map(|node| (node.node.clone(), node.state, node.has(status.last)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_of_one_server_works_as_the_guide_says() {
    logged::start();
    let etc = etc();
    let server = Nats::start(&NatsOptions::default().whole(&server_conf(NATS_CONF, etc.path())));
    let url = server.url();

    // 2. An agent beside the nginx that there is.
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default());
    let browser = nginx.browser();
    for page in ["/posts", "/about"] {
        browser.warm(page);
    }
    servers(&url, "agent", etc.path());
    let at = format!("{}/", etc.path().display());
    let toml = edited(
        AGENT_TOML,
        &[
            ("https://www.example.org", HOST),
            (
                "tls://nats-1.example.org:4222",
                &url.replace("nats://", "tls://"),
            ),
            ("\"/etc/roan/", &format!("\"{at}")),
            (
                "127.0.0.1:9112",
                &format!("127.0.0.1:{}", roan_tests::free_port()),
            ),
            (
                "/var/cache/nginx-pages",
                &nginx.cache_folder().display().to_string(),
            ),
            ("http://127.0.0.1/purge", &nginx.purge_url()),
        ],
    );
    let file = etc.path().join("agent.toml");
    fs::write(&file, toml).unwrap();
    let command = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roan-tests-command"));
        command
            .args(words)
            .arg("--config")
            .arg(&file)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap());
        command
    };
    let _agent = Killed(command(&["agent"]).spawn().unwrap());
    let admin = FleetAdmin::connect(&servers(&url, "operator", etc.path()), &Stream::new())
        .await
        .unwrap();
    wait::until_async(3 * wait::LONG, "an agent that consumes", async || {
        let status = admin.status().await;
        status.is_ok_and(|status| {
            status
                .nodes
                .iter()
                .any(|node| node.state == FleetNodeState::Consuming)
        })
    })
    .await;
    // It has emptied the cache.
    browser.assert_miss("/posts");
    browser.assert_miss("/about");
    for words in [["agent", "--check"], ["fleet", "status"]] {
        let output = command(&words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("eu-1"), "{words:?}: {said}");
    }

    // 3. The app sends to the stream.
    origin.set("/posts", "New");
    let app = app(servers(&url, "app", etc.path()));
    app.purge("/posts").unwrap();
    wait::for_purges(&app).await;
    wait::until_async(3 * wait::LONG, "the purge", async || {
        nodes(&admin).await == [("eu-1".to_owned(), FleetNodeState::Consuming, true)]
    })
    .await;
    assert_eq!(browser.assert_miss("/posts").text(), "New");
    browser.assert_hit("/about");
    // The dashboard of the app may look.
    let admin = FleetAdmin::connect(&servers(&url, "app", etc.path()), &Stream::new())
        .await
        .unwrap();
    assert_eq!(nodes(&admin).await.len(), 1);
    let output = command(&["fleet", "wait"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A program that ends with the test.
pub(crate) struct Killed(pub(crate) std::process::Child);

impl Killed {
    pub(crate) fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_may_do_what_the_guide_says_and_no_more() {
    logged::start();
    let etc = etc();
    let server = Nats::start(&NatsOptions::default().whole(&server_conf(NATS_CONF, etc.path())));
    let url = server.url();
    let of_app = app(servers(&url, "app", etc.path()));
    of_app.purge("/a").unwrap();
    wait::for_purges(&of_app).await;
    let admin = FleetAdmin::connect(&servers(&url, "operator", etc.path()), &Stream::new())
        .await
        .unwrap();
    assert_eq!(admin.status().await.unwrap().last, 1);

    let of_shop = app(servers(&url, "shop", etc.path()));
    of_shop
        .purge(roan::Target::url("/b").unwrap().at_site("shop"))
        .unwrap();
    wait::for_purges(&of_shop).await;
    assert_eq!(admin.status().await.unwrap().last, 2);
    for (user, target) in [
        ("shop", roan::Target::url("/c").unwrap()),
        ("shop", roan::Target::everything()),
        ("agent", roan::Target::url("/d").unwrap().at_site("shop")),
    ] {
        let of_user = app(servers(&url, user, etc.path()));
        let mut reports = of_user.subscribe();
        if of_user.purge(target.clone()).is_err() {
            continue;
        }
        let report = tokio::time::timeout(wait::LONG, reports.next())
            .await
            .unwrap()
            .unwrap();
        assert!(!report.outcome.is_done(), "{user} {target:?}: {report:?}");
    }
    assert_eq!(admin.status().await.unwrap().last, 2);
}

/// What a list of a configuration has between its brackets.
pub(crate) fn list<'a>(conf: &'a str, begin: &str) -> &'a str {
    let (_, rest) = conf.split_once(begin).unwrap();
    rest.split_once(']').unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_of_the_guide_keep_a_purge_while_one_is_away() {
    let etc = etc();
    let conf = server_conf(CLUSTER_CONF, etc.path());
    let routes = list(&conf, "routes: [");
    let conf = edited(
        &conf,
        &[
            (routes, "ROUTES"),
            ("\"0.0.0.0:6222\"", "\"ROUTE\""),
            ("server_name: nats-1\n", "server_name: NAME\n"),
        ],
    );
    let mut cluster = NatsCluster::start(&NatsOptions::default().whole(&conf));
    let servers = servers(&cluster.url(), "app", etc.path());
    let fleet = Fleet::at(servers.clone()).stream(Stream::new().replicas(3));
    let app = Roan::builder()
        .cache(fleet)
        .site("http://site.test")
        .build()
        .unwrap();
    app.purge("/a").unwrap();
    wait::for_purges_within(3 * wait::LONG, &app).await;
    cluster.servers[0].kill();
    app.purge("/b").unwrap();
    wait::for_purges_within(3 * wait::LONG, &app).await;
    let admin = FleetAdmin::connect(&servers, &Stream::new()).await.unwrap();
    wait::until_async(3 * wait::LONG, "both purges", async || {
        admin
            .status()
            .await
            .is_ok_and(|status| status.messages == 2)
    })
    .await;
}

/// A region behind a leaf node has a copy of the stream with the same sequences, and agents of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_region_has_the_stream_of_the_hub() {
    let etc = etc();
    let port = roan_tests::free_port();
    let hub = edited(
        &server_conf(NATS_CONF, etc.path()),
        &[(
            "store_dir: \"FOLDER/store\"",
            "store_dir: \"FOLDER/store\", domain: hub",
        )],
    );
    // The comment at the head of the region's file has what the hub needs.
    let block = REGION_CONF.split("#     leafnodes {").nth(1).unwrap();
    let block = block.split("server_name").next().unwrap().replace('#', "");
    let at = format!("\"{}/", etc.path().display());
    let block = edited(
        &block,
        &[
            ("0.0.0.0:7422", &format!("127.0.0.1:{port}")),
            ("\"/etc/nats/", &at),
        ],
    );
    let hub = format!("{hub}\nleafnodes {{{block}");
    let hub = Nats::start(&NatsOptions::default().whole(&hub));
    let leaf = server_conf(REGION_CONF, etc.path());
    let urls = list(&leaf, "urls: [");
    let hub_url = format!("\"tls://region:password-of-the-regions@127.0.0.1:{port}\"");
    let region = Nats::start(&NatsOptions::default().whole(&edited(&leaf, &[(urls, &*hub_url)])));

    let app = app(servers(&hub.url(), "app", etc.path()));
    app.purge("/a").unwrap();
    wait::for_purges(&app).await;
    let password = fs::read_to_string(etc.path().join("app.password")).unwrap();
    assert!(!password.is_empty());
    let operator = async_nats::ConnectOptions::with_user_and_password(
        "operator".to_owned(),
        "password-of-the-operators".to_owned(),
    )
    .add_root_certificates(etc.path().join("ca.pem"));
    let operator = operator
        .connect(region.url().replace("nats://", "tls://"))
        .await
        .unwrap();
    let made = operator
        .request("$JS.API.STREAM.CREATE.ROAN", MIRROR.into())
        .await
        .unwrap();
    let made = String::from_utf8(made.payload.to_vec()).unwrap();
    assert!(!made.contains("\"error\""), "{made}");
    app.purge("/b").unwrap();
    wait::for_purges(&app).await;
    let of_region = servers(&region.url(), "operator", etc.path());
    let admin = FleetAdmin::connect(&of_region, &Stream::new())
        .await
        .unwrap();
    wait::until_async(wait::LONG, "the messages of the hub", async || {
        let status = admin.status().await.unwrap();
        (status.first, status.last) == (1, 2)
    })
    .await;
    let agent = roan::agent::Agent::new(servers(&region.url(), "agent", etc.path())).node("eu-1");
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default());
    let empty = format!("find {} -type f -delete", nginx.cache_folder().display());
    let caches = Roan::builder()
        .cache(roan::Nginx::at(&nginx.purge_url()).unwrap())
        .rebound(Some(Duration::from_millis(10)));
    let agent = agent.empty_with(empty).start(caches).await.unwrap();
    wait::until_async(wait::LONG, "the agent", async || {
        agent.not_ready().is_none()
    })
    .await;
    nginx.browser().warm("/posts");
    origin.set("/posts", "New");
    app.purge("/posts").unwrap();
    wait::for_purges(&app).await;
    wait::until_async(wait::LONG, "the purge in the region", async || {
        nodes(&admin).await == [("eu-1".to_owned(), FleetNodeState::Consuming, true)]
            && admin.status().await.unwrap().last == 3
    })
    .await;
    assert_eq!(nginx.browser().assert_miss("/posts").text(), "New");
    agent.stop(wait::LONG).await;
}
