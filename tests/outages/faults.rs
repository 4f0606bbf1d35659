//! What goes wrong. In a round each part of the site has a thread that harms it again and again, all at the same time,
//! under load; the judgement comes after the round.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use roan_tests::{Machine, lock};

use crate::node::Node;
use crate::site::Site;
use crate::stream::MAX_AGE;

/// See the methods of [`Site`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    SenderKilled,
    AgentKilled,
    AgentFrozen,
    ClockSet,
    NginxKilled,
    ServerKilled,
    TwoServersKilled,
    ServerFrozen,
    Cut,
    OneWayLoss,
    SlowLink,
    NodeAway,
    NewNode,
}

impl Fault {
    pub(crate) const ALL: [Self; 13] = [
        Self::SenderKilled,
        Self::AgentKilled,
        Self::AgentFrozen,
        Self::ClockSet,
        Self::NginxKilled,
        Self::ServerKilled,
        Self::TwoServersKilled,
        Self::ServerFrozen,
        Self::Cut,
        Self::OneWayLoss,
        Self::SlowLink,
        Self::NodeAway,
        Self::NewNode,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SenderKilled => "app or relay killed",
            Self::AgentKilled => "agent killed",
            Self::AgentFrozen => "agent frozen for a while",
            Self::ClockSet => "clock of an agent set, and back",
            Self::NginxKilled => "nginx killed",
            Self::ServerKilled => "one server killed",
            Self::TwoServersKilled => "two of three servers killed",
            Self::ServerFrozen => "server frozen for a while",
            Self::Cut => "machine cut off",
            Self::OneWayLoss => "packets lost one way between two",
            Self::SlowLink => "slow link",
            Self::NodeAway => "node away for longer than max_age",
            Self::NewNode => "new node before a full cache",
        }
    }
}

/// What one thread of a round harms, with its number.
#[derive(Debug, Clone, Copy)]
enum Part {
    Sender(usize),
    Nginx(usize),
    Agent(usize),
    NodesLink(usize),
    Servers,
    ServersLink(usize),
}

/// One thread of a round.
struct Harm<'a> {
    site: &'a Site,
    rng: Rng,
    end: Instant,
}

impl Site {
    /// Faults of all kinds until the time is over; each is undone. `servers` says whether the servers suffer, too.
    pub(crate) fn round(&self, rng: &mut Rng, time: Duration, servers: bool) {
        let end = Instant::now() + time;
        let nodes = 0..self.nodes.len();
        let present = nodes.clone().filter(|number| !self.is_away(*number));
        let mut parts: Vec<Part> = (0..self.senders.len()).map(Part::Sender).collect();
        parts.extend(nodes.map(Part::Nginx));
        parts.extend(present.flat_map(|number| [Part::Agent(number), Part::NodesLink(number)]));
        if servers {
            parts.push(Part::Servers);
            parts.extend((0..self.cluster.machines().len()).map(Part::ServersLink));
        }
        thread::scope(|scope| {
            for part in parts {
                let harm = Harm {
                    site: self,
                    rng: rng.fork(),
                    end,
                };
                scope.spawn(move || harm.to(part));
            }
        });
    }

    /// A node leaves until [`return_from_away`](Self::return_from_away): killed, or cut off and alive.
    pub(crate) fn send_away(&self, rng: &mut Rng) {
        // One at a time: it would not come back.
        if lock(&self.away).is_some() {
            return;
        }
        let number = rng.usize(0..self.nodes.len());
        let node = &self.nodes[number];
        match self.network.is_real() && rng.bool() {
            true => node.machine.cut(),
            false => node.agent().kill(),
        }
        *lock(&self.away) = Some((number, Instant::now()));
    }

    /// Lets it come back once what it has missed is gone from the stream.
    pub(crate) fn return_from_away(&self) {
        let mut away = lock(&self.away);
        let Some((number, since)) = *away else {
            return;
        };
        if since.elapsed() < MAX_AGE + Duration::from_secs(1) {
            return;
        }
        let node = &self.nodes[number];
        node.machine.mend();
        // One that was cut off goes on, one that was killed starts.
        if node.health().is_err_and(|error| !error.starts_with("503")) {
            restart(node);
        }
        self.tally.add(Fault::NodeAway);
        *away = None;
    }
}

