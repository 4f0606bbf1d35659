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
use std::time::{Duration, Instant};

pub use agent::{Consumer, Fleet, connect, make_stream};
pub use operator::NatsOperator;
pub use options::NatsOptions;

use crate::browser::Browser;
use crate::netns::Machine;
use crate::server::{Kind, Server, command, port, program};
use crate::wait;

/// A server that is left out of its cluster for so long stays out, until it is restarted.
const PATIENCE: Duration = Duration::from_secs(20);

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

    /// The same, or `None` if it does not answer 200.
    fn try_monitor(&self, path: &str) -> Option<serde_json::Value> {
        let answer = Browser::new(self.monitor_addr()).try_send("GET", path, &[]);
        let answer = answer.ok().filter(|answer| answer.status == 200)?;
        serde_json::from_slice(&answer.body).ok()
    }

    fn monitor_addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.kind().monitor))
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
        let mut cluster = Self {
            servers,
            machines: machines.clone(),
        };
        cluster.wait_until_whole();
        cluster
    }

    /// Three servers that were started one by one, with configurations that make them a cluster.
    #[must_use]
    pub fn of(servers: [Nats; 3]) -> Self {
        Self {
            servers,
            machines: [(); 3].map(|()| Machine::this()),
        }
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

    /// Waits until all three are up, count each other and follow their leader: after a restart, that takes a moment.
    ///
    /// It restarts a server that stays out, as the guide of the fleet says. With nats-server 2.10, one of thirty new clusters never
    /// counts its third server, if all start at once, and of four hundred that were restarted one had all its routes, and heard
    /// nothing of the leader.
    ///
    /// # Panics
    ///
    /// When it takes too long.
    #[track_caller]
    pub fn wait_until_whole(&mut self) {
        let mut start = Instant::now();
        let what = "the three NATS servers to follow one of them";
        wait::until(3 * wait::LONG, what, || {
            let out = self.left_out();
            if start.elapsed() > PATIENCE {
                start = Instant::now();
                for number in out.iter().flatten() {
                    let server = &mut self.servers[*number];
                    self.machines[*number].run(|| server.restart());
                }
                return false;
            }
            out.is_some_and(|out| out.is_empty())
        });
    }

    /// The servers that do not follow a leader, or that it does not count. `None` while nobody leads.
    fn left_out(&self) -> Option<Vec<usize>> {
        let on_its_machine = |number: usize, path: &str| {
            let server = &self.servers[number];
            self.machines[number].run(|| server.try_monitor(path))
        };
        let follows = |number: &usize| on_its_machine(*number, "/healthz").is_some();
        let deaf: Vec<_> = (0..3).filter(|number| !follows(number)).collect();
        if !deaf.is_empty() {
            return Some(deaf);
        }
        let counted: Vec<_> = (0..3).find_map(|number| {
            let state = on_its_machine(number, "/jsz")?;
            // Only the leader lists them.
            let cluster = &state["meta_cluster"];
            let others = cluster["replicas"].as_array()?.iter();
            let others = others.map(|other| other["name"].clone());
            Some(others.chain([cluster["leader"].clone()]).collect())
        })?;
        let is_counted = |number: &usize| {
            let state = on_its_machine(*number, "/varz");
            state.is_some_and(|state| counted.contains(&state["server_name"]))
        };
        Some((0..3).filter(|number| !is_counted(number)).collect())
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
            let streams = server.try_monitor("/jsz?streams=1");
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
