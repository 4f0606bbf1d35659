//! A private NATS server with JetStream, or a cluster of three: real ones, each with a store of its own.
//!
//! `kill`, `suspend`, `resume` and `restart` are those of [`Server`]: a killed server comes back at the same port, with what
//! it had on its disk.

mod agent;
mod operator;
mod options;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

pub use agent::{Consumer, Fleet, connect, make_stream};
pub use operator::NatsOperator;
pub use options::NatsOptions;

use crate::browser::Browser;
use crate::netns::Machine;
use crate::server::{Kind, Server, command, port, program};
use crate::wait;

/// How often a cluster is started, and how long it may take its servers to count themselves.
const STARTS: usize = 5;
const COUNTING: Duration = Duration::from_secs(5);

/// A running server. Dropping it kills it and removes its folder.
pub type Nats = Server<NatsKind>;

/// What one server is given as its configuration.
#[derive(Debug, Clone)]
pub struct NatsKind {
    options: NatsOptions,
    /// Where it says how it is.
    monitor: u16,
    member: Option<Member>,
}

/// Its place in a cluster.
#[derive(Debug, Clone)]
struct Member {
    number: usize,
    /// Where each listens for the other servers, its own address among them.
    routes: [SocketAddr; 3],
}

impl Nats {
    /// Starts a server of its own, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When nats-server is not installed, or when it does not start; the message has its log.
    #[must_use]
    #[track_caller]
    pub fn start(options: &NatsOptions) -> Self {
        Self::launch(&NatsKind {
            options: options.clone(),
            monitor: port::free(),
            member: None,
        })
    }

    /// Its address as a URL, which is what Roan is given.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.addr())
    }

    /// The folder of its streams.
    #[must_use]
    pub fn store_folder(&self) -> PathBuf {
        self.folder().join("store")
    }

    /// What its monitor says at a path, such as `/jsz?streams=1`: JSON.
    ///
    /// # Panics
    ///
    /// When it does not say it.
    #[must_use]
    #[track_caller]
    pub fn monitor(&self, path: &str) -> serde_json::Value {
        let body = Browser::new(self.monitor_addr()).get(path).body;
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body:?}"))
    }

    fn monitor_addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.kind().monitor))
    }

    /// Whether its JetStream knows a leader of the cluster, and has caught up with it.
    fn is_current(&self) -> bool {
        let healthy = Browser::new(self.monitor_addr()).try_send("GET", "/healthz", &[]);
        healthy.is_ok_and(|answer| answer.status == 200)
    }
}

/// Three servers that keep up to three copies of a stream.
#[derive(Debug)]
pub struct NatsCluster {
    /// The servers, to be killed and restarted one by one: each [on its machine](Machine::run).
    pub servers: [Nats; 3],
    machines: [Machine; 3],
}

impl NatsCluster {
    /// Starts three servers, and waits until they have elected a leader.
    ///
    /// # Panics
    ///
    /// As [`Nats::start`] does.
    #[must_use]
    #[track_caller]
    pub fn start(options: &NatsOptions) -> Self {
        Self::start_on(&[(); 3].map(|()| Machine::this()), options)
    }

    /// The same with a server on each of three machines.
    ///
    /// # Panics
    ///
    /// As [`Nats::start`] does.
    #[must_use]
    #[track_caller]
    pub fn start_on(machines: &[Machine; 3], options: &NatsOptions) -> Self {
        for _ in 0..STARTS {
            let cluster = Self::launch_on(machines, options);
            if cluster.is_of_three() {
                return cluster;
            }
        }
        panic!("in {STARTS} clusters the servers did not count all three");
    }

    fn launch_on(machines: &[Machine; 3], options: &NatsOptions) -> Self {
        let routes = machines
            .each_ref()
            .map(|machine| SocketAddr::from((machine.addr(), port::free())));
        let servers = [0, 1, 2].map(|number| {
            let launch = || {
                Nats::launch(&NatsKind {
                    options: options.clone(),
                    monitor: port::free(),
                    member: Some(Member { number, routes }),
                })
            };
            machines[number].run(launch)
        });
        let cluster = Self {
            servers,
            machines: machines.clone(),
        };
        cluster.wait_until_whole();
        cluster
    }

