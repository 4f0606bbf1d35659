//! Caches that drop a page when they get `PURGE` of its URL, with the `Host` of its site: Squid and Traffic Server.

mod client;
mod config;
mod echo;
mod setup;
mod squid;
mod traffic_server;

use std::fmt;

use super::http::{CacheType, Connecting, Nodes};
use super::{Cache, NodeClient};
use crate::error::ConfigError;

use self::client::PurgeMethodNode;
pub use self::config::PurgeMethodConfig;
use self::setup::Setup;
pub use self::squid::Squid;
pub use self::traffic_server::TrafficServer;

/// What distinguishes the servers.
pub(crate) struct Server {
    cache: CacheType,
    #[cfg(feature = "doctor")]
    software: super::access::Software,
    /// Its name in messages.
    name: &'static str,
    /// How its own `Server` header begins.
    product: &'static str,
    /// Whether it sets that header also on answers of the app.
    signs_all: bool,
    /// Brings a URL, without scheme and host, into the form in which the server returns it.
    plain: fn(&str) -> String,
    /// What to do if it denies a purge.
    allow: &'static str,
    /// What to do if it passes the purge to the app.
    handle: &'static str,
    /// What makes it return the URL that it purged.
    echo: &'static str,
    /// What else may be wrong if purges never find a page.
    missing: &'static str,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn connect(
    server: &'static Server,
    nodes: &Nodes,
    connecting: &Connecting,
) -> Result<Vec<NodeClient>, ConfigError> {
    let clients = nodes
        .endpoints(connecting)?
        .map(|(name, endpoint)| NodeClient {
            name: name.into(),
            purger: Box::new(PurgeMethodNode {
                endpoint,
                setup: Setup::new(server, &nodes.name, name),
            }),
        });
    Ok(clients.collect())
}

fn cache(server: &'static Server, nodes: Nodes) -> Cache {
    let name = nodes.name.clone();
    Cache {
        connect: Box::new(move |connecting| connect(server, &nodes, connecting)),
        ..Cache::new(&name)
    }
}
