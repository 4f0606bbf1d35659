//! The configuration of a dispatcher, in code.

use std::sync::Arc;
use std::time::Duration;

use super::global;
use super::handle::Roan;
use crate::base::log::warn_loudly;
use crate::base::site::Site;
use crate::base::spelling::Spellings;
use crate::base::target::Target;
#[cfg(feature = "web")]
use crate::base::target::TargetKind;
#[cfg(feature = "_sql")]
use crate::dispatcher::Node;
use crate::dispatcher::{Engine, KnownPages, Policy, Sites, Source, connect, start};
use crate::error::ConfigError;
#[cfg(feature = "_sql")]
use crate::outbox::Outbox;
#[cfg(feature = "web")]
use crate::pages::Pages;
#[cfg(feature = "web")]
use crate::purger::Capabilities;
use crate::purger::{Cache, Mode};
#[cfg(feature = "web")]
use crate::registry::{rules, run_time};
#[cfg(feature = "_sql")]
use crate::relay::DurableOutbox;
#[cfg(feature = "web")]
use crate::web::{ReadHeaders, Web, WebLayer};

/// Configures a dispatcher. Create it with [`Roan::builder`], from the environment with [`RoanBuilder::from_env`], or
/// from a file with [`Config::builder`](crate::config::Config::builder).
///
/// Setters do not fail: [`build`](Self::build) and [`install`](Self::install) return the error.
#[derive(Debug, Default)]
#[must_use = "call `install()` or `build()`"]
pub struct RoanBuilder {
    pub(super) caches: Vec<Cache>,
    /// Whether the first of `caches` is there because the environment names none.
    #[cfg(feature = "_sql")]
    pub(super) is_default_cache: bool,
    sites: Sites,
    pub(super) policy: Policy,
    /// The first mistake in what was set.
    mistake: Option<ConfigError>,
    #[cfg(feature = "_sql")]
    outbox: Option<Outbox>,
    #[cfg(feature = "web")]
    web: Option<Web>,
}

impl RoanBuilder {
    /// Adds a cache. Several are purged in the order in which they were added: give the one nearest
    /// to the app first, or a cache before it re-fills from a stale one. Without any, it is the
    /// [`Nginx`](crate::Nginx) at `http://localhost/purge`.
    pub fn cache(mut self, cache: impl Into<Cache>) -> Self {
        self.caches.push(cache.into());
        self
    }

    /// Returns the caches that were added, in the order of purging.
    pub fn caches(&self) -> &[Cache] {
        &self.caches
    }

    /// Returns the sites that were set: the default site without a name, and the named sites.
    pub fn sites(&self) -> impl Iterator<Item = (Option<&str>, &Site)> {
        let named = self.sites.named.iter();
        let named = named.map(|(name, site)| (Some(&**name), site));
        self.sites
            .default
            .iter()
            .map(|site| (None, site))
            .chain(named)
    }

    /// Sets the site under which pages are cached, such as `https://www.example.org`. Each purge is sent with its host as
    /// `Host`. Default: the host of the purge URL.
    pub fn site(mut self, site: impl Into<String>) -> Self {
        let set = self.set_site("site", None, &site.into());
        self.noting(set)
    }

    /// Adds a further site, for rules with `site = "name"`.
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

    /// Sets the rebound: the time after a purge at which Roan purges the same target once more. `None` is never. Default:
    /// 2 s. At most a year.
    ///
    /// A page that was being rendered from the old row during the purge is stored after it, and stays. So the delay must
    /// be longer than the slowest render. If pages read from a replica, a page that is rendered after the purge may show the
    /// old row, too: add the longest lag of the replica. Use `None` only if no page is ever rendered while its row is written. The
    /// embedded cache does not store such pages, and is purged once.
    ///
    /// With the [web layer](crate::guide::web) the default is 50 ms: the layer keeps such pages out of the caches, however
    /// long they are rendered. A page that may have been on its way into a cache during both purges, because it left the layer
    /// less than 2 s before, is purged once more 2 s after it left, if the rebound is shorter than that and not `None`.
    pub fn rebound(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.policy.rebound_is_set = true;
        self.policy.rebound = delay.into();
        self
    }

    /// Sets which spellings of a page's URL are purged. Default: [`Spellings::Common`], those of all common encoders.
    ///
    /// A cache keeps each spelling as a page of its own: links to `C++` appear as `/tags/C%2B%2B` and as `/tags/C++`.
    /// Each further spelling costs a request and, with nginx, an entry in the keys zone (about 130 bytes, until
    /// `inactive` ends). [`Spellings::Exact`] saves both, for a site whose links all have Roan's spelling.
    pub fn spellings(mut self, spellings: Spellings) -> Self {
        self.policy.spellings = spellings;
        self
    }