    /// Whether their JetStream counts all three. In one of fifty new clusters of nats-server 2.10 two have begun before they knew
    /// the third, which they never count then, and there is no place for three copies.
    fn is_of_three(&self) -> bool {
        let start = Instant::now();
        while start.elapsed() < COUNTING {
            let server = &self.servers[0];
            let state = self.machines[0].run(|| server.monitor("/jsz"));
            // Old servers do not say it.
            if state["meta_cluster"]["cluster_size"]
                .as_u64()
                .is_none_or(|size| size == 3)
            {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// All addresses as one URL, which is what Roan is given.
    #[must_use]
    pub fn url(&self) -> String {
        let servers = self.servers.iter().zip(&self.machines);
        let urls: Vec<_> = servers
            .map(|(server, machine)| {
                let addr = SocketAddr::from((machine.addr(), server.addr().port()));
                format!("nats://{addr}")
            })
            .collect();
        urls.join(",")
    }

    /// Waits until all three are up and know their leader: after a restart, that takes a moment.
    ///
    /// # Panics
    ///
    /// When it takes too long.
    #[track_caller]
    pub fn wait_until_whole(&self) {
        let what = "the three NATS servers to have a leader";
        wait::until(3 * wait::LONG, what, || {
            let mut servers = self.servers.iter().zip(&self.machines);
            servers.all(|(server, machine)| machine.run(|| server.is_current()))
        });
    }

    /// The place of the server with this name among [`servers`](Self::servers).
    #[must_use]
    pub fn place_of(server: &str) -> Option<usize> {
        (0..3).find(|number| name(*number) == server)
    }

    /// The number of the server that leads a stream. `None` while there is none.
    #[must_use]
    pub fn leader_of(&self, stream: &str) -> Option<usize> {
        let is_leader = |server: &Nats| {
            let answer = Browser::new(server.monitor_addr()).try_send("GET", "/jsz?streams=1", &[]);
            let streams = answer.ok().map(|answer| answer.body);
            let streams: Option<serde_json::Value> =
                streams.and_then(|body| serde_json::from_slice(&body).ok());
            let details = streams.as_ref()?["account_details"].as_array()?;
            let mut streams = details
                .iter()
                .flat_map(|account| account["stream_detail"].as_array().into_iter().flatten());
            let found = streams.find(|detail| detail["name"] == stream)?;
            let number = server.kind().member.as_ref()?.number;
            (found["cluster"]["leader"] == name(number)).then_some(())
        };
        let mut servers = self.servers.iter().zip(&self.machines);
        servers.position(|(server, machine)| machine.run(|| is_leader(server).is_some()))
    }
}

fn name(number: usize) -> String {
    format!("n{}", number + 1)
}

impl Kind for NatsKind {
    const NAME: &'static str = "nats";
    const LOG: &'static str = "nats.log";

    fn furnish(&self, folder: &Path, port: u16) {
        if let Some(whole) = &self.options.whole {
            let mut conf = whole
                .replace("ADDRESS", &format!("127.0.0.1:{port}"))
                .replace("MONITOR", &format!("127.0.0.1:{}", self.monitor))
                .replace("FOLDER", &folder.display().to_string());
            if let Some(member) = &self.member {
                let routes = member.routes.map(|addr| format!("\"nats://{addr}\""));
                conf = conf
                    .replace("ROUTES", &routes.join(", "))
                    .replace("ROUTE", &member.routes[member.number].to_string())
                    .replace("NAME", &name(member.number));
            }
            fs::write(folder.join("nats.conf"), conf).expect("a file in our own folder");
            return;
        }
        let member = self.member.as_ref();
        // On a machine of its own it listens at all addresses of that.
        let own = member.map(|member| member.routes[member.number].ip());
        let host = match own {
            Some(own) if !own.is_loopback() => "0.0.0.0",
            _ => "127.0.0.1",
        };
        let mut conf = format!(
            "server_name: {}\nlisten: {host}:{port}\nhttp: 127.0.0.1:{}\n",
            name(member.map_or(0, |member| member.number)),
            self.monitor,
        );
        if !self.options.no_jetstream {
            let store = folder.join("store");
            conf.push_str(&format!(
                "jetstream {{ store_dir: \"{}\" }}\n",
                store.display()
            ));
        }
        if let Some(member) = member {
            let routes: Vec<_> = member
                .routes
                .iter()
                .map(|addr| format!("nats-route://{addr}"))
                .collect();
            conf.push_str(&format!(
                "cluster {{\n  name: roan\n  listen: {}\n  routes: [{}]\n}}\n",
                member.routes[member.number],
                routes.join(", ")
            ));
        }
        conf.push_str(&self.options.conf(folder));
        fs::write(folder.join("nats.conf"), conf).expect("a file in our own folder");
    }

    fn command(&self, folder: &Path, _port: u16) -> Command {
        let program = program::find("nats-server")
            .unwrap_or_else(|| panic!("nats-server is needed: run ./tests/run"));
        let mut command = command(&program);
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join(Self::LOG));
        command
            .stderr(log.expect("a log in our own folder"))
            .arg("-c")
            .arg(folder.join("nats.conf"));
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        // It listens when its JetStream is up, and greets each client.
        let Ok(stream) = TcpStream::connect(addr) else {
            return false;
        };
        let _short = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let mut greeting = String::new();
        let read = BufReader::new(stream).read_line(&mut greeting);
        let is_ready = self.options.no_jetstream || greeting.contains("\"jetstream\":true");
        read.is_ok() && greeting.starts_with("INFO ") && is_ready
    }
}
