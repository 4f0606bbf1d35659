//! What is known of the pages: which are being rendered, and with the feature `web`, which URLs have been asked for and
//! what each page carries.

#[cfg(any(feature = "web", feature = "_sql"))]
mod asked;
#[cfg(any(feature = "web", feature = "embedded"))]
mod fence;
#[cfg(feature = "web")]
mod index;
#[cfg(feature = "web")]
mod known;
#[cfg(all(feature = "web", feature = "_sql"))]
mod recorded;
#[cfg(all(feature = "web", feature = "_sql"))]
mod released;
#[cfg(any(feature = "web", feature = "embedded"))]
mod request;
#[cfg(any(feature = "web", feature = "embedded"))]
#[cfg_attr(
    not(all(feature = "web", feature = "embedded")),
    allow(dead_code, reason = "between the web layer and the embedded cache")
)]
mod sharing;
#[cfg(any(feature = "web", feature = "_sql"))]
#[cfg_attr(
    not(feature = "web"),
    allow(dead_code, reason = "the web layer uses all of it")
)]
mod sites;

use std::time::{Duration, Instant};

use crate::base::target::Target;

#[cfg(any(feature = "web", feature = "_sql"))]
pub(crate) use asked::Asked;
#[cfg(feature = "embedded")]
pub(crate) use fence::{Fence, Start};
#[cfg(feature = "web")]
pub(crate) use index::{Full, Limits};
#[cfg(feature = "web")]
pub(crate) use known::{Held, Leave, Pages, Render};
#[cfg(all(feature = "web", feature = "_sql"))]
pub(crate) use released::Released;
#[cfg(feature = "embedded")]
pub(crate) use request::authority;
#[cfg(any(feature = "web", feature = "embedded"))]
pub(crate) use request::host;
#[cfg(any(feature = "web", feature = "embedded"))]
pub(crate) use sharing::{Fired, InWebLayer, Raced, Sharing};
#[cfg(any(feature = "web", feature = "_sql"))]
pub(crate) use sites::Hosts;

/// A page that has left this process may be on its way into a cache for so long. If it is purged meanwhile, the purge may
/// come before it, and so may the rebound: it is purged once more after this time.
pub(crate) const ON_THE_WAY: Duration = Duration::from_secs(2);

/// What a purge has found.
#[derive(Debug, Default)]
pub(crate) struct Purged {
    /// The URLs of pages that caches may have.
    pub(crate) urls: Vec<Target>,
    /// What is to be purged once more, because a page may still be on its way, and when.
    pub(crate) stragglers: Vec<(Target, Instant)>,
}
