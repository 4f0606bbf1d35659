//! An agent of a fleet: it stands beside a cache, takes purges from the stream, and purges over loopback.
//!
//! The command `roan agent` is one. A program may run one, too:
//!
//! ```no_run
//! use roan::agent::Agent;
//! use roan::fleet::Nats;
//! use roan::{Nginx, Roan};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let nats = Nats::at("nats://nats-1.internal:4222,nats://nats-2.internal:4222")?;
//! let caches = Roan::builder().cache(Nginx::at("http://127.0.0.1/purge")?);
//! let agent = Agent::new(nats)
//!     .node("edge-1")
//!     .empty_with("find /var/cache/nginx-pages -type f -delete")
//!     .start(caches)
//!     .await?;
//! tokio::signal::ctrl_c().await?;
//! agent.stop(std::time::Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! It purges with the same dispatcher as an app: retries, pacing, health, the rebound and several tiers of caches are the
//! same. It acknowledges a message when every node of its caches has answered all of its targets, rebounds included. So a
//! crash of the agent, at any instruction, loses nothing: what is not acknowledged comes again.
//!
//! # When the cache is emptied
//!
//! An agent that cannot know that its cache is clean empties it, and then consumes:
//!
//! - the node is new, or its consumer was deleted or has expired ([`Agent::inactive_threshold`]);
//! - the stream has dropped messages before the agent could take them, or somebody has removed them, or it is another stream;
//! - the agent has other caches than before, or their nodes have other addresses;
//! - a purge was given up, because the cache refused it, it was too old ([`RoanBuilder::max_age`]), or the message could not
//!   be read. One emptying covers all that was given up until then. The next one comes 10 s after the last at the earliest, then
//!   after 20, 40 and at most 60 s, until there was peace for 10 minutes; the node is not ready meanwhile;
//! - more than 10,000 purges wait for a node that is down: emptying it when it is back is faster than purging them all.
//!
//! The order is: the consumer is made, the cache is emptied, and emptied once more after the rebound; then messages are taken.
//! A cache is emptied by a purge of [everything](crate::Target::everything) where it can do that, else by a command
//! ([`Agent::empty_with`]). Without either, the agent waits until somebody says that the cache is empty
//! (`roan agent --emptied`, [`Agent::note_emptied`]), and after a purge that was given up it is *unclean* until then: it goes on
//! purging, but is not ready.
//!
//! # When nothing shows that the cache is purged
//!
//! An nginx without a purge location passes a purge to the app, whose 404 looks as if the page were not cached. So where a kind of
//! cache can show what it has purged, and an answer does not, the agent is *unclean*, and says what to mend. It asks again every
//! 10 s, and empties the cache when the answers show that purges reach the pages. nginx, Varnish, Squid and Traffic Server show
//! it by the header `X-Roan-Purge` of their configurations in the guide, and an nginx whose pages are refreshed
//! ([`Nginx::refresh`](crate::Nginx::refresh)) by the key in `X-Roan-Refresh`; there an order that nginx did not take is refused.
//! `NginxFiles` reads the key in each file itself, so no other server can answer in its place. Whether the keys that it
//! looks for are those of nginx it cannot know while pages are missing: of files without one of the site it warns at the start.
//!
//! # Sites
//!
//! A message names the site of its targets, and the address of that site if the sender knows it. The configuration of the
//! agent wins: a site that the agent's builder has is that one, which is logged if its host is another one than that of the message.
//! An agent with no sites purges under the address that the message names. A target of a named site whose address nobody knows cannot be purged: pages of that site may be in this
//! cache, so the message counts as given up. If [`Agent::sites`] says which sites the node serves, targets of others are counted
//! and left: they cannot be in this cache.
//!
//! # Several nodes
//!
//! An agent may purge several nodes, but has one place in the stream for all of them: a message is acknowledged when each of its nodes
//! has answered, and what one of them has not answered the agent holds for it, up to [`Agent::most_open`] messages. So a node that stays
//! slow or down holds up the others in the end, and while one is unclean all are emptied. One agent a cache host has neither; several
//! nodes are for those that fail together, such as two nginx on one machine.
//!
//! # Names
//!
//! Each agent needs a name of its own ([`Agent::node`]). Two agents of one name would share the purges between them, and each
//! cache would miss some: the older one ends when it finds out, which takes up to 10 s, and the newer one empties its cache when it
//! hears that, within 10 s more. Until then both are ready.
//!
//! [`RoanBuilder::max_age`]: crate::RoanBuilder::max_age

mod beats;
mod config;
mod emptied;
mod error;
mod health;
mod held;
mod intake;
mod link;
mod position;
mod proof;
mod running;
mod shared;
mod source;
mod spaced;
mod standing;
mod work;

use std::net::SocketAddr;
use std::time::Duration;

