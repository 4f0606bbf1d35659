//! The cluster of servers and the stream on it, and how senders and agents are set up.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use roan::Cache;
use roan_tests::{Machine, NatsCluster, NatsOptions, Network, lock, wait};
use serde_json::Value;

use crate::node::REBOUND;

/// So long the stream keeps a purge: longer than an agent's message that was not acknowledged waits for its next delivery.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(25);

const STREAM: &str = "ROAN";
const HEARTBEATS: &str = "ROAN_AGENTS";

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

    async fn context(&self) -> Result<Context, async_nats::ConnectError> {
        let client = async_nats::ConnectOptions::new()
            .connection_timeout(Duration::from_secs(2))
            .connect(self.urls.split(',').collect::<Vec<_>>())
            .await?;
        let mut context = jetstream::new(client);
        context.set_timeout(Duration::from_secs(2));
        Ok(context)
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
         empty_with = \"find {cache} -type f -delete\"\n\
         [[caches]]\nkind = \"nginx\"\nnodes = [\"{purge_url}\"]\n"
    )
}

/// Waits for the stream, which the first sender makes.
pub(crate) async fn wait_until_made(cluster: &Cluster) {
    wait::until_async(3 * wait::LONG, "the stream", async || {
        match cluster.context().await {
            Ok(context) => context.get_stream(STREAM).await.is_ok(),
            Err(_) => false,
        }
    })
    .await;
}

/// The nodes that have not acknowledged every purge of the stream, and what each lacks: by their consumers, and by what they
/// say themselves.
///
/// A consumer alone is not asked. Its leader counts what is pending in its own copy of the stream, which may lack messages, and
/// need not be the leader of the stream: with nats-server 2.9, three servers of which one had a slow link, and the leader killed
/// after 600 messages, 8 of 20 consumers said for 18 s that 2 messages were pending; and as long as the stream had no leader, the
/// slow server answered for it, too: 2 messages. This judge once believed it, and found pages of two versions before.
pub(crate) async fn unclean(cluster: &Cluster, nodes: &[String]) -> Vec<String> {
    match unclean_nodes(cluster, nodes).await {
        Ok(unclean) => unclean,
        Err(error) => vec![format!("the stream: {error}")],
    }
}

async fn unclean_nodes(
    cluster: &Cluster,
    nodes: &[String],
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let context = cluster.context().await?;
    let stream = context.get_stream(STREAM).await?;
    let info = stream.cached_info();
    let last = info.state.last_sequence;
    // Without a leader, a server answers by its own copy, which may lack messages.
    let leader = info
        .cluster
        .as_ref()
        .and_then(|cluster| cluster.leader.as_ref());
    if leader.is_none() {
        return Ok(vec!["the stream: no leader".to_owned()]);
    }
    let heartbeats = context.get_key_value(HEARTBEATS).await?;
    let mut unclean = Vec::new();
    for node in nodes {
        let consumer = stream.consumer_info(format!("roan-{node}")).await;
        match consumer {
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
        let heartbeat = heartbeats.get(node.as_str()).await?.unwrap_or_default();
        let heartbeat: Value = serde_json::from_slice(&heartbeat).unwrap_or_default();
        if heartbeat["acknowledged"].as_u64() < Some(last) {
            unclean.push(format!("{node} of {last} messages: {heartbeat}"));
        }
    }
    Ok(unclean)
}

pub(crate) fn last_lines(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
