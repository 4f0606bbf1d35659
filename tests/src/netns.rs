//! Network namespaces: machines of a test's own on one switch, whose links can be cut and slowed. They are seen by
//! nobody else, and are gone with the test, however that ends.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// By which a program knows that it has a network of its own.
const INSIDE: &str = "TESTS_HAVE_A_NETWORK";

const SWITCH: &str = "switch0";

/// The end of a machine's link that the machine has.
const LINK: &str = "eth0";

/// A neighbour that does not exist: the switch loses what is sent to it.
const NOBODY: &str = "02:00:00:00:00:99";

/// Runs this program anew with a network and mounts of its own, where that is allowed; else it goes on without.
///
/// # Panics
///
/// When the program does not run once more.
pub fn enter_network() {
    if !rustix::process::geteuid().is_root() || std::env::var_os(INSIDE).is_some() {
        return;
    }
    // `unshare` or `ip` may be missing, and some containers forbid the rest.
    let probe = "ip link set lo up && mkdir -p /run/netns && mount -t tmpfs roan-tests /run/netns && \
                 ip link add switch0 type bridge && ip netns add probe && \
                 ip link add probe type veth peer name eth0 netns probe";
    let isolated = ["--net", "--mount", "--"];
    let probe = Command::new("unshare")
        .args(isolated)
        .args(["sh", "-c", probe])
        .output();
    if probe.is_ok_and(|output| output.status.success()) {
        let program = std::env::current_exe().expect("the path of this program");
        let error = Command::new("unshare")
            .args(isolated)
            .arg(program)
            .args(std::env::args_os().skip(1))
            .env(INSIDE, "1")
            .exec();
        panic!("unshare: {error}");
    }
}

/// A switch, and what is plugged into it.
#[derive(Debug)]
pub struct Network {
    is_real: bool,
    machines: u8,
}

impl Network {
    /// Makes one. Without [`enter_network`], or where that was not allowed, all machines are this one.
    ///
    /// # Panics
    ///
    /// When the switch cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let is_real = std::env::var_os(INSIDE).is_some();
        if is_real {
            run("mount", "-t tmpfs roan-tests /run/netns");
            run("ip", "link set lo up");
            run("ip", &format!("link add {SWITCH} type bridge"));
            run("ip", &format!("addr add 10.77.0.1/24 dev {SWITCH}"));
            run("ip", &format!("link set {SWITCH} up"));
        }
        Self {
            is_real,
            machines: 0,
        }
    }

    /// Whether machines have addresses and links of their own.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.is_real
    }

    /// The machine of the test itself.
    #[must_use]
    pub fn here(&self) -> Machine {
        let this = Machine::this();
        match self.is_real {
            true => Machine {
                addr: Ipv4Addr::new(10, 77, 0, 1),
                ..this
            },
            false => this,
        }
    }

    /// Plugs in a new machine. The name is one of a link, too: at most ten letters and digits.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn machine(&mut self, name: &str) -> Machine {
        self.machines += 1;
        if !self.is_real {
            return Machine {
                name: name.to_owned(),
                ..self.here()
            };
        }
        let addr = Ipv4Addr::new(10, 77, 0, 10 + self.machines);
        let link = outer(name);
        run("ip", &format!("netns add {name}"));
        let pair = format!("link add {link} type veth peer name {LINK} netns {name}");
        run("ip", &pair);
        run("ip", &format!("link set {link} master {SWITCH} up"));
        run("ip", &format!("-n {name} addr add {addr}/24 dev {LINK}"));
        run("ip", &format!("-n {name} link set {LINK} up"));
        run("ip", &format!("-n {name} link set lo up"));
        let namespace = File::open(format!("/run/netns/{name}"));
        Machine {
            name: name.to_owned(),
            addr,
            namespace: Some(Arc::new(namespace.expect("what ip has made"))),
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

/// One machine; clones are the same.
#[derive(Debug, Clone)]
pub struct Machine {
    name: String,
    addr: Ipv4Addr,
    namespace: Option<Arc<File>>,
}

impl Machine {
    /// The one that the test runs on, at its loopback address.
    #[must_use]
    pub fn this() -> Self {
        Self {
            name: "this".to_owned(),
            addr: Ipv4Addr::LOCALHOST,
            namespace: None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the others reach it.
    #[must_use]
    pub fn addr(&self) -> IpAddr {
        self.addr.into()
    }

    /// Moves the calling thread to this machine, for good: its sockets are the machine's, and so are the programs that
    /// it starts.
    ///
    /// # Panics
    ///
    /// When the kernel does not allow it.
    pub fn enter(&self) {
        if let Some(namespace) = &self.namespace {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may move a thread");
        }
    }

    /// Does some work there, on a thread of its own.
    ///
    /// # Panics
    ///
    /// When the work does.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        if self.namespace.is_none() {
            return work();
        }
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                self.enter();
                work()
            });
            match there.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Cuts its link, without a word to anybody: what is sent is lost.
    pub fn cut(&self) {
        self.link("down");
    }

    /// Undoes [`cut`](Self::cut).
    pub fn mend(&self) {
        self.link("up");
    }

    /// Loses what it sends to the other one. What the other one sends still comes.
    pub fn lose(&self, other: &Self) {
        let other = other.addr;
        self.neighbour(&format!("replace {other} lladdr {NOBODY} nud permanent"));
    }

    /// Undoes [`lose`](Self::lose).
    pub fn find(&self, other: &Self) {
        self.neighbour(&format!("del {}", other.addr));
    }

    /// Makes what it sends and gets slow: by a delay where the kernel has one to give (`netem`), else by a narrow link.
    pub fn slow(&self) {
        self.queue("replace", "root netem delay 40ms 20ms loss 2%")
            .or_else(|_| self.queue("replace", "root tbf rate 400kbit burst 3000 latency 300ms"))
            .unwrap_or_else(|error| panic!("tc: {error}"));
    }

    /// Undoes [`slow`](Self::slow).
    pub fn hasten(&self) {
        // It may be as fast as ever already.
        let _gone = self.queue("del", "root");
    }

    fn link(&self, state: &str) {
        if self.namespace.is_some() {
            run("ip", &format!("link set {} {state}", outer(&self.name)));
        }
    }

    fn neighbour(&self, what: &str) {
        match self.namespace {
            Some(_) => run("ip", &format!("-n {} neigh {what} dev {LINK}", self.name)),
            None if self.addr.is_loopback() => {}
            None => run("ip", &format!("neigh {what} dev {SWITCH}")),
        }
    }

    fn queue(&self, verb: &str, what: &str) -> Result<(), String> {
        if self.namespace.is_none() {
            return Ok(());
        }
        let outer = outer(&self.name);
        try_run("tc", &format!("qdisc {verb} dev {outer} {what}"))?;
        try_run(
            "tc",
            &format!("-n {} qdisc {verb} dev {LINK} {what}", self.name),
        )
    }
}

fn outer(name: &str) -> String {
    format!("to-{name}")
}

#[track_caller]
fn run(program: &str, words: &str) {
    try_run(program, words).unwrap_or_else(|error| panic!("{program} {words}: {error}"));
}

fn try_run(program: &str, words: &str) -> Result<(), String> {
    let output = Command::new(program).args(words.split(' ')).output();
    let output = output.map_err(|error: io::Error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