    /// Sets the maximum time to connect to a node. Default: 2 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.policy.connect_timeout = timeout;
        self
    }

    /// Sets the maximum time for a request, from the connection to the end of the answer. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.policy.timeout = timeout;
        self
    }

    /// Sets the maximum number of requests in flight at one node. Default: 8.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.policy.concurrency = requests;
        self
    }

    /// Sets the maximum number of targets that wait for one node, and between the hooks and the nodes. Default:
    /// 1,000,000. Roan drops further targets and reports them as [`Dropped`](crate::Outcome::Dropped).
    ///
    /// A waiting target takes its length and 350 bytes of memory, and 250 bytes for each further node.
    pub fn max_waiting(mut self, targets: usize) -> Self {
        self.policy.max_waiting = targets;
        self
    }

    /// Sets the maximum number of reports that wait for a slow reader of [`Roan::subscribe`]. Default: 1,024. At most
    /// 1,048,576.
    ///
    /// Their memory, about 200 bytes each, is taken at the start.
    pub fn max_reports(mut self, reports: usize) -> Self {
        self.policy.max_reports = reports.clamp(1, 1 << 20);
        self
    }

    /// Sets how many purges [`Roan::history`] keeps, the newest. Default: 1,000. At most 1,048,576. With 0, hooks do not note
    /// what has asked for a purge, and reports do not name it.
    ///
    /// A purge takes its length and about 400 bytes of memory. Those of a durable outbox are kept there:
    /// `Outbox::history`.
    pub fn history(mut self, purges: usize) -> Self {
        self.policy.history = purges.min(1 << 20);
        self
    }

    /// Sets how long Roan retries a purge. Default: 24 h. After that it gives up and reports the purge as
    /// [`Dead`](crate::Outcome::Dead).
    ///
    /// With a durable outbox a purge may be older when the program starts, or when its database is back. Roan then retries
    /// it for an hour at least (or for `age`, if that is shorter).
    pub fn max_age(mut self, age: Duration) -> Self {
        self.policy.max_age = age;
        self
    }

    /// Sets the delay before a retry. It is random: at most `base` after the first failure, twice that after the second,
    /// and so on up to `cap`. Default: 100 ms and 30 s.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.policy.backoff_base = base;
        self.policy.backoff_cap = cap;
        self
    }

    /// Sets the durable outbox, in which the program's own transactions store purges. Without it purges wait in memory;
    /// [`Roan::outbox`] and the methods of connections then purge from there.
    ///
    /// [`build`](Self::build) and [`install`](Self::install) then connect to the database, and return an error if its
    /// tables cannot be used.
    #[cfg(feature = "_sql")]
    #[cfg_attr(
        docsrs,
        doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql")))
    )]
    pub fn outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = Some(outbox);
        self
    }

    /// Sets up the [web layer](crate::web), which [`Roan::web`] returns. Caches without tags then serve rules with tags.
    ///
    /// [`build`](Self::build) and [`install`](Self::install) then return an error if a cache does not know tags and no
    /// [`site`](Self::site) is set: the URLs of pages that carry a tag are purged with its host.
    #[cfg(feature = "web")]
    #[cfg_attr(docsrs, doc(cfg(feature = "web")))]
    pub fn web(mut self, web: Web) -> Self {
        self.web = Some(web);
        self
    }

    /// Starts a dispatcher that is not the global one.
    ///
    /// # Errors
    ///
    /// If a setting is invalid, or the thread cannot be started.
    pub fn build(self) -> Result<Roan, ConfigError> {
        self.build_from(None)
    }

    /// The same, for purges that come from this source.
    #[cfg(feature = "agent")]
    pub(crate) fn build_with_source(self, source: Arc<dyn Source>) -> Result<Roan, ConfigError> {
        #[cfg(feature = "_sql")]
        if self.outbox.is_some() {
            let problem =
                "has no effect here: an agent takes its purges from the stream. Remove it";
            return Err(ConfigError::value("outbox", "", problem));
        }
        self.build_from(Some(source))
    }

    /// The pacing and retries.
    #[cfg(feature = "agent")]
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    fn build_from(mut self, stream: Option<Arc<dyn Source>>) -> Result<Roan, ConfigError> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        self.policy.check()?;
        let mut caches = self.caches;
        #[cfg(feature = "_sql")]
        if self.outbox.is_some() && caches.len() <= usize::from(self.is_default_cache) {
            warn_of_default_cache();
        }
        if caches.is_empty() {
            caches.push(crate::purger::default_cache()?);
        }
        let tiers: Vec<_> = caches
            .iter()
            .map(|cache| cache.capabilities.clone())
            .collect();
        warn_of_soft_tiers(&caches);
        fleet_is_last(&caches)?;
        #[cfg(feature = "web")]
        let web = match self.web {
            Some(web) => {
                let kinds = kinds_of_rules();
                let can_purge_all =
                    |tier: &Capabilities| kinds.iter().all(|kind| tier.can_purge(*kind));
                if self.sites.default.is_none() && !tiers.iter().all(can_purge_all) {
                    let problem = "is not set: with the web layer, name the site whose pages it serves, such as \
                                   `https://www.example.org`";
                    return Err(ConfigError::value("site", "", problem));
                }
                self.policy.fenced();
                let pages = Arc::new(Pages::new(self.sites.hosts(), &web.limits));
                Some((web, pages, ReadHeaders::of(&caches)))
            }
            None => None,
        };
        for cache in &caches {
            self.sites.check(&cache.name, cache.site_need)?;
        }
        #[cfg(feature = "embedded")]
        let embedded = caches.iter().find_map(|cache| cache.embedded.clone());
        #[cfg(all(feature = "dashboard", feature = "nats"))]
        let fleet = caches.iter().find_map(|cache| cache.fleet.clone());
        let nodes = connect(caches, &self.policy)?;
        #[cfg(all(feature = "web", feature = "_sql"))]
        if let Some((_, pages, _)) = &web
            && nodes.iter().any(|node| node.has_stragglers)
        {
            pages.released.remember();
        }
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
        let source = stream.or(source);
        let known = KnownPages::default();
        #[cfg(feature = "web")]
        let known = match &web {
            Some((_, pages, _)) => KnownPages::new(Arc::clone(pages)),
            None => known,
        };
        let engine = Arc::new(Engine::new(nodes, tiers, sites, &policy, source, known));
        start(Arc::clone(&engine))?;
        #[cfg(feature = "web")]
        let web = web.map(|(web, pages, headers)| {
            WebLayer::new(Arc::clone(&engine), pages, web, headers, policy.rebound)
        });
        Ok(Roan::new(
            engine,
            #[cfg(feature = "web")]
            web,
            #[cfg(feature = "embedded")]
            embedded,
            #[cfg(all(feature = "dashboard", feature = "nats"))]
            fleet,
            #[cfg(feature = "_sql")]
            durable.map(|durable| Arc::clone(durable.link())),
        ))
    }

    /// Starts the global dispatcher, which [`roan::saved`](crate::saved) and the other hooks use. Call it once, before
    /// the first hook.
    ///
    /// # Errors
    ///
    /// If a setting is invalid, if a rule needs a cache or a site that is not configured, or if the global dispatcher
    /// exists already.
    pub fn install(self) -> Result<Roan, ConfigError> {
        global::install(self)
    }
}

