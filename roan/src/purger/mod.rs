//! Purgers: the clients for each kind of cache.

#[cfg(feature = "embedded")]
pub mod embedded;
pub(crate) mod http;
mod nginx;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::base::outcome::Outcome;
use crate::base::site::Site;
use crate::base::target::{Target, TargetKind};
use crate::error::ConfigError;

use self::http::Connecting;

pub(crate) use nginx::DEFAULT_PURGE_URL;
pub use nginx::Nginx;

/// How one attempt at a purge went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<u16>,
    pub(crate) verified: bool,
}

pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// The client for one node.
///
/// [`Outcome::Purged`] and [`Outcome::NotCached`] mean that the node has answered and would serve
/// no older page from now on, fills under way excepted. A purge may be repeated. The future ends by
/// itself, within the timeout of the [`Client`](Connecting).
pub(crate) trait Purger: Send + Sync {
    fn purge<'a>(&'a self, target: &'a Target, site: Option<&'a Site>) -> Answering<'a>;
}

/// The server that one [`Purger`] speaks to.
pub(crate) struct NodeClient {
    pub(crate) name: Arc<str>,
    pub(crate) purger: Box<dyn Purger>,
}

type Connect = Box<dyn FnOnce(&Connecting) -> Result<Vec<NodeClient>, ConfigError> + Send>;

/// A cache to purge, made of an [`Nginx`] or another kind, for
/// [`RoanBuilder::cache`](crate::RoanBuilder::cache).
pub struct Cache {
    pub(crate) name: Arc<str>,
    pub(crate) tags: bool,
    /// Whether its nodes never store what was rendered before a purge, so that one purge does.
    pub(crate) fenced: bool,
    pub(crate) connect: Connect,
}

impl Cache {
    /// Whether the cache can purge targets of that kind.
    pub(crate) fn can_purge(tags: bool, kind: TargetKind) -> bool {
        match kind {
            TargetKind::Url => true,
            TargetKind::Tag => tags,
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
