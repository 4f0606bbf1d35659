//! What the checks ask of a cache under test.
//!
//! A cache joins by a function that starts it before an app (`Start`), in a file of `stands/`, and by one line in the table
//! of `main.rs`. What it claims is data: the checks read [`Cache::capabilities`]. A cache with two ways of purging, such as
//! hard and soft, joins by two lines.

use std::net::SocketAddr;

use axum::Router;
use roan::Cache;
use roan_tests::{Answer, Kind, Server};

/// Starts one node before each of these apps. `None` if a mistake cannot be made with this cache.
pub(crate) type Start = dyn Fn(&[SocketAddr], Setup) -> Option<Box<dyn Stand>>;

/// How a cache and Roan are set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// As the guide says.
    Right,
    /// The nodes do not know the method of the purge, or have no place for purges.
    UnknownMethod,
    /// The nodes do not take purges from this client.
    Refusing,
}

/// What can happen to a node for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not run.
    Down,
    /// It accepts connections and does not answer.
    Silent,
    /// It answers purges with 503 and `Retry-After: 1`.
    Overloaded,
}

/// A cache that runs. It ends when this is dropped.
pub(crate) trait Stand {
    /// Where visitors ask each node for pages.
    fn nodes(&self) -> Vec<SocketAddr>;

    /// What Roan is configured with: one cache with all nodes, or one for each node if that is its nature. Called once for each
    /// dispatcher.
    fn caches(&self) -> Vec<Cache>;

    /// Whether an answer to a visitor came from the cache.
    fn is_hit(&self, answer: &Answer) -> bool {
        answer.cache_status() == "HIT"
    }

    /// Puts a cache of this program around the app of a node.
    fn wrap(&self, _node: usize, app: Router) -> Router {
        app
    }

    /// Whether it stores a page that varies by `Accept-Language`. If not, it must never store one.
    fn stores_variants(&self) -> bool {
        true
    }

    /// URLs of the suite that it takes for another one, for pages and purges alike, or that Roan
    /// refuses to ask it for.
    fn leaves_out(&self) -> &'static [&'static str] {
        &[]
    }

    /// Breaks a node. `false` if that cannot happen to it.
    fn fail(&mut self, _node: usize, _fault: Fault) -> bool {
        false
    }

    /// Ends the fault.
    fn mend(&mut self, _node: usize, _fault: Fault) {}
}

/// The caches that Roan is configured with.
type Configured<K> = Box<dyn Fn(&[Server<K>]) -> Vec<Cache>>;

/// A cache of real servers, which are killed and suspended.
pub(crate) struct Servers<K: Kind> {
    servers: Vec<Server<K>>,
    caches: Configured<K>,
    stores_variants: bool,
    leaves_out: &'static [&'static str],
}

impl<K: Kind> Servers<K> {
    pub(crate) fn new(
        servers: Vec<Server<K>>,
        caches: impl Fn(&[Server<K>]) -> Vec<Cache> + 'static,
    ) -> Self {
        Self {
            servers,
            caches: Box::new(caches),
            stores_variants: true,
            leaves_out: &[],
        }
    }

    /// It takes these URLs for other ones.
    pub(crate) fn leaving_out(mut self, urls: &'static [&'static str]) -> Self {
        self.leaves_out = urls;
        self
    }

    /// It does not store pages that vary by more than their compression.
    pub(crate) fn without_variants(mut self) -> Self {
        self.stores_variants = false;
        self
    }
}

impl<K: Kind> Stand for Servers<K> {
    fn nodes(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::addr).collect()
    }

    fn caches(&self) -> Vec<Cache> {
        (self.caches)(&self.servers)
    }

    fn stores_variants(&self) -> bool {
        self.stores_variants
    }

    fn leaves_out(&self) -> &'static [&'static str] {
        self.leaves_out
    }

    fn fail(&mut self, node: usize, fault: Fault) -> bool {
        match fault {
            Fault::Down => self.servers[node].kill(),
            Fault::Silent => self.servers[node].suspend(),
            Fault::Overloaded => return false,
        }
        true
    }

    fn mend(&mut self, node: usize, fault: Fault) {
        match fault {
            Fault::Down => self.servers[node].restart(),
            Fault::Silent => self.servers[node].resume(),
            Fault::Overloaded => {}
        }
    }
}