/// Who has a database for purges rarely has no more than an nginx on the same machine, so it may be an oversight.
#[cfg(feature = "_sql")]
fn warn_of_default_cache() {
    warn_loudly(format_args!(
        "no cache is configured, so the purges of the outbox go to the nginx at `http://localhost/purge`: set `ROAN_PURGE_URL` \
         (which `roan::global` and `RoanBuilder::from_env` read), or call `RoanBuilder::cache`"
    ));
}

/// Fails if a cache is purged after a fleet: that one may still have the old page, and the other may fetch it from there.
fn fleet_is_last(caches: &[Cache]) -> Result<(), ConfigError> {
    let mut pairs = caches.iter().zip(caches.iter().skip(1));
    match pairs.find(|(cache, _)| cache.is_fleet) {
        None => Ok(()),
        Some((fleet, next)) => {
            let (fleet, next) = (&fleet.name, &next.name);
            let problem = format!(
                "follows {fleet:?}, a fleet, which does not say when its nodes are purged: give {next:?} to the agents as \
                 their next cache, or put it before the fleet if the fleet fetches from it"
            );
            Err(ConfigError::value("cache", &**next, problem))
        }
    }
}

/// Says which caches are purged softly before another one. That one may fetch the old page, and keep it. It is not an error,
/// because the other may not fetch from it.
fn warn_of_soft_tiers(caches: &[Cache]) {
    for (number, cache) in caches.iter().enumerate() {
        let (name, later) = (&cache.name, &caches[number + 1..]);
        let Some(next) = later.first() else { break };
        if cache.capabilities.mode() == Mode::Soft {
            let next = &next.name;
            warn_loudly(format_args!(
                "the cache {name:?} is purged softly, and {next:?} after it: if {next} fetches its pages from {name}, it may \
                 fetch the old page from it, and keep it. Purge {name} without `soft` (`ROAN_PURGE_SOFT`), or leave this as it \
                 is if {next} does not fetch from {name}"
            ));
        }
    }
}

/// The kinds of targets for which a cache that cannot purge them needs the URLs of pages.
#[cfg(feature = "web")]
fn kinds_of_rules() -> Vec<TargetKind> {
    let of_attributes = rules().into_iter().filter_map(|rule| rule.target().kind());
    let of_run_time = run_time::targets();
    let of_run_time = of_run_time.iter().map(Target::kind);
    // Handlers may add tags without a rule.
    let tags = std::iter::once(TargetKind::Tag);
    let all = tags.chain(of_attributes).chain(of_run_time);
    all.filter(|kind| *kind != TargetKind::Url).collect()
}

/// The tables of the outbox store the names in columns of limited length.
#[cfg(feature = "_sql")]
fn check_names(nodes: &[Arc<Node>]) -> Result<(), ConfigError> {
    let names = nodes.iter().flat_map(|node| [&node.cache, &node.name]);
    match names.into_iter().find(|name| name.len() > 255) {
        Some(name) => {
            let problem = "is too long for the name of a cache or node: write at most 255 bytes";
            Err(ConfigError::value("name", &**name, problem))
        }
        None => Ok(()),
    }
}
