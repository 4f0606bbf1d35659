//! One configured cache: its nodes, and what it can purge.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

#[cfg(feature = "agent")]
use super::doubt::Doubt;
#[cfg(feature = "embedded")]
use super::embedded::Embedded;
use super::http::Connecting;
use super::{Answer, Capabilities, LifetimeHeader, Limits, Mode, PurgeRequest, Purger, TagHeader};
use crate::base::outcome::Failure;
use crate::base::site::Site;
use crate::base::target::TargetKind;
use crate::error::ConfigError;
#[cfg(feature = "nats")]
use crate::fleet::{Nats, Stream};

pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// Ends with whether the node has shown how it is set up.
pub(crate) type Checking<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// A [`Purger`] whose type is erased.
pub(crate) trait AnyPurger: Send + Sync {
    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a>;

    /// How to reach the server itself. `None` if only purges reach it.
    #[cfg(feature = "doctor")]
    fn access(&self) -> Option<super::access::Access> {
        None
    }

    /// Looks without a purge of any page whether the node is set up so that purges reach its pages, and logs what is
    /// wrong, for the default site or a named one.
    fn check<'a>(&'a self, _site: Option<&'a Site>) -> Checking<'a> {
        Box::pin(std::future::ready(true))
    }

    /// What the answers leave open, of a kind of server whose answers can show that purges reach the pages.
    #[cfg(feature = "agent")]
    fn doubt(&self) -> Option<&Doubt> {
        None
    }
}

/// One node, with its client.
pub(crate) struct NodeClient {
    pub(crate) name: Arc<str>,
    pub(crate) purger: Box<dyn AnyPurger>,
}

/// What a cache needs to know of a site to purge its URLs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum SiteNeed {
    /// Nothing, or it has a host to assume.
    #[default]
    Nothing,
    /// Its host.
    #[cfg_attr(not(feature = "cdn"), expect(dead_code, reason = "a CDN needs it"))]
    Host,
    /// Its scheme, too.
    WholeUrl,
}

type Connect = Box<dyn FnOnce(&Connecting) -> Result<Vec<NodeClient>, ConfigError> + Send>;

/// A cache to purge, for [`RoanBuilder::cache`](crate::RoanBuilder::cache): converted from [`Nginx`](crate::Nginx) or
/// another cache of Roan, or created by [`Cache::new`] with your own [`Purger`]s.
#[must_use = "pass it to `RoanBuilder::cache`"]
pub struct Cache {
    pub(crate) name: Arc<str>,
    pub(crate) capabilities: Capabilities,
    /// Caches with the same account share their limits.
    pub(crate) account: Option<Arc<str>>,
    /// Whether its nodes never store a page that was rendered before a purge, so that one purge is enough.
    pub(crate) fenced: bool,
    /// Whether its nodes are those of a fleet, whose agents purge twice, and which recognizes a purge that it has had.
    pub(crate) is_fleet: bool,
    /// The least time between two purges of a page that keeps an older copy of the cache's own out.
    pub(crate) least_rebound: Option<Duration>,
    pub(crate) site_need: SiteNeed,
    /// Where its nodes read the tags of a page. `None` if the program that purges it does not write them.
    pub(crate) tag_header: Option<TagHeader>,
    /// Where its nodes read how long a page is kept. `None` if they are in this program.
    pub(crate) lifetime_header: Option<LifetimeHeader>,
    /// The cache of this program, whose layer the app needs.
    #[cfg(feature = "embedded")]
    pub(crate) embedded: Option<Embedded>,
    /// The servers and the stream, if it is a fleet.
    #[cfg(feature = "nats")]
    pub(crate) fleet: Option<(Nats, Stream)>,
    pub(crate) connect: Connect,
}

