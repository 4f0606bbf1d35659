//! The response header in which a cache reads how long to keep a page.

/// The response header in which a cache reads how long it may keep a page, for
/// [`Cache::lifetime_header`](super::Cache::lifetime_header). The [web layer](crate::guide::web) writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LifetimeHeader {
    /// `Cache-Control: s-maxage=...`, which every shared cache reads (RFC 9111, section 5.2.2.10), also one on the way that
    /// Roan does not purge. Prefer one of the others where your cache reads it.
    CacheControl,
    /// `CDN-Cache-Control`, which CDNs read in place of `Cache-Control` (RFC 9213).
    CdnCacheControl,
    /// `Surrogate-Control`, which a cache removes before the answer leaves it (W3C's Edge Architecture).
    SurrogateControl,
    /// `X-Accel-Expires`, which nginx reads in place of `Cache-Control`, and removes.
    XAccelExpires,
}
