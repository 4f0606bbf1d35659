//! Which responses are stored, and how long they are fresh (RFC 9111, as a shared cache).

use std::time::{Duration, Instant, SystemTime};

use http::header::{AGE, AUTHORIZATION, CACHE_CONTROL, EXPIRES, PRAGMA, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_cache_semantics::{CacheOptions, CachePolicy};

use crate::pages::Sharing;

/// Longer than any program runs, and short enough to be added to any time without overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How long a response is fresh, and for which requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    pub(super) fresh_until: Instant,
    /// Whether it may answer a request with `Authorization`, or be stored after one (section 3.5).
    pub(super) authorized: bool,
}

impl Lifetime {
    /// The freshness of a response to a GET. `None` if it must not be stored. `by_default` applies to a 200 without caching
    /// headers, `sharing` before the headers.
    pub(super) fn of(
        response: &Response<()>,
        request: &HeaderMap,
        by_default: Option<Duration>,
        sharing: Option<&Sharing>,
    ) -> Option<Self> {
        let headers = response.headers();
        // What was kept elsewhere for an unknown time may be stale already.
        age(headers)?;
        // A part of a page, and the answer to a visitor who has the page, are not the page.
        let is_page =
            ![StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
        if headers.contains_key(SET_COOKIE) || !is_page {
            return None;
        }
        if let Some(lifetime) = sharing.and_then(|sharing| sharing.lifetime) {
            return Some(Self {
                fresh_until: Instant::now() + lifetime.min(LONGEST),
                authorized: false,
            });
        }
        let says_nothing = [CACHE_CONTROL, EXPIRES, PRAGMA]
            .iter()
            .all(|name| !headers.contains_key(name));
        let (duration, authorized) = if says_nothing {
            let duration = by_default.filter(|_| response.status() == StatusCode::OK)?;
            (duration, false)
        } else {
            let now = SystemTime::now();
            let response = &in_lower_case(response)?;
            let anonymous = policy(HeaderMap::new(), response, now);
            if !anonymous.is_storable() {
                return None;
            }
            let any = HeaderValue::from_static("any");
            let with_authorization = HeaderMap::from_iter([(AUTHORIZATION, any)]);
            let authorized = policy(with_authorization, response, now).is_storable();
            (anonymous.time_to_live(now), authorized)
        };
        let is_for_all = authorized || !request.contains_key(AUTHORIZATION);
        (is_for_all && !duration.is_zero()).then(|| Self {
            fresh_until: Instant::now() + duration.min(LONGEST),
            authorized,
        })
    }
}

/// How long the response has been kept by others, in seconds. `None` if its `Age` is not one number.
pub(super) fn age(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(AGE).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Some(0),
        // No sign, as a number of Rust may have.
        (Some(age), None) if age.as_bytes().iter().all(u8::is_ascii_digit) => {
            age.to_str().ok()?.parse().ok()
        }
        _ => None,
    }
}

/// The headers with `Cache-Control` in lower case: directives are case-insensitive, but the policy reads lower case only.
/// `None` if a line is not a text, because it may forbid storing.
fn in_lower_case(response: &Response<()>) -> Option<Response<()>> {
    let mut response = response.clone();
    let lines = response.headers_mut().iter_mut();
    for (_, line) in lines.filter(|(name, _)| **name == CACHE_CONTROL) {
        *line = line.to_str().ok()?.to_ascii_lowercase().try_into().ok()?;
    }
    Some(response)
}

