//! What a response says of the cache that it came through.

use std::fmt;

use http::HeaderMap;
use http::header::AGE;

/// How a cache came by a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// From the cache, whatever its age: `HIT`, `STALE`, `UPDATING`, `REVALIDATED`.
    Cached,
    /// From the app, and perhaps stored: `MISS`, `EXPIRED`.
    Fetched,
    /// From the app, past the cache: `BYPASS`, `DYNAMIC`.
    Passed,
}

/// A state, and the header that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) state: State,
    header: String,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.header)
    }
}

/// In the order in which they are believed.
const HEADERS: [&str; 4] = [
    "cache-status",
    "x-cache-status",
    "cf-cache-status",
    "x-cache",
];

/// Reads [`Cache-Status`](https://www.rfc-editor.org/rfc/rfc9211), nginx's `$upstream_cache_status` in `X-Cache-Status`,
/// [`CF-Cache-Status`](https://developers.cloudflare.com/cache/concepts/cache-responses/), `X-Cache`, Varnish's
/// [`X-Varnish`](https://varnish-cache.org/docs/7.1/users-guide/increasing-your-hitrate.html), which names two requests if the
/// page is from the cache, and `Age` (RFC 9111, section 5.1). Of several caches it reads the last, which is the one that answered.
pub(super) fn shown(headers: &HeaderMap) -> Option<Shown> {
    for name in HEADERS {
        let lines = headers.get_all(name).into_iter();
        let Some(text) = lines.filter_map(|line| line.to_str().ok()).next_back() else {
            continue;
        };
        let last = text.rsplit(',').next().unwrap_or(text).trim();
        let state = if name == "cache-status" {
            of_parameters(last)
        } else {
            of_word(last)
        };
        if let Some(state) = state {
            let header = format!("{}: {text}", spelt(name));
            return Some(Shown { state, header });
        }
    }
    if let Some(ids) = headers.get("x-varnish").and_then(|ids| ids.to_str().ok()) {
        let state = if ids.split_whitespace().count() > 1 {
            State::Cached
        } else {
            State::Fetched
        };
        let header = format!("X-Varnish: {ids}");
        return Some(Shown { state, header });
    }
    let age: u64 = headers.get(AGE)?.to_str().ok()?.trim().parse().ok()?;
    (age > 0).then(|| Shown {
        state: State::Cached,
        header: format!("Age: {age}"),
    })
}

/// RFC 9211, section 2.
fn of_parameters(member: &str) -> Option<State> {
    let mut parameters = member.split(';').skip(1).map(str::trim);
    parameters.find_map(|parameter| match parameter {
        "hit" => Some(State::Cached),
        "fwd=bypass" | "fwd=method" | "fwd=request" => Some(State::Passed),
        _ if parameter.starts_with("fwd") => Some(State::Fetched),
        _ => None,
    })
}

fn of_word(text: &str) -> Option<State> {
    let text = text.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["BYPASS", "DYNAMIC", "PASS", "NONE", "UNCACHEABLE"]) {
        Some(State::Passed)
    } else if has(&["MISS", "EXPIRED"]) {
        Some(State::Fetched)
    } else if has(&["HIT", "STALE", "UPDATING", "REVALIDATED"]) {
        Some(State::Cached)
    } else {
        None
    }
}

/// As its users write it.
fn spelt(name: &str) -> String {
    let words = name.split('-').map(|word| match word {
        "cf" => "CF".to_owned(),
        _ => word[..1].to_ascii_uppercase() + &word[1..],
    });
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_is_read_and_the_last_cache_counts() {
        use State::{Cached, Fetched, Passed};
        for (headers, state) in [
            (&[("x-cache-status", "HIT")][..], Some(Cached)),
            (
                &[("x-cache-status", "MISS"), ("x-cache-status", "HIT")],
                Some(Cached),
            ),
            (
                &[("x-cache-status", "HIT"), ("x-cache-status", "MISS")],
                Some(Fetched),
            ),
            (&[("x-cache-status", "EXPIRED")], Some(Fetched)),
            (&[("x-cache-status", "UPDATING")], Some(Cached)),
            (&[("x-cache-status", "BYPASS")], Some(Passed)),
            (&[("cf-cache-status", "DYNAMIC")], Some(Passed)),
            (&[("cf-cache-status", "REVALIDATED")], Some(Cached)),
            (&[("x-cache", "MISS, HIT")], Some(Cached)),
            (&[("x-cache", "Hit from cloudfront")], Some(Cached)),
            (&[("x-cache", "TCP_MISS from a")], Some(Fetched)),
            (&[("x-cache", "Error from cloudfront")], None),
            (
                &[("cache-status", "a; fwd=uri-miss; stored")],
                Some(Fetched),
            ),
            (
                &[("cache-status", "origin; fwd=uri-miss, edge; hit; ttl=9")],
                Some(Cached),
            ),
            (&[("cache-status", "edge; fwd=bypass")], Some(Passed)),
            (
                &[("cache-status", "edge; hit"), ("x-cache", "MISS")],
                Some(Cached),
            ),
            (&[("x-varnish", "32770 3"), ("age", "0")], Some(Cached)),
            (&[("x-varnish", "32770"), ("age", "0")], Some(Fetched)),
            (&[("age", "5")], Some(Cached)),
            (&[("age", "0")], None),
            (&[], None),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(shown(&map).map(|shown| shown.state), state, "{headers:?}");
        }
    }

    #[test]
    fn a_header_is_shown_as_it_is_written() {
        let mut map = HeaderMap::new();
        map.insert("cf-cache-status", "HIT".parse().unwrap());
        assert_eq!(shown(&map).unwrap().to_string(), "CF-Cache-Status: HIT");
    }
}
