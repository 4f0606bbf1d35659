//! The configuration of a dispatcher, in code.

use std::sync::Arc;
use std::time::Duration;

use super::global;
use super::handle::Roan;
use crate::base::site::Site;
use crate::base::spelling::Spellings;
use crate::base::target::Target;
#[cfg(feature = "_sql")]
use crate::dispatcher::Node;
use crate::dispatcher::{Engine, Policy, Sites, Source, connect, start};
use crate::error::ConfigError;
#[cfg(feature = "_sql")]
use crate::outbox::Outbox;
use crate::purger::Cache;
#[cfg(feature = "_sql")]
use crate::relay::DurableOutbox;

/// Configures a dispatcher: begun by [`Roan::builder`], from the environment by
/// [`RoanBuilder::from_env`], from a file by [`Config::builder`](crate::config::Config::builder).
///
/// Setters do not fail; [`build`](Self::build) and [`install`](Self::install) say what is wrong.
#[derive(Debug, Default)]
#[must_use = "call `install()` or `build()`"]
pub struct RoanBuilder {
    pub(super) caches: Vec<Cache>,
    sites: Sites,
    pub(super) policy: Policy,
    /// The first mistake in what was set.
    mistake: Option<ConfigError>,
    #[cfg(feature = "_sql")]
    outbox: Option<Outbox>,
}

impl RoanBuilder {
    /// Adds a cache. Several are purged in the order in which they were added: give the one nearest
    /// to the app first, or a cache before it re-fills from a stale one. Without any, it is the
    /// [`Nginx`](crate::Nginx) at `http://localhost/purge`.
    pub fn cache(mut self, cache: impl Into<Cache>) -> Self {
        self.caches.push(cache.into());
        self
    }

    /// The site that pages are cached under, such as `https://www.example.org`: its host is sent as
    /// `Host` of each purge. Without one, it is the host of the purge URL.
    pub fn site(mut self, site: impl Into<String>) -> Self {
        let set = self.set_site("site", None, &site.into());
        self.noting(set)
    }

    /// A further site, for rules with `site = "name"`.
    pub fn named_site(mut self, name: impl Into<String>, site: impl Into<String>) -> Self {
        let set = self.set_site("named_site", Some(&name.into()), &site.into());
        self.noting(set)
    }

    fn noting(mut self, set: Result<(), ConfigError>) -> Self {
        self.mistake = self.mistake.or(set.err());
        self
    }

    /// Adds the default site, or one with a name. `known_as` is the name by which the user knows the setting.
    pub(super) fn set_site(
        &mut self,
        known_as: &str,
        name: Option<&str>,
        text: &str,
    ) -> Result<(), ConfigError> {
        let site: Site = text
            .parse()
            .map_err(|error| ConfigError::site(known_as, error))?;
        let Some(name) = name else {
            self.sites.default = Some(site);
            return Ok(());
        };
        if name.is_empty() || name.len() > Target::MAX_SITE_LEN {
            let problem = "is not a name for a site: write 1 to 255 bytes";
            return Err(ConfigError::value(known_as, name, problem));
        }
        match self.sites.named.insert(name.to_owned(), site) {
            None => Ok(()),
            Some(_) => {
                let problem = "names two sites: remove one, or write another name";
                Err(ConfigError::value(known_as, name, problem))
            }
        }
    }

    /// How long after a purge the same target is purged once more; `None` for never. Default: 2 s.
    ///
    /// A page that was being rendered from the old row when the purge came is stored after it, and
    /// stays. So the delay must be longer than the slowest render. `None` is right only where no page is
    /// ever rendered while its row is written. The embedded cache stores no such page, and is purged once.
    pub fn rebound(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.policy.rebound = delay.into();
        self
    }

    /// Which spellings of a page's URL are purged. Default: [`Spellings::Common`], all that common encoders give.
    ///
    /// A cache keeps each spelling as a page of its own, and links to `C++` are found as `/tags/C%2B%2B` and as
    /// `/tags/C++`. Each spelling more is one more request, and at nginx one more entry in the keys zone (about 130
    /// bytes, until `inactive` ends). [`Spellings::Exact`] spares both, for a site whose links all have Roan's
    /// spelling.
    pub fn spellings(mut self, spellings: Spellings) -> Self {
        self.policy.spellings = spellings;
        self
    }