impl Cache {
    /// A cache without nodes. Its name appears in reports and counters, and must differ from that of other caches.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            capabilities: Capabilities::urls(),
            account: None,
            fenced: false,
            is_fleet: false,
            least_rebound: None,
            site_need: SiteNeed::Nothing,
            tag_header: None,
            lifetime_header: Some(LifetimeHeader::CacheControl),
            #[cfg(feature = "embedded")]
            embedded: None,
            #[cfg(feature = "nats")]
            fleet: None,
            connect: Box::new(|_| Ok(Vec::new())),
        }
    }

    /// The servers and the name of the stream, if it is a [`Fleet`](crate::Fleet): for
    /// [`FleetAdmin`](crate::fleet::FleetAdmin).
    #[cfg(feature = "nats")]
    #[cfg_attr(docsrs, doc(cfg(feature = "nats")))]
    pub fn fleet(&self) -> Option<(&Nats, &Stream)> {
        let fleet = self.fleet.as_ref();
        fleet.map(|(nats, stream)| (nats, stream))
    }

    /// Adds a node, under a name of its own. Each node keeps its own pages, so each purge goes to all of them.
    ///
    /// With a durable outbox a node is known by its name: keep the name when its address changes.
    pub fn node(mut self, name: &str, purger: impl Purger) -> Self {
        let name = Arc::from(name);
        let others = self.connect;
        self.connect = Box::new(move |connecting| {
            let mut nodes = others(connecting)?;
            let purger = Box::new(Bounded {
                purger,
                timeout: connecting.timeout,
            });
            nodes.push(NodeClient { name, purger });
            Ok(nodes)
        });
        self
    }

    /// The cache purges targets of these kinds, within limits that they share. Without it a cache purges URLs, one a request.
    ///
    /// ```
    /// use roan::TargetKind;
    /// use roan::purger::{Cache, Limits};
    ///
    /// let cache = Cache::new("mine")
    ///     .purges([TargetKind::Url], Limits::new().batch(100))
    ///     .purges([TargetKind::Tag, TargetKind::Host], Limits::new().batch(100).rate(5.0).burst(25));
    /// assert!(cache.capabilities().can_purge(TargetKind::Tag));
    /// ```
    pub fn purges(mut self, kinds: impl Into<Vec<TargetKind>>, limits: Limits) -> Self {
        self.capabilities.add(kinds.into(), limits);
        self
    }

    /// The cache purges tags as well as URLs, one a request.
    pub fn purges_tags(self) -> Self {
        self.purges([TargetKind::Tag], Limits::new())
    }

    /// What a purge does to a page. Default: [`Mode::Hard`].
    pub fn mode(mut self, mode: Mode) -> Self {
        self.capabilities.set_mode(mode);
        self
    }

    /// The limits are those of an account: all caches with this name of an account share them, such as the zones of one
    /// customer of a CDN. Without an account each node has limits of its own.
    ///
    /// Caches of an account share the token bucket of the kinds that both have. If their rates differ, the lower one counts.
    /// Their nodes take turns while tokens are few, and a `Retry-After` of one is obeyed by all.
    ///
    /// ```
    /// use roan::TargetKind;
    /// use roan::purger::{Cache, Limits};
    ///
    /// let limits = Limits::new().batch(100).rate(5.0).burst(25);
    /// let zone = |name| Cache::new(name).purges([TargetKind::Tag], limits).account("acme");
    /// let (shop, blog) = (zone("shop"), zone("blog")); // 5 requests a second together
    /// # let _ = (shop, blog);
    /// ```
    pub fn account(mut self, name: &str) -> Self {
        self.account = Some(name.into());
        self
    }

    /// Its name in reports and counters.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the cache can purge, and within which limits.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The cache purges tags, and reads those of a page in this response header, which the [web layer](crate::guide::web)
    /// writes.
    pub fn tag_header(mut self, header: TagHeader) -> Self {
        self.tag_header = Some(header);
        if self.capabilities.can_purge(TargetKind::Tag) {
            self
        } else {
            self.purges_tags()
        }
    }

    /// The cache reads in this response header how long it may keep a page. Default: [`LifetimeHeader::CacheControl`].
    /// The [web layer](crate::guide::web) writes it.
    pub fn lifetime_header(mut self, header: LifetimeHeader) -> Self {
        self.lifetime_header = Some(header);
        self
    }

    /// The cache needs a second purge after this time at least, because its own servers may fill each other with a stale page
    /// meanwhile. It holds where [`RoanBuilder::rebound`](crate::RoanBuilder::rebound) is shorter, or `None`.
    pub fn least_rebound(mut self, delay: Duration) -> Self {
        self.least_rebound = Some(delay);
        self
    }

    /// The cache never stores a page whose fetch began before its purge, so the dispatcher purges each target once.
    pub fn without_rebound(mut self) -> Self {
        self.fenced = true;
        self
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Wraps a purger: it ends after the timeout.
struct Bounded<P> {
    purger: P,
    timeout: Duration,
}

impl<P: Purger> AnyPurger for Bounded<P> {
    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        Box::pin(async move {
            let answer = self.purger.purge(request);
            let answer = tokio::time::timeout(self.timeout, answer).await;
            answer.unwrap_or_else(|_| Answer::failed(Failure::Timeout))
        })
    }
}

/// Asks a purger, and returns the message of a panic instead of unwinding, wherever the future panics: when it is made,
/// polled or dropped. It is not polled again after that.
pub(crate) async fn caught<'a>(begin: impl FnOnce() -> Answering<'a>) -> Result<Answer, String> {
    let mut work = catch_unwind(AssertUnwindSafe(begin)).map_err(message)?;
    let answer =
        poll_fn(
            |context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
                Err(panic) => Poll::Ready(Err(message(panic))),
            },
        )
        .await;
    match catch_unwind(AssertUnwindSafe(|| drop(work))) {
        Ok(()) => answer,
        Err(panic) => Err(message(panic)),
    }
}

fn message(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic
            .downcast_ref::<&str>()
            .map_or_else(|| "no message".to_owned(), |text| (*text).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::outcome::Outcome;
    use crate::base::target::Target;

    struct Panics;

    impl Purger for Panics {
        async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
            tokio::task::yield_now().await;
            panic!("cannot purge {}", request.target());
        }
    }

    struct Hangs;

    impl Purger for Hangs {
        async fn purge(&self, _: PurgeRequest<'_>) -> Answer {
            std::future::pending().await
        }
    }

    /// Its future panics when the timeout drops it.
    struct PanicsInDrop;

    impl Purger for PanicsInDrop {
        async fn purge(&self, _: PurgeRequest<'_>) -> Answer {
            struct Bomb;
            impl Drop for Bomb {
                fn drop(&mut self) {
                    panic!("dropped");
                }
            }
            let _bomb = Bomb;
            std::future::pending().await
        }
    }

    async fn answer(purger: impl Purger) -> Outcome {
        let bounded = Bounded {
            purger,
            timeout: Duration::from_millis(10),
        };
        let target = Target::url("/a").unwrap();
        let answer =
            caught(|| bounded.purge(PurgeRequest::new(std::slice::from_ref(&target), None))).await;
        answer.map_or_else(
            |panic| Outcome::Failed(Failure::Panic(panic)),
            |answer| answer.outcome,
        )
    }

    #[tokio::test]
    async fn a_purger_that_panics_or_hangs_has_failed() {
        let panic = Failure::Panic("cannot purge /a".to_owned());
        assert_eq!(answer(Panics).await, Outcome::Failed(panic));
        assert_eq!(answer(Hangs).await, Outcome::Failed(Failure::Timeout));
        let panic = Failure::Panic("dropped".to_owned());
        assert_eq!(answer(PanicsInDrop).await, Outcome::Failed(panic));
    }
}