impl Harm<'_> {
    fn to(mut self, part: Part) {
        let Site { nodes, cluster, .. } = self.site;
        match part {
            Part::Sender(number) => self.senders(number),
            Part::Nginx(number) => self.nginx(&nodes[number]),
            Part::Agent(number) => self.agent(&nodes[number]),
            Part::NodesLink(number) => self.link(&nodes[number].machine),
            Part::Servers => self.servers(),
            Part::ServersLink(number) => self.link(&cluster.machines()[number]),
        }
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.end
    }

    /// A random time: which moment of somebody's work is hit is chance.
    fn hold(&mut self, milliseconds: Range<u64>) {
        thread::sleep(Duration::from_millis(self.rng.u64(milliseconds)));
    }

    fn did(&self, fault: Fault) {
        self.site.tally.add(fault);
    }

    fn senders(&mut self, index: usize) {
        while self.goes_on() {
            self.hold(100..900);
            self.site.kill_sender(index);
            self.hold(0..150);
            self.site.revive(index);
            self.did(Fault::SenderKilled);
        }
    }

    fn agent(&mut self, node: &Node) {
        while self.goes_on() {
            self.hold(50..600);
            match self.rng.u8(0..10) {
                0..6 => {
                    node.agent().kill();
                    self.hold(0..300);
                    restart(node);
                    self.did(Fault::AgentKilled);
                }
                6..8 => {
                    node.agent().suspend();
                    self.hold(50..1_500);
                    node.agent().resume();
                    self.did(Fault::AgentFrozen);
                }
                8 => {
                    let seconds = *self.rng.choice(&[-3_600, -60, 60, 3_600]).unwrap_or(&60);
                    node.clock.set(seconds);
                    self.hold(50..1_000);
                    node.clock.set(0);
                    self.did(Fault::ClockSet);
                }
                _ => {
                    node.agent().kill();
                    // Meanwhile the pages in its cache grow old.
                    self.hold(200..600);
                    node.renew();
                    self.did(Fault::NewNode);
                }
            }
        }
    }

    /// It comes back with the pages that it had.
    fn nginx(&mut self, node: &Node) {
        while self.goes_on() {
            self.hold(100..900);
            node.nginx().kill();
            self.hold(0..400);
            node.machine.run(|| node.nginx().restart());
            self.did(Fault::NginxKilled);
        }
    }

    fn servers(&mut self) {
        let cluster = &self.site.cluster;
        while self.goes_on() {
            self.hold(100..800);
            let first = self.rng.usize(0..3);
            match self.rng.u8(0..4) {
                0..2 => {
                    cluster.kill(first);
                    self.hold(0..2_000);
                    cluster.restart(first);
                    self.did(Fault::ServerKilled);
                }
                2 => {
                    let second = (first + self.rng.usize(1..3)) % 3;
                    cluster.kill(first);
                    self.hold(0..300);
                    cluster.kill(second);
                    self.hold(500..2_500);
                    cluster.restart(second);
                    self.hold(0..500);
                    cluster.restart(first);
                    self.did(Fault::TwoServersKilled);
                }
                _ => {
                    cluster.suspend(first);
                    self.hold(100..3_000);
                    cluster.resume(first);
                    self.did(Fault::ServerFrozen);
                }
            }
        }
    }

    fn link(&mut self, machine: &Machine) {
        if !self.site.network.is_real() {
            return;
        }
        let machines = self.site.machines();
        while self.goes_on() {
            self.hold(100..900);
            match self.rng.u8(0..6) {
                0..3 => {
                    machine.cut();
                    self.hold(50..1_500);
                    machine.mend();
                    self.did(Fault::Cut);
                }
                3 => {
                    let Some(other) = self.rng.choice(&machines) else {
                        return;
                    };
                    if other.name() == machine.name() {
                        continue;
                    }
                    machine.lose(other);
                    self.hold(50..2_000);
                    machine.find(other);
                    self.did(Fault::OneWayLoss);
                }
                _ => {
                    machine.slow();
                    self.hold(200..2_000);
                    machine.hasten();
                    self.did(Fault::SlowLink);
                }
            }
        }
    }
}

fn restart(node: &Node) {
    node.machine.run(|| node.agent().restart());
}
