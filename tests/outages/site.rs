//! A whole site: a database, the app, senders, a cluster of three servers, and five nodes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;

use fastrand::Rng;
use roan_tests::{
    Clock, Connection, Machine, Network, Postgres, PostgresOptions, lock, outbox, page_app, wait,
};
use tokio::runtime::Runtime;

use crate::instance::{Instance, Said};
use crate::model::{self, Page};
use crate::node::Node;
use crate::sender::{MODE, Orders};
use crate::stream::{self, Cluster};
use crate::tally::Tally;

const NODES: usize = 5;

/// Two apps that write, and a program that only relays.
const SENDERS: [&str; 3] = ["write", "write", "relay"];

/// The site under test.
pub(crate) struct Site {
    pub(crate) tally: Tally,
    pub(crate) nodes: Vec<Node>,
    /// One that is away, and when it left.
    pub(crate) away: Mutex<Option<(usize, Instant)>>,
    pub(crate) senders: [Mutex<Option<Instance>>; SENDERS.len()],
    pub(crate) cluster: Cluster,
    pub(crate) network: Network,
    /// Locked for writing when nobody may read.
    pub(crate) readers: Arc<RwLock<()>>,
    pub(crate) postgres: Postgres,
    /// That of the database and of the senders.
    pub(crate) clock: Clock,
    started: AtomicU64,
    seed: u64,
    /// Serves the app; last, so that it outlives who needs it.
    pub(crate) runtime: Runtime,
}

impl Site {
    pub(crate) fn start(seed: u64, rng: &mut Rng) -> Self {
        let mut network = Network::new();
        println!(
            "outages: {}",
            match network.is_real() {
                true => "each server and each node in a network namespace of its own",
                false =>
                    "all on ports of one machine (no network namespaces here): no partitions, no slow links",
            }
        );
        let clock = Clock::new();
        let postgres = Postgres::start_with(&PostgresOptions {
            clock: Some(clock.clone()),
            ..PostgresOptions::default()
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let url = postgres.url();
        let app = runtime.block_on(async {
            let mut db = Connection::open(&url).await.expect("a database");
            for sql in [model::CREATE, &model::fill()] {
                db.run(sql).await.expect("a table of pages");
            }
            outbox::at(&url)
                .migrate()
                .await
                .expect("tables of the outbox");
            page_app::serve::<Page>(network.here().addr(), &url, rng.fork()).await
        });
        let cluster = Cluster::start(&mut network);
        let readers = Arc::default();
        let mut site = Self {
            tally: Tally::default(),
            nodes: Vec::new(),
            away: Mutex::default(),
            senders: Default::default(),
            cluster,
            network,
            readers,
            postgres,
            clock,
            started: AtomicU64::new(0),
            seed,
            runtime,
        };
        // The first sender makes the stream.
        let first = site.sender("relay");
        first.wait_until_ready();
        site.runtime
            .block_on(stream::wait_until_made(&site.cluster));
        let servers = site.cluster.urls();
        for number in 1..=NODES {
            let machine = site.network.machine(&format!("node{number}"));
            let node = Node::start(machine, app, &servers, &site.readers, rng.fork());
            site.nodes.push(node);
        }
        for node in &site.nodes {
            let what = format!("{} to be ready", node.name());
            wait::until_ok(3 * wait::LONG, &what, || {
                let health = node.health();
                health.map_err(|error| format!("{error}\n{}", node.agent().log()))
            });
        }
        drop(first);
        site
    }

    /// Starts a sending program; `mode` is that of [`MODE`].
    pub(crate) fn sender(&self, mode: &str) -> Instance {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let orders = Orders {
            database: self.postgres.url(),
            servers: self.cluster.urls(),
            seed: self.seed.wrapping_add(number * 1_000),
        };
        Instance::start((MODE, mode), orders.to_args(), &self.clock)
    }

    /// Starts what writes and relays.
    pub(crate) fn start_senders(&self) {
        for (sender, mode) in self.senders.iter().zip(SENDERS) {
            *lock(sender) = Some(self.sender(mode));
        }
    }

    /// Kills a sender; the next one starts with [`revive`](Self::revive).
    pub(crate) fn kill_sender(&self, index: usize) {
        if let Some(sender) = lock(&self.senders[index]).take() {
            self.count(&sender.kill());
        }
    }

    pub(crate) fn revive(&self, index: usize) {
        *lock(&self.senders[index]) = Some(self.sender(SENDERS[index]));
    }

    pub(crate) fn count(&self, said: &Said) {
        self.tally.add_writes(said.committed);
    }

    /// Every machine with a link: those of the servers, then those of the nodes.
    pub(crate) fn machines(&self) -> Vec<Machine> {
        let servers = self.cluster.machines().iter();
        let nodes = self.nodes.iter().map(|node| &node.machine);
        servers.chain(nodes).cloned().collect()
    }

    pub(crate) fn is_away(&self, node: usize) -> bool {
        lock(&self.away).is_some_and(|(away, _)| away == node)
    }
}
