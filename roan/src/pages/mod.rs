//! What is known of the pages: which are being rendered, and with the feature `web`, which URLs have been asked for and
//! what each page carries.

mod fence;
#[cfg(feature = "web")]
mod index;
#[cfg(feature = "web")]
mod known;
mod request;
#[cfg_attr(
    not(all(feature = "web", feature = "embedded")),
    allow(dead_code, reason = "between the web layer and the embedded cache")
)]
mod sharing;
#[cfg(feature = "web")]
mod sites;

#[cfg(feature = "embedded")]
pub(crate) use fence::{Fence, Start};
#[cfg(feature = "web")]
pub(crate) use index::{Asked, Full, Limits};
#[cfg(feature = "web")]
pub(crate) use known::{Held, Pages, Render};
#[cfg(feature = "embedded")]
pub(crate) use request::authority;
pub(crate) use request::host;
pub(crate) use sharing::{Fired, InWebLayer, Sharing};
#[cfg(feature = "web")]
pub(crate) use sites::Hosts;
