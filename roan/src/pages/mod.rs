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
