//! The settings of the web layer.

use super::CachePolicy;
use crate::pages::Limits;

/// The settings of the [web layer](super), for [`RoanBuilder::web`](crate::RoanBuilder::web).
///
/// ```
/// use roan::web::{CachePolicy, Web};
///
/// let web = Web::new()
///     .policy(CachePolicy::until_purged())
///     .session_cookie("session");
/// ```
#[derive(Debug, Clone)]
#[must_use = "pass it to `RoanBuilder::web`"]
pub struct Web {
    pub(super) policy: Option<CachePolicy>,
    pub(super) session_cookies: Vec<String>,
    pub(crate) limits: Limits,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            policy: None,
            session_cookies: Vec::new(),
            limits: Limits {
                pages: 100_000,
                spellings: 100,
                keys: 1000,
                pages_of_a_key: 10_000,
            },
        }
    }
}

impl Web {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the policy of each answer with status 200, 203, 204 or 304 for which neither the handler nor its own headers
    /// (`Cache-Control`, `Expires`, `Pragma`) say anything. Default: none, so that such an answer goes out as it is.
    pub fn policy(mut self, policy: CachePolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Names a cookie that makes the answer to a request private. Call it for each such cookie.
    ///
    /// A cache does not know that: without `proxy_cache_bypass $cookie_session;` nginx answers such a request with the
    /// page that it has stored for other visitors.
    pub fn session_cookie(mut self, name: impl Into<String>) -> Self {
        self.session_cookies.push(name.into());
        self
    }

    /// Sets the number of URLs that are remembered, at least 1. Default: 100,000. Beyond it, the one that was not rendered for
    /// the longest time is purged, and then forgotten.
    ///
    /// A URL takes its length three times and about 500 bytes of memory, and 100 bytes for each of its tags.
    pub fn max_pages(mut self, urls: usize) -> Self {
        self.limits.pages = urls.max(1);
        self
    }

    /// Sets the number of URLs with the same path that are remembered, at least 1. Default: 100. Further ones are not
    /// cached, so that a flood of made-up queries does not fill a cache.
    pub fn max_spellings(mut self, urls: usize) -> Self {
        self.limits.spellings = urls.max(1);
        self
    }

    /// Sets the number of tags that a page may have, at least 1. Default: 1,000. A page with more is not cached.
    pub fn max_tags(mut self, tags: usize) -> Self {
        self.limits.keys = tags.max(1);
        self
    }

    /// Sets the number of URLs with the same tag beyond which that is logged as an error, once for each tag: its purge sends
    /// that many requests to a cache without tags. Default: 10,000.
    pub fn max_pages_of_a_tag(mut self, urls: usize) -> Self {
        self.limits.pages_of_a_key = urls;
        self
    }
}
