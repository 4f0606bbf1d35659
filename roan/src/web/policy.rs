//! How long caches and browsers may keep a page.

use std::fmt::Write;
use std::time::Duration;

/// How long shared caches and browsers may keep a page. Roan purges shared caches; nobody can purge a browser, so a policy
/// always says what a browser may do.
///
/// ```
/// use std::time::Duration;
/// use roan::web::CachePolicy;
///
/// // For ever in the cache; a browser asks each time.
/// let page = CachePolicy::until_purged();
/// // The same, and a browser need not ask for a minute.
/// let list = CachePolicy::until_purged().browser(Duration::from_secs(60));
/// // At most an hour in the cache.
/// let weather = CachePolicy::shared(Duration::from_secs(3600));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "pass it to `roan::web::cache`, or make it an extension of the response"]
pub struct CachePolicy {
    shared: Shared,
    browser: Duration,
    stale_while_revalidate: Option<Duration>,
    stale_if_error: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shared {
    No,
    Private,
    For(Duration),
}

/// A year: RFC 2616 recommended not to send more, and caches keep to that.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl CachePolicy {
    /// Shared caches keep the page until it is purged. A browser asks each time, and gets the page from a cache.
    pub const fn until_purged() -> Self {
        Self::shared(FOR_EVER)
    }

    /// Shared caches keep the page for this time, if it is not purged before. At most a year, in whole seconds.
    pub const fn shared(duration: Duration) -> Self {
        Self {
            shared: Shared::For(duration),
            browser: Duration::ZERO,
            stale_while_revalidate: None,
            stale_if_error: None,
        }
    }

    /// No shared cache keeps the page: it is for one visitor.
    pub const fn private() -> Self {
        Self {
            shared: Shared::Private,
            ..Self::shared(Duration::ZERO)
        }
    }

    /// Nobody keeps the page, not even the browser.
    pub const fn no_store() -> Self {
        Self {
            shared: Shared::No,
            ..Self::shared(Duration::ZERO)
        }
    }

    /// A browser keeps the page for this time and does not ask. Nothing can purge it meanwhile. Default: it always asks.
    pub const fn browser(mut self, duration: Duration) -> Self {
        self.browser = duration;
        self
    }

    /// A shared cache may answer with an expired page for this time, while it fetches a new one (RFC 5861, section 3). This is
    /// about [`shared`](Self::shared): what is purged is not served any more.
    ///
    /// nginx does not read it beside `X-Accel-Expires` before version 1.23: set `proxy_cache_use_stale updating` there.
    pub const fn stale_while_revalidate(mut self, duration: Duration) -> Self {
        self.stale_while_revalidate = Some(duration);
        self
    }

    /// A shared cache may answer with an expired page for this time, if the app answers with an error (RFC 5861, section 4).
    /// As [`stale_while_revalidate`](Self::stale_while_revalidate).
    pub const fn stale_if_error(mut self, duration: Duration) -> Self {
        self.stale_if_error = Some(duration);
        self
    }

    /// How long a shared cache may keep the page; `None` if it may not.
    pub(super) fn lifetime(&self) -> Option<Duration> {
        match self.shared {
            Shared::For(duration) => Some(duration.min(FOR_EVER)).filter(|it| it.as_secs() > 0),
            Shared::No | Shared::Private => None,
        }
    }

    /// The value of `Cache-Control`. `for_all`: a shared cache that Roan purges reads it, too.
    pub(super) fn cache_control(&self, for_all: bool) -> String {
        let browser = self.browser.min(FOR_EVER).as_secs();
        let mut value = match (self.shared, self.lifetime()) {
            (Shared::No, _) => return "no-store".to_owned(),
            (_, None) => format!("private, max-age={browser}"),
            (_, Some(lifetime)) if for_all => {
                let mut value = format!("s-maxage={}, max-age={browser}", lifetime.as_secs());
                self.push_stale(&mut value);
                value
            }
            (_, Some(_)) => format!("max-age={browser}"),
        };
        if browser == 0 && !value.contains("stale-") {
            value.push_str(", must-revalidate");
        }
        value
    }

    /// The value of a header that only a certain cache reads.
    pub(super) fn targeted(&self) -> String {
        let Some(lifetime) = self.lifetime() else {
            return "no-store".to_owned();
        };
        let mut value = format!("max-age={}", lifetime.as_secs());
        self.push_stale(&mut value);
        value
    }

    fn push_stale(&self, value: &mut String) {
        for (name, duration) in [
            ("stale-while-revalidate", self.stale_while_revalidate),
            ("stale-if-error", self.stale_if_error),
        ] {
            if let Some(duration) = duration {
                // Writing to a text does not fail.
                let _ = write!(value, ", {name}={}", duration.min(FOR_EVER).as_secs());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_policy_says_what_each_may_keep() {
        for (policy, browser, for_all, targeted) in [
            (
                CachePolicy::until_purged(),
                "max-age=0, must-revalidate",
                "s-maxage=31536000, max-age=0, must-revalidate",
                "max-age=31536000",
            ),
            (
                CachePolicy::shared(MINUTE)
                    .browser(2 * MINUTE)
                    .stale_while_revalidate(3 * MINUTE)
                    .stale_if_error(4 * MINUTE),
                "max-age=120",
                "s-maxage=60, max-age=120, stale-while-revalidate=180, stale-if-error=240",
                "max-age=60, stale-while-revalidate=180, stale-if-error=240",
            ),
            (
                CachePolicy::private().browser(MINUTE),
                "private, max-age=60",
                "private, max-age=60",
                "no-store",
            ),
            (
                CachePolicy::shared(Duration::ZERO),
                "private, max-age=0, must-revalidate",
                "private, max-age=0, must-revalidate",
                "no-store",
            ),
            (CachePolicy::no_store(), "no-store", "no-store", "no-store"),
        ] {
            assert_eq!(policy.cache_control(false), browser);
            assert_eq!(policy.cache_control(true), for_all);
            assert_eq!(policy.targeted(), targeted);
        }
    }

    proptest! {
        #[test]
        fn a_shared_lifetime_never_stands_without_one_of_browsers(
            shared in any::<u64>(),
            browser in any::<u64>(),
            stale in any::<Option<u64>>(),
            for_all: bool,
        ) {
            let mut policy = CachePolicy::shared(Duration::from_secs(shared))
                .browser(Duration::from_secs(browser));
            if let Some(stale) = stale {
                policy = policy.stale_while_revalidate(Duration::from_secs(stale));
            }
            let value = policy.cache_control(for_all);
            let mut directives = value.split(", ");
            prop_assert!(directives.any(|directive| directive.starts_with("max-age=")), "{}", value);
        }
    }
}