    /// How long a connection to a node may take. Default: 2 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.policy.connect_timeout = timeout;
        self
    }

    /// How long a request may take, from the connection to the end of the answer. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.policy.timeout = timeout;
        self
    }

    /// How many requests may be in flight at one node. Default: 8.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.policy.concurrency = requests;
        self
    }

    /// How many targets may wait for one node, and between the hooks and the nodes. Default:
    /// 1,000,000. One more is [`Dropped`](crate::Outcome::Dropped), and reported.
    ///
    /// A waiting target takes its length and 250 bytes of memory, and 150 for each node more.
    pub fn max_waiting(mut self, targets: usize) -> Self {
        self.policy.max_waiting = targets;
        self
    }

    /// For how long a purge that fails is tried again. Default: 24 h. After that it is
    /// [`Dead`](crate::Outcome::Dead), and reported.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.policy.max_age = age;
        self
    }

    /// The time before the next attempt: random, at most `base` after the first failure, twice that
    /// after the second and so on, but never more than `cap`. Default: 100 ms and 30 s.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.policy.backoff_base = base;
        self.policy.backoff_cap = cap;
        self
    }

    /// Where purges wait that are written by the program's own transactions. Without it they wait in
    /// memory, and `roan.outbox()` and the connection's methods purge from there.
    ///
    /// [`build`](Self::build) and [`install`](Self::install) then connect to the database, and fail
    /// when its tables cannot be used.
    #[cfg(feature = "_sql")]
    #[cfg_attr(
        docsrs,
        doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql")))
    )]
    pub fn outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = Some(outbox);
        self
    }

    /// Makes a dispatcher that is not the global one.
    ///
    /// # Errors
    ///
    /// When a setting cannot be used, or the thread cannot be started.
    pub fn build(mut self) -> Result<Roan, ConfigError> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        self.policy.check()?;
        let mut caches = self.caches;
        if caches.is_empty() {
            caches.push(crate::purger::default_cache()?);
        }
        let tiers = caches.iter().map(|cache| cache.tags).collect();
        let nodes = connect(caches, &self.policy)?;
        let (policy, sites) = (self.policy, self.sites);
        #[cfg(feature = "_sql")]
        let durable = match self.outbox {
            Some(outbox) => {
                outbox.check()?;
                check_names(&nodes)?;
                Some(Arc::new(DurableOutbox::new(outbox, policy.clone())))
            }
            None => None,
        };
        #[cfg(feature = "_sql")]
        let source = durable.clone().map(|durable| durable as Arc<dyn Source>);
        #[cfg(not(feature = "_sql"))]
        let source: Option<Arc<dyn Source>> = None;
        let engine = Arc::new(Engine::new(nodes, tiers, sites, &policy, source));
        start(Arc::clone(&engine))?;
        Ok(Roan::new(
            engine,
            #[cfg(feature = "_sql")]
            durable.map(|durable| Arc::clone(durable.link())),
        ))
    }

    /// Makes the global dispatcher, to which [`roan::saved`](crate::saved) and its like speak. Call
    /// it once, before the first hook fires.
    ///
    /// # Errors
    ///
    /// When a setting cannot be used, a rule of the program asks for what no configured cache can
    /// do or names an unknown site, or there is a global dispatcher already.
    pub fn install(self) -> Result<Roan, ConfigError> {
        global::install(self)
    }
}

/// Names are columns of the outbox's tables.
#[cfg(feature = "_sql")]
fn check_names(nodes: &[Arc<Node>]) -> Result<(), ConfigError> {
    let names = nodes.iter().flat_map(|node| [&node.cache, &node.name]);
    match names.into_iter().find(|name| name.len() > 255) {
        Some(name) => {
            let problem = "is too long a name for a cache or node: write up to 255 bytes";
            Err(ConfigError::value("name", &**name, problem))
        }
        None => Ok(()),
    }
}
