//! A fleet: purges go into a stream, from which an agent beside each cache node takes them.

mod client;

use self::client::FleetNode;
use super::{Cache, Capabilities, LifetimeHeader, Limits, NodeClient, TagHeader};
use crate::base::target::TargetKind;
use crate::error::ConfigError;
use crate::fleet::{Nats, Stream};
use crate::purger::cache::SiteNeed;

/// So many purges leave together. Each is a message of its own, and the next one does not wait for its acknowledgement.
const TOGETHER: usize = 256;

/// Cache nodes in many places, each with an agent (`roan agent`) beside it, over NATS JetStream.
///
/// Each purge is a message to a [stream](Stream), and is done when the stream has acknowledged it: most of its replicas have it
/// then. An agent purges its own node over loopback, as often and as long as it takes; one that was away goes on where it
/// was. The [guide](crate::guide) says how to set up servers and agents.
///
/// ```
/// use roan::fleet::Stream;
/// use roan::{Fleet, Roan};
///
/// let fleet = Fleet::nats("nats://nats-1.internal:4222,nats://nats-2.internal:4222")?
///     .stream(Stream::new().replicas(3));
/// let roan = Roan::builder().cache(fleet).site("https://www.example.org").build()?;
/// # Ok::<(), roan::ConfigError>(())
/// ```
///
/// # Repeats
///
/// A purge may be published twice: if an acknowledgement is lost, or a program dies before it has written it down. It has the
/// same id then (`Nats-Msg-Id`), and the stream drops it for two minutes. The id of a purge from a durable outbox is made of
/// its database, its rows and its target, so that another program that takes over the row sends the same. The id of a purge from
/// memory is made of a random number of the program. A repeat that comes later is one purge more.
///
/// # The last cache
///
/// An acknowledgement does not mean that the nodes are clean, so a cache that is purged after a fleet could fetch an old page
/// from it. [`build`](crate::RoanBuilder::build) is an error then: give such a cache to the agents, or to the app before
/// the fleet.
///
/// The [rebound](crate::RoanBuilder::rebound) is the agents' work: they purge each target a second time, a while after their
/// first purge of it. The app publishes it once.
#[derive(Debug, Clone)]
#[must_use = "pass it to `RoanBuilder::cache`"]
pub struct Fleet {
    nats: Nats,
    stream: Stream,
    name: String,
    caches: Caches,
}

/// What the app must know of the caches of the agents.
#[derive(Debug, Clone)]
struct Caches {
    capabilities: Capabilities,
    tag_header: Option<TagHeader>,
    lifetime_header: Option<LifetimeHeader>,
    site_need: SiteNeed,
}

impl From<Cache> for Caches {
    fn from(cache: Cache) -> Self {
        Self {
            capabilities: cache.capabilities,
            tag_header: cache.tag_header,
            lifetime_header: cache.lifetime_header,
            site_need: cache.site_need,
        }
    }
}

impl Fleet {
    /// A fleet over these NATS servers, which belong to one cluster: `nats://nats-1:4222,nats://nats-2:4222`. Its caches are
    /// nginx, and its stream is [`Stream::new`].
    ///
    /// # Errors
    ///
    /// As [`Nats::at`].
    pub fn nats(servers: &str) -> Result<Self, ConfigError> {
        Ok(Self::at(Nats::at(servers)?))
    }

    /// The same, for servers that want credentials or TLS.
    ///
    /// ```
    /// use roan::Fleet;
    /// use roan::fleet::Nats;
    ///
    /// let nats = Nats::at("tls://nats.internal")?.credentials_file("/etc/roan/nats.creds");
    /// let fleet = Fleet::at(nats);
    /// # Ok::<(), roan::ConfigError>(())
    /// ```
    pub fn at(nats: Nats) -> Self {
        Self {
            nats,
            stream: Stream::new(),
            name: "fleet".to_owned(),
            caches: Cache::from(super::Nginx::new()).into(),
        }
    }

    /// The stream that the purges go through. Default: [`Stream::new`].
    pub fn stream(mut self, stream: Stream) -> Self {
        self.stream = stream;
        self
    }

    /// What the caches of the agents are, as far as the app must know it: what they can purge, and which headers they read.
    /// Its nodes are not used. Default: [`Nginx`](crate::Nginx).
    ///
    /// ```
    /// use roan::{Fleet, Varnish};
    ///
    /// let fleet = Fleet::nats("nats://nats.internal:4222")?.caches(Varnish::new());
    /// # Ok::<(), roan::ConfigError>(())
    /// ```
    pub fn caches(mut self, like: impl Into<Cache>) -> Self {
        self.caches = like.into().into();
        self
    }

    /// Its name in reports and counters. Default: `fleet`.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }
}

/// Its one node is the stream, and has its name.
impl From<Fleet> for Cache {
    fn from(fleet: Fleet) -> Self {
        let Fleet {
            nats,
            stream,
            name,
            caches,
        } = fleet;
        let kinds = TargetKind::ALL.into_iter();
        let kinds: Vec<_> = kinds
            .filter(|kind| caches.capabilities.can_purge(*kind))
            .collect();
        let place = (nats.clone(), stream.clone());
        let connect = {
            let name = name.clone();
            move |connecting: &super::http::Connecting| {
                stream.check()?;
                Ok(vec![NodeClient {
                    name: stream.name().into(),
                    purger: Box::new(FleetNode::new(name, nats, stream, connecting.timeout)),
                }])
            }
        };
        Self {
            is_fleet: true,
            fleet: Some(place),
            tag_header: caches.tag_header,
            lifetime_header: caches.lifetime_header,
            site_need: caches.site_need,
            connect: Box::new(connect),
            ..Self::new(&name)
        }
        .purges(kinds, Limits::new().batch(TOGETHER))
        .mode(caches.capabilities.mode())
    }
}
