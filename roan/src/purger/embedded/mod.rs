//! A cache inside the program, as a tower layer, for sites without nginx.
//!
//! Use it if one program serves the site: it needs no other server, it supports tags, and one purge is always enough,
//! because it never stores a page that was rendered before a purge. Wrap the router in the layer, and purge the cache like
//! any other:
//!
//! ```no_run
//! use std::time::Duration;
//! use roan::{Embedded, Roan};
//!
//! # fn start(app: axum::Router) -> Result<axum::Router, roan::ConfigError> {
//! let pages = Embedded::builder()
//!     .default_ttl(Duration::from_secs(365 * 24 * 60 * 60)) // for pages without `Cache-Control`
//!     .build();
//! let app = app.layer(pages.layer());
//! Roan::builder().cache(pages).install()?;
//! # Ok(app)
//! # }
//! ```
//!
//! [`Embedded`] documents which pages are stored, keys, variants and tags.
//!
#![doc = include_str!("conformance.md")]

mod body;
mod builder;
mod collapse;
mod condition;
mod filling;
mod freshness;
mod index;
mod label;
mod layer;
mod lookup;
mod page;
mod status;
mod store;
mod tags;
#[cfg(test)]
mod tests;
mod variant;
mod write;

use std::fmt;
use std::sync::Arc;

pub use self::body::CacheBody;
pub use self::builder::EmbeddedBuilder;
pub use self::layer::{CacheLayer, CacheService};

use self::builder::Settings;
use self::label::Label;
use self::store::Store;
#[cfg(all(test, feature = "web"))]
pub(super) use self::tags::strings;
use super::{Answer, Cache, Limits, PurgeRequest, Purger};
use crate::base::site::Site;
use crate::base::target::TargetKind;

