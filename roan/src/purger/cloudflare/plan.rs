//! How much of a purge each plan accepts.

use crate::purger::Limits;

/// The plan of a zone, which sets the [limits] of its account. Default: [`Plan::Free`], whose limits hold for all.
///
/// [limits]: https://developers.cloudflare.com/cache/how-to/purge-cache/#availability-and-limits
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Plan {
    /// 800 URLs a second; 5 requests a minute by tag, prefix or host, 25 at once.
    #[default]
    Free,
    /// 1,500 URLs a second; 5 requests a second by tag, prefix or host, 25 at once.
    Pro,
    /// 1,500 URLs a second; 10 requests a second by tag, prefix or host, 50 at once.
    Business,
    /// 3,000 URLs a second, 500 in a request; 50 requests a second by tag, prefix or host, 500 at once.
    Enterprise,
}

impl Plan {
    /// The limits of purges by URL. They count URLs.
    #[must_use]
    pub fn urls(self) -> Limits {
        let (rate, batch) = match self {
            Self::Free => (800.0, 100),
            Self::Pro | Self::Business => (1500.0, 100),
            Self::Enterprise => (3000.0, 500),
        };
        Limits::new().batch(batch).rate(rate).by_target()
    }

    /// The limits that purges by tag, prefix and host, and of everything, share. They count requests, each of up to 100 tags,
    /// prefixes or hosts.
    #[must_use]
    pub fn others(self) -> Limits {
        let (rate, burst) = match self {
            Self::Free => (5.0 / 60.0, 25),
            Self::Pro => (5.0, 25),
            Self::Business => (10.0, 50),
            Self::Enterprise => (50.0, 500),
        };
        Limits::new().batch(100).rate(rate).burst(burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_of_the_documentation() {
        let shown = |limits: Limits| (limits.batch_size(), limits.a_second(), limits.at_once());
        assert_eq!(shown(Plan::Free.urls()), (100, Some(800.0), 800.0));
        assert_eq!(shown(Plan::Pro.urls()), (100, Some(1500.0), 1500.0));
        assert_eq!(shown(Plan::Business.urls()), (100, Some(1500.0), 1500.0));
        assert_eq!(shown(Plan::Enterprise.urls()), (500, Some(3000.0), 3000.0));
        assert!(Plan::Free.urls().counts_targets() && !Plan::Free.others().counts_targets());
        assert_eq!(shown(Plan::Free.others()), (100, Some(5.0 / 60.0), 25.0));
        assert_eq!(shown(Plan::Pro.others()), (100, Some(5.0), 25.0));
        assert_eq!(shown(Plan::Business.others()), (100, Some(10.0), 50.0));
        assert_eq!(shown(Plan::Enterprise.others()), (100, Some(50.0), 500.0));
    }
}
