//! The settings of an embedded cache.

use std::sync::Arc;
use std::time::Duration;

use super::Embedded;
use super::store::Store;

/// Longer than any useful time.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Configures an [`Embedded`] cache. Create it with [`Embedded::builder`].
#[derive(Debug, Clone)]
#[must_use = "call `build()`"]
pub struct EmbeddedBuilder {
    name: String,
    capacity: u64,
    max_body_size: Option<usize>,
    default_ttl: Option<Duration>,
    lock_timeout: Duration,
}

/// The conditions for storing a response.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) max_body_size: usize,
    pub(super) default_ttl: Option<Duration>,
    pub(super) lock_timeout: Duration,
}

impl Default for EmbeddedBuilder {
    fn default() -> Self {
        Self {
            name: "embedded".to_owned(),
            capacity: 64 * 1024 * 1024,
            max_body_size: None,
            default_ttl: None,
            lock_timeout: Duration::from_secs(5),
        }
    }
}

impl EmbeddedBuilder {
    /// Sets the approximate memory for pages, in bytes. Default: 64 MiB.
    ///
    /// A full cache keeps pages that are requested often. It evicts the others, or does not store them.
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    /// Sets the longest body that is stored, in bytes. Default: an eighth of the capacity. The visitor receives longer
    /// bodies, too.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = Some(bytes);
        self
    }

    /// Also stores each `200` without `Cache-Control`, `Expires` and `Pragma`, for this time (at most ten years), as
    /// `proxy_cache_valid 200 1y` does in nginx. Default: such responses are not stored.
    ///
    /// A page that differs between visitors, such as one that reads a session cookie, must then send
    /// `Cache-Control: private`.
    pub fn default_ttl(mut self, duration: Duration) -> Self {
        self.default_ttl = Some(duration);
        self
    }

    /// Sets how long a request waits for a page that another request renders, as nginx's [`proxy_cache_lock_timeout`] does.
    /// Then it goes to the app, too. Zero: it does not wait. Default: 5 s.
    ///
    /// It needs the timers of tokio's runtime, which `#[tokio::main]` enables.
    ///
    /// [`proxy_cache_lock_timeout`]: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_cache_lock_timeout
    pub fn lock_timeout(mut self, duration: Duration) -> Self {
        self.lock_timeout = duration.min(LONGEST);
        self
    }

    /// Sets the name of the cache in reports and counters. Default: `embedded`.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Creates the cache, without pages.
    #[must_use]
    pub fn build(self) -> Embedded {
        let eighth = usize::try_from(self.capacity / 8).unwrap_or(usize::MAX);
        Embedded {
            name: self.name.into(),
            settings: Arc::new(Settings {
                max_body_size: self.max_body_size.unwrap_or(eighth),
                default_ttl: self.default_ttl,
                lock_timeout: self.lock_timeout,
            }),
            store: Arc::new(Store::new(self.capacity)),
        }
    }
}
