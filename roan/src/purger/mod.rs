//! Purgers: the clients for each kind of cache, and the trait to implement for your own.
//!
//! Roan brings [`Nginx`], [`Varnish`], [`Squid`], [`TrafficServer`], with the feature `embedded` `Embedded`, and with the
//! features `cdn` and `cloudfront` the clients of [three CDNs](crate::guide::cdns). For a cache that is purged by HTTP
//! requests, describe them: [`HttpPurger`]. For any other cache, implement [`Purger`] for the client of one server, and make a
//! [`Cache`] of your servers. The dispatcher does the rest: it merges equal purges, paces and retries them, watches each
//! server's health, repeats each purge against fills that were under way, and reports what became of each.
//!
//! ```
//! use roan::purger::{Answer, Cache, PurgeRequest, Purger};
//! use roan::{Failure, Roan};
//! # struct Client;
//! # impl Client { async fn evict(&self, _: &str, _: &str) -> Result<bool, std::io::Error> { Ok(true) } }
//!
//! /// One server of a cache with a protocol of its own.
//! struct MyCache(Client);
//!
//! impl Purger for MyCache {
//!     async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
//!         let host = request.site().map_or("www.example.org", |site| site.host());
//!         match self.0.evict(host, request.target().as_str()).await {
//!             Ok(true) => Answer::purged(),
//!             Ok(false) => Answer::not_cached(),
//!             Err(error) => Answer::failed(Failure::Connect(error.to_string())),
//!         }
//!     }
//! }
//!
//! let cache = Cache::new("mine")
//!     .node("10.0.0.11", MyCache(Client))
//!     .node("10.0.0.12", MyCache(Client));
//! let roan = Roan::builder().cache(cache).build()?;
//! # Ok::<(), roan::ConfigError>(())
//! ```

#[cfg(feature = "doctor")]
pub(crate) mod access;
mod answer;
mod cache;
mod capabilities;
#[cfg(feature = "cdn")]
mod cdn;
#[cfg(feature = "cdn")]
#[cfg_attr(docsrs, doc(cfg(feature = "cdn")))]
pub mod cloudflare;
#[cfg(feature = "cloudfront")]
#[cfg_attr(docsrs, doc(cfg(feature = "cloudfront")))]
pub mod cloudfront;
mod doubt;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "cdn")]
#[cfg_attr(docsrs, doc(cfg(feature = "cdn")))]
pub mod fastly;
#[cfg(feature = "nats")]
mod fleet;
pub(crate) mod http;
mod http_purger;
mod lifetime_header;
mod nginx;
mod purge_method;
mod tag_header;
mod varnish;

pub use answer::Answer;
pub(crate) use answer::SetupFault;
pub use cache::Cache;
pub use capabilities::{Capabilities, Limits, Mode};
#[cfg(feature = "cdn")]
#[cfg_attr(docsrs, doc(cfg(feature = "cdn")))]
pub use cdn::Token;
#[cfg(feature = "nats")]
pub use fleet::Fleet;
pub use http_purger::{HttpPurger, HttpPurgerConfig, RequestConfig, RequestTemplate};
pub use lifetime_header::LifetimeHeader;
pub use nginx::{Nginx, NginxConfig, Warmed};
#[cfg(all(unix, feature = "nginx-files"))]
pub use nginx::{NginxFiles, NginxFilesConfig};
pub use purge_method::{PurgeMethodConfig, Squid, TrafficServer};
pub use tag_header::TagHeader;
pub use varnish::{Varnish, VarnishConfig};

pub(crate) use cache::{Answering, AnyPurger, Checking, NodeClient, SiteNeed, caught};
#[cfg(feature = "agent")]
pub(crate) use doubt::Doubt;
pub(crate) use nginx::default_cache;

#[cfg(feature = "nats")]
use crate::base::purge_id::Mark;
use crate::base::site::Site;
use crate::base::target::Target;

/// The client of one server (*node*) of a cache.
///
/// # Contract
///
/// - [`Answer::purged`] and [`Answer::not_cached`] mean that the node has answered and will serve no older page from
///   now on. This does not include pages that it was fetching meanwhile: the dispatcher purges those a second time.
/// - [`Answer::failed`] means that another attempt may succeed. The dispatcher retries with growing pauses, until
///   [`RoanBuilder::max_age`](crate::RoanBuilder::max_age).
/// - [`Answer::refused`] means that no further attempt would succeed. It is reported as an error and not repeated.
///   [`Answer::denied`] is the same for a request of several targets that would be refused with any other targets, too.
/// - More than one target comes only to a cache with [`Limits::batch`]. If the node refuses one of them, refuse the
///   request: the dispatcher then sends the targets in smaller requests, also if they are too many bytes.
/// - Do not wait for a limit of the cache: state its [`Limits`], and pass on its pause with
///   [`Answer::retry_after`]. `Failure::Status(429)` means that the cache takes fewer requests, whatever they are for.
/// - A purge may come more than once, and several may be in flight at a time (at most
///   [`RoanBuilder::concurrency`](crate::RoanBuilder::concurrency)). Their order does not matter.
/// - The future runs on the dispatcher's thread, inside a tokio runtime with timers and I/O. It must not block. If
///   it takes longer than [`RoanBuilder::timeout`](crate::RoanBuilder::timeout) it is dropped, and the attempt
///   counts as failed; so does one that panics.
pub trait Purger: Send + Sync + 'static {
    /// Makes the target of the request fresh at this node, and returns the result.
    fn purge(&self, request: PurgeRequest<'_>) -> impl Future<Output = Answer> + Send;
}

/// A request to a [`Purger`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PurgeRequest<'a> {
    targets: &'a [Target],
    site: Option<&'a Site>,
    pub(crate) id: u64,
    /// For each target, what the message of a fleet says of it. Empty for other caches.
    #[cfg(feature = "nats")]
    pub(crate) marks: &'a [Mark],
    /// Whether the cache should have the page, as far as is known.
    pub(crate) is_expected: bool,
}

impl<'a> PurgeRequest<'a> {
    /// `targets` must not be empty.
    pub(crate) fn new(targets: &'a [Target], site: Option<&'a Site>) -> Self {
        debug_assert!(!targets.is_empty());
        Self {
            targets,
            site,
            id: 0,
            #[cfg(feature = "nats")]
            marks: &[],
            is_expected: true,
        }
    }

    /// Returns the target to purge: the first one, if there are several.
    ///
    /// It is of a kind that the cache [purges](Cache::purges). With [`Cache::tag_header`], a tag has the form in which pages
    /// carry it.
    #[must_use]
    pub fn target(&self) -> &'a Target {
        &self.targets[0]
    }

    /// Returns all targets to purge by this request: one, or up to the cache's [`Limits::batch`]. They are of one kind and of
    /// one site. The answer is for all of them.
    #[must_use]
    pub fn targets(&self) -> &'a [Target] {
        self.targets
    }

    /// Returns the site under which the page is cached. `None` if no site is configured.
    #[must_use]
    pub fn site(&self) -> Option<&'a Site> {
        self.site
    }

    /// Returns a number that a retry has in common with the attempt before it, for caches that recognize a request that they
    /// have had. A purge that was asked for again since then, and a second purge after the rebound, have another number. So
    /// have a retry with fewer or other targets, and the retry of a purge that came from the durable outbox. Other processes
    /// may use the same numbers.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }
}