/// A cache inside the program that keeps pages in memory. Clones share the pages.
///
/// It is a [tower] layer, for axum and other frameworks built on tower services. The same rules purge it as nginx, tags
/// included.
///
/// ```no_run
/// use axum::http::header::CACHE_CONTROL;
/// use axum::{Router, extract::Path, response::IntoResponse, routing::get};
/// use roan::{Embedded, Roan, purge_on};
///
/// #[purge_on(save, delete, url = "/posts/{slug}", tag = "author-{author}")]
/// struct Post { slug: String, author: u64 }
///
/// async fn post(Path(slug): Path<String>) -> impl IntoResponse {
///     let headers = [
///         (CACHE_CONTROL.as_str(), "s-maxage=31536000, max-age=0"),
///         ("surrogate-key", "author-7"),
///     ];
///     (headers, format!("<h1>{slug}</h1>"))
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pages = Embedded::new();
/// Roan::builder().cache(pages.clone()).install()?;
///
/// let app = Router::new().route("/posts/{slug}", get(post)).layer(pages.layer());
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// axum::serve(listener, app).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Which pages are stored
///
/// Responses to GET requests that RFC 9111 allows a shared cache to store: with `s-maxage`, else `max-age`, else
/// `Expires`. Never responses with `private`, `no-store` or `no-cache`, with a cookie, or with `Vary: *`. With
/// [`EmbeddedBuilder::default_ttl`] also responses without any of these headers.
///
/// To keep a page until it is purged, send `s-maxage=31536000, max-age=0`. The cache obeys the first; a browser, which
/// cannot be purged, obeys the second. Any other shared cache between the program and the visitors obeys the first, too.
/// If Roan does not purge that cache, omit `Cache-Control` and use [`EmbeddedBuilder::default_ttl`].
///
/// # What visitors see
///
/// The response of the app, with its `Cache-Control` and without `Age`: to clients the cache is part of the app.
/// `X-Cache-Status` describes the answer in nginx's words, and `Cache-Status` in those of RFC 9211:
///
/// | `X-Cache-Status` | `Cache-Status: roan;` | the answer is |
/// |---|---|---|
/// | `HIT` | `hit; ttl=60` | from the cache, and fresh for 60 seconds more |
/// | `MISS` | `fwd=uri-miss` | from the app |
/// | `MISS` | `fwd=vary-miss` | the same; other variants of the page are stored |
/// | `EXPIRED` | `fwd=stale` | the same; the stored page was too old |
/// | `BYPASS` | `fwd=request` | from the app: the request has `Authorization`, and the stored page does not allow that (RFC 9111, section 3.5) |
/// | `BYPASS` | `fwd=bypass` | from the app: the request has a body or no usable `Host` |
/// | `HIT` | `fwd=uri-miss; collapsed` | from the cache, where another request has put it meanwhile |
/// | none | `fwd=method` | from the app: neither GET nor HEAD |
///
/// `; stored` follows where the answer is on its way into the cache: it is stored when its body is complete, unless the page
/// has been purged by then.
///
/// Requests for a page that is being rendered wait for it, up to [`EmbeddedBuilder::lock_timeout`], so that a missing page
/// is rendered once, and each of its variants. If the answer cannot be stored, all of them go on to the app at once, with
/// `collapsed=?0`, and later ones do not wait for this page for ten seconds. A request that comes after a purge does not wait
/// for a page from before it, and one with `Authorization` waits for nobody. Who waits gets the page when its body is
/// complete: a body in several pieces comes only as fast as the visitor takes it who asked first.
///
/// The page of a GET also answers a HEAD. A client that has the page (`If-None-Match`, `If-Modified-Since`) gets a 304. The cache ignores the request's own `Cache-Control`, as nginx does: visitors do
/// not decide how often the app renders.
///
/// # Keys, hosts and variants
///
/// The key is the host of the request in lower case without its port, then the path and query byte for byte: nginx's
/// `$host$request_uri`. So wrap the layer around the whole router, before a nested router shortens the URL. A purge with a
/// site removes the pages of its host; without a site, those of all hosts. It purges URLs, tags, prefixes, hosts and
/// everything. A purge removes all variants (`Vary`) of a
/// page. The cache keeps 16 variants of each page. Put a layer that compresses around this one, not inside it.
///
/// # Tags
///
/// The response header `Surrogate-Key` lists the tags of a page, separated by spaces, as for Fastly, or `Cache-Groups` as a
/// list of strings (RFC 9875). They stay in the response, for a CDN in front of the program. A page whose `Cache-Groups`
/// cannot be read is not stored. The [web layer](crate::guide::web) tags pages by the rules of their rows,
/// without a header.
///
/// # Writes
///
/// The answer to a POST, PUT, PATCH, DELETE or unknown method purges, unless it is an error: the page with the URL of the
/// request, those in `Location` and `Content-Location` at the same host and port (RFC 9111, section 4.4), and at the same host
/// the tags in `Cache-Group-Invalidation` (RFC 9875). With the [web layer](crate::guide::web) also everything that the hooks
/// purged in the request. This happens before the answer leaves, so whoever follows its redirect sees the change.
///
/// # No stale page
///
/// A page that was still being rendered when its purge arrived is not stored, so one purge is enough. Roan does not send a
/// second one ([`RoanBuilder::rebound`](crate::RoanBuilder::rebound)).
///
/// [tower]: https://docs.rs/tower
#[derive(Clone)]
pub struct Embedded {
    name: Arc<str>,
    settings: Arc<Settings>,
    store: Arc<Store>,
}

impl Embedded {
    /// Creates a cache of 64 MiB, for pages with caching headers.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Returns a builder for a cache with other settings.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pages = roan::Embedded::builder()
    ///     .capacity(256 * 1024 * 1024)
    ///     .default_ttl(Duration::from_secs(31_536_000))
    ///     .build();
    /// ```
    pub fn builder() -> EmbeddedBuilder {
        EmbeddedBuilder::default()
    }

    /// Returns the layer for the app: `router.layer(pages.layer())`.
    #[must_use]
    pub fn layer(&self) -> CacheLayer {
        CacheLayer::new(self.clone())
    }
}

impl Default for Embedded {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Purger for Embedded {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        let host = request.site().map_or(Label::ANY_HOST, Site::host);
        let host = host.strip_suffix('.').unwrap_or(host);
        let answer = match self.store.purge(&Label::of(request.target(), host)) {
            true => Answer::purged(),
            false => Answer::not_cached(),
        };
        // It cannot have confused the key with another one.
        answer.verified()
    }
}

impl From<Embedded> for Cache {
    fn from(cache: Embedded) -> Self {
        let name = Arc::clone(&cache.name);
        let own = Self::new(&name)
            .purges(TargetKind::ALL, Limits::new())
            .without_rebound();
        Self {
            lifetime_header: None,
            embedded: Some(cache.clone()),
            ..own
        }
        .node(&name, cache)
    }
}
