//! The settings of an embedded cache.

use std::sync::Arc;
use std::time::Duration;

use super::Embedded;
use super::store::Store;

/// Configures an [`Embedded`] cache: begun by [`Embedded::builder`].
#[derive(Debug, Clone)]
#[must_use = "call `build()`"]
pub struct EmbeddedBuilder {
    name: String,
    capacity: u64,
    max_body_size: Option<usize>,
    default_ttl: Option<Duration>,
}

/// What is asked of a response before it is stored.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) max_body_size: usize,
    pub(super) default_ttl: Option<Duration>,
}

impl Default for EmbeddedBuilder {
    fn default() -> Self {
        Self {
            name: "embedded".to_owned(),
            capacity: 64 * 1024 * 1024,
            max_body_size: None,
            default_ttl: None,
        }
    }
}

impl EmbeddedBuilder {
    /// How much memory the pages may take, in bytes, nearly. Default: 64 MiB.
    ///
    /// When it is full, pages that are asked for often stay, and those that are asked for seldom
    /// go, or are not stored in the first place.
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    /// The longest body that is stored, in bytes. Default: an eighth of the capacity. A longer one
    /// goes to the visitor all the same.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = Some(bytes);
        self
    }

    /// Also keeps each `200` that has neither `Cache-Control` nor `Expires` nor `Pragma`, for that
    /// long, at most ten years: as `proxy_cache_valid 200 1y` does in nginx. Default: no.
    ///
    /// Then a page that is not the same for all visitors, as one that reads a session cookie, must
    /// say `Cache-Control: private`.
    pub fn default_ttl(mut self, duration: Duration) -> Self {
        self.default_ttl = Some(duration);
        self
    }

    /// Names the cache, for reports and counters. Default: `embedded`.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Makes the cache, with no pages in it.
    #[must_use]
    pub fn build(self) -> Embedded {
        let eighth = usize::try_from(self.capacity / 8).unwrap_or(usize::MAX);
        Embedded {
            name: self.name.into(),
            settings: Arc::new(Settings {
                max_body_size: self.max_body_size.unwrap_or(eighth),
                default_ttl: self.default_ttl,
            }),
            store: Arc::new(Store::new(self.capacity)),
        }
    }
}
