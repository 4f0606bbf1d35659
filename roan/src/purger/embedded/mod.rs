//! A cache inside the program, as a tower layer: see [`Embedded`].

mod body;
mod builder;
mod fence;
mod filling;
mod freshness;
mod index;
mod label;
mod layer;
mod lookup;
mod page;
mod store;
mod tags;
#[cfg(test)]
mod tests;
mod variant;

use std::fmt;
use std::sync::Arc;

pub use self::body::CacheBody;
pub use self::builder::EmbeddedBuilder;
pub use self::layer::{CacheLayer, CacheService};

use self::builder::Settings;
use self::label::Label;
use self::store::Store;
use super::{Answer, Cache, PurgeRequest, Purger};
use crate::base::site::Site;

/// A cache that lives in the program and holds its pages in memory: for a site without nginx.
/// Clones share the pages.
///
/// It is a [tower] layer, for axum and whatever else is made of tower services, and it is purged by
/// the same rules as nginx, tags included.
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
/// Those that say so, to GET requests, as RFC 9111 has it for a shared cache: `s-maxage` before
/// `max-age` before `Expires`. Never what says `private`, `no-store` or `no-cache`, sets a cookie,
/// or varies by `*`. With [`EmbeddedBuilder::default_ttl`] also what says nothing.
///
/// For a page that is to stay until it is purged, send `s-maxage=31536000, max-age=0`: the cache
/// obeys the first, and a browser, which nobody can purge, the second. Any other shared cache
/// between the program and the visitors obeys the first, too: where there is one that Roan does not
/// purge, send no `Cache-Control` and use [`EmbeddedBuilder::default_ttl`].
///
/// # What visitors see
///
/// The response of the app as it was, with its `Cache-Control`, and without `Age`: to the outside
/// the cache is a part of the app. `X-Cache-Status` tells about it in nginx's words:
///
/// | value | the answer is |
/// |---|---|
/// | `HIT` | from the cache |
/// | `MISS` | from the app, and stored if it may be |
/// | `EXPIRED` | the same; the stored one was too old |
/// | `BYPASS` | from the app: the request has a body or no usable `Host`, or it has `Authorization` and the stored page is not for all (RFC 9111, section 3.5) |
/// | none | from the app: neither GET nor HEAD |
///
/// A HEAD is answered from the page of the GET. The request's own `Cache-Control` is not heeded,
/// nor by nginx: a visitor has no say in how often the app renders.
///
/// # Keys, hosts and variants
///
/// The key is the host of the request in lower case without its port, then the path and query byte
/// for byte: nginx's `$host$request_uri`. So the layer goes around the whole router, where nothing
/// has been cut off the URL yet. A purge with a site goes to the pages of its host; without one, to
/// those of all hosts. A purge removes all variants (`Vary`) of a page; 16 of each are kept. Put a
/// layer that compresses around this one, rather than into it.
///
/// # Tags
///
/// `Surrogate-Key` has the tags of a page, with spaces between them, as for Fastly. The header is
/// left in the response, for a CDN further out.
///
/// # No stale page
///
/// A page whose rendering began before a purge is not stored after it. So one purge is enough, and
/// there is no second one ([`Roan`](crate::Roan)'s rebound).
///
/// [tower]: https://docs.rs/tower
#[derive(Clone)]
pub struct Embedded {
    name: Arc<str>,
    settings: Arc<Settings>,
    store: Arc<Store>,
}

impl Embedded {
    /// With 64 MiB for pages that say for how long they may be stored.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Begins a cache with other settings.
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

    /// The layer to put around the app: `router.layer(pages.layer())`.
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
        // There is no other key that it could have taken for this one.
        answer.verified()
    }
}

impl From<Embedded> for Cache {
    fn from(cache: Embedded) -> Self {
        let name = Arc::clone(&cache.name);
        Self::new(&name)
            .purges_tags()
            .without_rebound()
            .node(&name, cache)
    }
}
