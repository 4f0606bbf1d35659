//! How a request was answered, in the head of the answer.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::variant::Variant;

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
    /// From the cache, where another request has put it meanwhile; and why it was not there.
    Collapsed(&'static str),
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
    pub(super) fn hit(variant: &Variant) -> Self {
        Self::Hit {
            fresh_until: variant.fresh_until,
        }
    }

    /// The same request, which another one has served.
    pub(super) fn collapsed(self) -> Self {
        Self::Collapsed(self.reason())
    }

    /// Writes the status; `is_stored` says whether the answer is on its way into the cache, and `has_waited`, whether the
    /// request has waited for another one for nothing.
    pub(super) fn write(self, is_stored: bool, has_waited: bool, headers: &mut HeaderMap) {
        if let Some(word) = self.in_words_of_nginx() {
            headers.insert(X_CACHE_STATUS, HeaderValue::from_static(word));
        }
        let line = match self {
            Self::Hit { fresh_until } => {
                let ttl = rounded_up(fresh_until.saturating_duration_since(Instant::now()));
                format!("roan; hit; ttl={ttl}")
            }
            Self::Collapsed(reason) => format!("roan; fwd={reason}; collapsed"),
            _ => {
                let stored = if is_stored { "; stored" } else { "" };
                let collapsed = if has_waited { "; collapsed=?0" } else { "" };
                format!("roan; fwd={}{stored}{collapsed}", self.reason())
            }
        };
        // The cache that is closest to the origin comes first.
        if let Ok(line) = HeaderValue::try_from(line) {
            headers.append(CACHE_STATUS, line);
        }
    }

    /// Why the request goes to the app (RFC 9211, section 2.2).
    fn reason(self) -> &'static str {
        match self {
            Self::Hit { .. } | Self::Miss => "uri-miss",
            Self::Collapsed(reason) => reason,
            Self::OtherVariants => "vary-miss",
            Self::Expired => "stale",
            Self::Authorization => "request",
            Self::Unclear => "bypass",
            Self::Method => "method",
        }
    }

    fn in_words_of_nginx(self) -> Option<&'static str> {
        match self {
            Self::Hit { .. } | Self::Collapsed(_) => Some("HIT"),
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
