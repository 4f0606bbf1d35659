//! How a request was answered, in the head of the answer.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that the nginx configuration of the README also sets.
const X_CACHE_STATUS: HeaderName = HeaderName::from_static("x-cache-status");
/// The header of RFC 9211.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// How a request was answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Status {
    Hit {
        fresh_until: Instant,
    },
    /// No page has this URL.
    Miss,
    /// A page has it, but no variant of it is for this request.
    OtherVariants,
    Expired,
    /// The stored page is not for requests with `Authorization`.
    Authorization,
    /// The request cannot be looked up.
    Unclear,
    /// Neither a GET nor a HEAD.
    Method,
}

impl Status {
    /// Writes the status; `is_stored` says whether the answer is on its way into the cache.
    pub(super) fn write(self, is_stored: bool, headers: &mut HeaderMap) {
        if let Some(word) = self.in_words_of_nginx() {
            headers.insert(X_CACHE_STATUS, HeaderValue::from_static(word));
        }
        let forwarded = match self {
            Self::Hit { fresh_until } => {
                let ttl = rounded_up(fresh_until.saturating_duration_since(Instant::now()));
                if let Ok(hit) = HeaderValue::try_from(format!("roan; hit; ttl={ttl}")) {
                    headers.append(CACHE_STATUS, hit);
                }
                return;
            }
            Self::Miss if is_stored => "roan; fwd=uri-miss; stored",
            Self::Miss => "roan; fwd=uri-miss",
            Self::OtherVariants if is_stored => "roan; fwd=vary-miss; stored",
            Self::OtherVariants => "roan; fwd=vary-miss",
            Self::Expired if is_stored => "roan; fwd=stale; stored",
            Self::Expired => "roan; fwd=stale",
            Self::Authorization => "roan; fwd=request",
            Self::Unclear => "roan; fwd=bypass",
            Self::Method => "roan; fwd=method",
        };
        // The cache that is closest to the origin comes first.
        headers.append(CACHE_STATUS, HeaderValue::from_static(forwarded));
    }

    fn in_words_of_nginx(self) -> Option<&'static str> {
        match self {
            Self::Hit { .. } => Some("HIT"),
            Self::Miss | Self::OtherVariants => Some("MISS"),
            Self::Expired => Some("EXPIRED"),
            Self::Authorization | Self::Unclear => Some("BYPASS"),
            Self::Method => None,
        }
    }
}

/// Seconds.
fn rounded_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