pub use config::AgentConfig;
pub use emptied::Emptied;
pub use error::AgentError;
pub use running::RunningAgent;
pub use shared::{AgentPhase, AgentStatus};
pub use standing::Standing;

use crate::error::ConfigError;
use crate::fleet::{FleetStatus, Nats, Stream};

/// The settings of an agent: see the [module](self).
#[derive(Debug, Clone)]
#[must_use = "call `start`"]
pub struct Agent {
    nats: Nats,
    stream: Stream,
    node: String,
    sites: Vec<Option<String>>,
    empty_with: Option<String>,
    inactive_threshold: Duration,
    ready_lag: Duration,
    listen: Option<SocketAddr>,
    most_open: usize,
}

/// See [`Agent::most_open`].
const MOST_OPEN: usize = 65_536;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

impl Agent {
    /// An agent that takes the purges of the stream [`Stream::new`] at these servers. Its node has the name of this host.
    pub fn new(nats: Nats) -> Self {
        Self {
            nats,
            stream: Stream::new(),
            node: host_name(),
            sites: Vec::new(),
            empty_with: None,
            inactive_threshold: WEEK,
            ready_lag: FleetStatus::MAX_LAG,
            listen: None,
            most_open: MOST_OPEN,
        }
    }

    /// Sets the stream. If it is missing at the start, the agent makes it with these settings if they have [`Stream::replicas`]; if
    /// not, it waits until the app has made it, and is not ready. If the stream is there, they are what it must have at least, but
    /// for the copies and the time. If it is removed while the agent runs, the app makes it anew.
    pub fn stream(mut self, stream: Stream) -> Self {
        self.stream = stream;
        self
    }

    /// Sets the name of the node, which no other agent of the stream has. It must stay the same over restarts. Default: the name of
    /// this host.
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.node = name.into();
        self
    }

    /// Sets the sites that the node serves, by the names that rules use; `-` is the default site. Targets of others are counted,
    /// and not purged. [`start`](Self::start) is an error if [`RoanBuilder::named_site`](crate::RoanBuilder::named_site) does not
    /// say the address of one, so that a name with a slip does not leave its pages stale. Default: all.
    pub fn sites(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = names.into_iter().map(Into::into);
        self.sites = names
            .map(|name: String| (name != "-").then_some(name))
            .collect();
        self
    }

    /// Sets the command that empties the cache, for `sh -c`: it has ended when the cache is empty, with status 0. It runs with
    /// the rights of the agent. For nginx it removes the files, and leaves the folders, into which nginx may write meanwhile:
    /// `find /var/cache/nginx-pages -type f -delete`. nginx takes a page whose file is gone for one that is not cached.
    ///
    /// Without it, the agent purges [everything](crate::Target::everything), if its caches can do that.
    pub fn empty_with(mut self, command: impl Into<String>) -> Self {
        self.empty_with = Some(command.into());
        self
    }

    /// Sets how long the servers keep the place of this agent while it is away. After that its cache is emptied. Default: 7
    /// days, as the stream keeps messages.
    pub fn inactive_threshold(mut self, threshold: Duration) -> Self {
        self.inactive_threshold = threshold;
        self
    }

    /// Sets how far the agent may be behind while its health endpoint says `ready`. Default: 30 s.
    pub fn ready_lag(mut self, lag: Duration) -> Self {
        self.ready_lag = lag;
        self
    }

    /// Sets the address of the health endpoint: `GET /` answers 200 `ready`, or 503 and why not; `GET /metrics` has figures for
    /// Prometheus. Default: no endpoint.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Sets how many messages may be taken and not acknowledged, for all nodes of the agent together. Default: 65,536. Each is held
    /// until its rebound is answered, so with a rebound of 2 s this is 32,768 messages a second.
    pub fn most_open(mut self, messages: usize) -> Self {
        self.most_open = messages.clamp(1, 1 << 20);
        self
    }

    /// Returns the name of the node.
    #[must_use]
    pub fn node_name(&self) -> &str {
        &self.node
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.node.is_empty() || self.node.len() > 64 || self.node.chars().any(char::is_control) {
            let problem = "is not a name for a node: write 1 to 64 bytes, such as `edge-1` (`ROAN_NODE`, `--node`)";
            return Err(ConfigError::value("node", &*self.node, problem));
        }
        if self.inactive_threshold < Duration::from_secs(1) {
            let shown = format!("{:?}", self.inactive_threshold);
            let problem = "must be at least a second: the default is `7days`";
            return Err(ConfigError::value("inactive_threshold", shown, problem));
        }
        Ok(())
    }
}

/// The name of this host; empty if it has none.
fn host_name() -> String {
    let from_file = || std::fs::read_to_string("/etc/hostname").ok();
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let from_variable = || std::env::var("HOSTNAME").ok();
    let name = from_kernel.or_else(from_file).or_else(from_variable);
    name.unwrap_or_default().trim().to_owned()
}
