//! The cluster of servers and the stream on it, and how senders and agents are set up.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use roan::Cache;
use roan_tests::{Machine, NatsCluster, NatsOptions, Network, wait};

use crate::node::{REBOUND, lock};

/// So long the stream keeps a purge: longer than an agent's message that was not acknowledged waits for its next delivery.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(25);

const STREAM: &str = "ROAN";

/// Three servers, each on a machine of its own.
pub(crate) struct Cluster {
    servers: Mutex<NatsCluster>,
    machines: [Machine; 3],
    urls: String,
}

impl Cluster {
    pub(crate) fn start(network: &mut Network) -> Self {
        let machines = [1, 2, 3].map(|number| network.machine(&format!("nats{number}")));
        let servers = NatsCluster::start_on(&machines, &NatsOptions::default());
        Self {
            urls: servers.url(),
            servers: Mutex::new(servers),
            machines,
        }
    }

    /// All of them as one URL.
    pub(crate) fn urls(&self) -> String {
        self.urls.clone()
    }

    pub(crate) fn machines(&self) -> &[Machine; 3] {
        &self.machines
    }

    pub(crate) fn kill(&self, number: usize) {
        let server = &mut self.servers().servers[number];
        self.machines[number].run(|| server.kill());
    }

    pub(crate) fn restart(&self, number: usize) {
        let server = &mut self.servers().servers[number];
        self.machines[number].run(|| server.restart());
    }

    pub(crate) fn suspend(&self, number: usize) {
        self.servers().servers[number].suspend();
    }

    pub(crate) fn resume(&self, number: usize) {
        self.servers().servers[number].resume();
    }

    /// What the servers have logged last.
    pub(crate) fn log(&self, lines: usize) -> String {
        let servers = self.servers();
        let logs = servers.servers.iter().zip(&self.machines);
        let logs = logs.map(|(server, machine)| {
            let log = last_lines(&server.log(), lines);
            format!("--- {}:\n{log}", machine.name())
        });
        logs.collect::<Vec<_>>().join("\n")
    }

    fn servers(&self) -> MutexGuard<'_, NatsCluster> {
        lock(&self.servers)
    }

    async fn stream(&self) -> Result<jetstream::stream::Stream, String> {
        let client = async_nats::ConnectOptions::new()
            .connection_timeout(Duration::from_secs(2))
            .connect(self.urls.split(',').collect::<Vec<_>>())
            .await;
        let mut context = jetstream::new(client.map_err(|error| error.to_string())?);
        context.set_timeout(Duration::from_secs(2));
        let stream = context.get_stream(STREAM).await;
        stream.map_err(|error| error.to_string())
    }
}

/// What a sender publishes to.
pub(crate) fn sending(urls: &str) -> Cache {
    let stream = roan::fleet::Stream::new().replicas(3).max_age(MAX_AGE);
    let fleet = roan::Fleet::nats(urls).expect("URLs of our own servers");
    fleet.stream(stream).into()
}

/// The configuration file of an agent.
pub(crate) fn agent_config(urls: &str, name: &str, cache: &Path, purge_url: &str) -> String {
    let (cache, rebound) = (cache.display(), REBOUND.as_millis());
    let max_age = MAX_AGE.as_secs();
    format!(
        "rebound = \"{rebound}ms\"\n\
         [agent]\nnats = \"{urls}\"\nnode = \"{name}\"\nmax_age = \"{max_age}s\"\nreplicas = 3\n\
         empty_with = \"rm -rf {cache}/*\"\n\
         [[caches]]\nkind = \"nginx\"\nnodes = [\"{purge_url}\"]\n"
    )
}

/// Waits for the stream, which the first sender makes.
pub(crate) async fn wait_until_made(cluster: &Cluster) {
    wait::until_async(3 * wait::LONG, "the stream", async || {
        cluster.stream().await.is_ok()
    })
    .await;
}

/// The nodes that have not acknowledged every purge of the stream, and what each lacks.
pub(crate) async fn unclean(cluster: &Cluster, nodes: &[String]) -> Vec<String> {
    let stream = match cluster.stream().await {
        Ok(stream) => stream,
        Err(error) => return vec![format!("the stream: {error}")],
    };
    let mut unclean = Vec::new();
    for node in nodes {
        let name = format!("roan-{node}");
        let found = stream.get_consumer::<pull::Config>(&name).await;
        let info = match found {
            Ok(mut consumer) => consumer.info().await.cloned().map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match info {
            Ok(info) if info.num_pending == 0 && info.num_ack_pending == 0 => {}
            Ok(info) => unclean.push(format!(
                "{node}: {} pending, {} not acknowledged, delivered {}, acknowledged {}",
                info.num_pending,
                info.num_ack_pending,
                info.delivered.stream_sequence,
                info.ack_floor.stream_sequence
            )),
            Err(error) => unclean.push(format!("{node}: {error}")),
        }
    }
    unclean
}

pub(crate) fn last_lines(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