/// Omits the request's own `Cache-Control`, as nginx does: otherwise any visitor could force the app to render each page
/// at each request.
fn policy(request_headers: HeaderMap, response: &Response<()>, now: SystemTime) -> CachePolicy {
    let mut request = Request::new(());
    *request.headers_mut() = request_headers;
    let options = CacheOptions {
        // No heuristic freshness: a page without its own lifetime is not stored.
        cache_heuristic: 0.0,
        immutable_min_time_to_live: Duration::ZERO,
        ..CacheOptions::default()
    };
    CachePolicy::new_options(&request, response, now, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Duration = Duration::from_secs(31_536_000);

    /// The seconds that a response with these headers is fresh; `None` when it is not stored.
    fn seconds(status: u16, lines: &[(&'static str, &'static str)]) -> Option<u64> {
        lifetime(status, lines, &[]).map(|lifetime| {
            let left = lifetime
                .fresh_until
                .saturating_duration_since(Instant::now());
            left.as_secs_f64().round() as u64
        })
    }

    fn lifetime(
        status: u16,
        lines: &[(&'static str, &'static str)],
        request: &[(&'static str, &'static str)],
    ) -> Option<Lifetime> {
        let map = |lines: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in lines {
                map.append(*name, HeaderValue::from_static(value));
            }
            map
        };
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        *response.headers_mut() = map(lines);
        Lifetime::of(&response, &map(request), Some(YEAR), None)
    }

    fn cache_control(value: &'static str) -> Option<u64> {
        seconds(200, &[("cache-control", value)])
    }

    #[test]
    fn a_shared_cache_takes_s_maxage_first() {
        assert_eq!(cache_control("max-age=0, s-maxage=60"), Some(60));
        assert_eq!(cache_control("public, max-age=30"), Some(30));
        assert_eq!(cache_control("s-maxage=0, max-age=60"), None);
        assert_eq!(cache_control("S-MAXAGE=60"), Some(60));
        let huge = "s-maxage=99999999999999999";
        assert_eq!(cache_control(huge), Some(LONGEST.as_secs()));
        let aged = [("cache-control", "s-maxage=60"), ("age", "50")];
        assert_eq!(seconds(200, &aged), Some(10));
    }

    #[test]
    fn expires_is_a_lifetime_too() {
        let dates = [
            ("date", "Wed, 21 Oct 2015 07:28:00 GMT"),
            ("expires", "Wed, 21 Oct 2015 07:29:00 GMT"),
        ];
        assert_eq!(seconds(200, &dates), Some(60));
        let [date, expires] = dates;
        assert_eq!(
            seconds(200, &[date, expires, ("cache-control", "max-age=5")]),
            Some(5)
        );
    }

    #[test]
    fn what_is_private_or_without_a_lifetime_is_not_stored() {
        for value in [
            "private",
            "private, s-maxage=60",
            "Private, s-maxage=60",
            "private=\"x, y\", s-maxage=60",
            "no-store, s-maxage=60",
            "no-cache, s-maxage=60",
            "public",
            "max-age=0",
            "immutable",
            "s-maxage=x",
        ] {
            assert_eq!(cache_control(value), None, "{value}");
        }
        let modified = ("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(seconds(200, &[modified, ("cache-control", "public")]), None);
        assert_eq!(seconds(200, &[("expires", "0")]), None);
        let split = [
            ("cache-control", "s-maxage=60"),
            ("cache-control", "NO-STORE"),
        ];
        assert_eq!(seconds(200, &split), None);
        assert_eq!(seconds(200, &[("pragma", "no-cache")]), None);
    }

    #[test]
    fn only_a_200_that_says_nothing_has_the_default() {
        assert_eq!(seconds(200, &[]), Some(YEAR.as_secs()));
        for status in [201, 206, 301, 404, 500, 503] {
            assert_eq!(seconds(status, &[]), None, "{status}");
        }
        for status in [301, 404] {
            assert_eq!(
                seconds(status, &[("cache-control", "s-maxage=60")]),
                Some(60)
            );
        }
        for status in [206, 500] {
            assert_eq!(seconds(status, &[("cache-control", "s-maxage=60")]), None);
        }
        assert!(Lifetime::of(&Response::new(()), &HeaderMap::new(), None, None).is_none());
    }

    #[test]
    fn an_age_that_is_not_one_number_is_too_old() {
        for (ages, expected) in [
            (&["0"][..], Some(60)),
            (&["59"], Some(1)),
            (&["60"], None),
            (&["-1"], None),
            (&["+1"], None),
            (&["1.5"], None),
            (&["0, 0"], None),
            (&["0", "0"], None),
            (&["0;x"], None),
            (&[""], None),
            (&["99999999999999999999"], None),
        ] {
            let mut lines = vec![("cache-control", "max-age=60")];
            lines.extend(ages.iter().map(|age| ("age", *age)));
            assert_eq!(seconds(200, &lines), expected, "{ages:?}");
        }
    }

    #[test]
    fn a_cookie_is_never_stored() {
        for value in ["s-maxage=60", "public, s-maxage=60"] {
            let lines = [("set-cookie", "a=b"), ("cache-control", value)];
            assert_eq!(seconds(200, &lines), None);
        }
        assert_eq!(seconds(200, &[("set-cookie", "a=b")]), None);
    }

    #[test]
    fn a_response_to_an_authorized_request_must_say_that_it_is_for_all() {
        let authorized = [("authorization", "Basic eA==")];
        let stored = |value| lifetime(200, &[("cache-control", value)], &authorized).is_some();
        assert!(stored("public, max-age=60"));
        assert!(stored("s-maxage=60"));
        assert!(!stored("max-age=60"));
        assert!(lifetime(200, &[], &authorized).is_none());
    }

    #[test]
    fn visitors_have_no_say() {
        let reload = [
            ("cache-control", "no-store, no-cache"),
            ("pragma", "no-cache"),
        ];
        let lines = [("cache-control", "s-maxage=60")];
        assert!(lifetime(200, &lines, &reload).is_some());
    }
}
