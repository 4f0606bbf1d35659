//! Stand-ins for services that cannot be had here, made from their public documents. They refuse what the real one refuses.

mod api;
mod cloudflare;
mod cloudfront;
mod fastly;
mod sigv4;
mod xml;

pub use api::{Call, Fault, Reply, StandIn};
pub use cloudflare::CloudflareApi;
pub use cloudfront::{CloudFrontApi, Invalidation};
pub use fastly::FastlyApi;

/// What a service has purged: the requests that it took.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purged {
    /// A page: its host, which is empty where the service does not look at it, and its URL.
    Url(String, String),
    /// Pages with a tag.
    Tag(String),
    /// Pages whose URL begins so, of a host as above.
    Prefix(String, String),
    /// Pages of a host.
    Host(String),
    /// All pages.
    Everything,
    /// Any of these, so that pages are stale and not gone.
    Soft(Box<Self>),
}

impl Purged {
    /// A page of a host.
    #[must_use]
    pub fn url(host: &str, url: &str) -> Self {
        Self::Url(host.to_owned(), url.to_owned())
    }

    /// Pages with a tag.
    #[must_use]
    pub fn tag(tag: &str) -> Self {
        Self::Tag(tag.to_owned())
    }

    /// Pages of a host below a path.
    #[must_use]
    pub fn prefix(host: &str, prefix: &str) -> Self {
        Self::Prefix(host.to_owned(), prefix.to_owned())
    }
}
