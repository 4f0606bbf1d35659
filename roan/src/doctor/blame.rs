//! Why a page is never cached.

use std::time::SystemTime;

use super::finding::{Mend, Place};
use super::status::State;
use super::visit::Seen;

/// A reason, and what mends it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) why: String,
    pub(super) mend: Vec<Mend>,
}

fn reason(why: impl Into<String>, place: Place, lines: &str) -> Reason {
    Reason {
        why: why.into(),
        mend: vec![Mend::new(place, lines)],
    }
}

/// What lets caches keep a page, and browsers ask for it each time.
pub(super) const FOR_CACHES_ALONE: &str = "Cache-Control: s-maxage=31536000, max-age=0";

/// The reasons that a response shows; `app` is the app's own, which has what nginx hides from visitors.
pub(super) fn reasons(seen: &Seen, app: Option<&Seen>, is_nginx: bool) -> Vec<Reason> {
    let header = |name: &str| {
        let of_app = app.and_then(|app| app.header(name));
        of_app.or_else(|| seen.header(name))
    };
    let mut found = Vec::new();
    if !(200..300).contains(&seen.status) {
        let status = seen.status;
        let kept = match is_nginx {
            true => ", and `proxy_cache_valid` names 200 only",
            false => "",
        };
        let why = format!(
            "the page has status {status}{kept}: give the doctor the URL of a page that is there"
        );
        found.push(Reason {
            why,
            mend: Vec::new(),
        });
    }
    if let Some(value) = header("x-accel-expires").filter(|value| is_over(value)) {
        found.push(reason(
            format!(
                "`X-Accel-Expires: {value}` of the app forbids to store it, whatever else says"
            ),
            Place::App,
            "X-Accel-Expires: 31536000",
        ));
    }
    let allows = header("x-accel-expires").is_some_and(|value| !is_over(&value));
    if header("set-cookie").is_some() && !is_nginx {
        found.push(Reason {
            why: "`Set-Cookie`: a cache that stored the page would give all visitors that cookie. The app should not set one on \
                  pages that all visitors share"
                .to_owned(),
            mend: Vec::new(),
        });
    } else if header("set-cookie").is_some() {
        found.push(reason(
            "`Set-Cookie`: nginx does not store a page that sets a cookie, for it would give all visitors that cookie. The app \
             should not set one on pages that all visitors share. If it must, and the cookie may be lost",
            Place::PageLocation,
            "proxy_ignore_headers Set-Cookie;\nproxy_hide_header Set-Cookie;",
        ));
    }
    if let Some(value) = header("cache-control").filter(|value| !allows && forbids(value)) {
        found.push(reason(
            format!(
                "`Cache-Control: {value}` forbids to store it. If the page is the same for all visitors, the app can let caches keep \
                 it, and not browsers, by"
            ),
            Place::App,
            FOR_CACHES_ALONE,
        ));
    } else if let Some(value) = header("expires").filter(|value| !allows && is_past(value))
        && header("cache-control").is_none_or(|value| !value.contains("max-age"))
    {
        found.push(match is_nginx {
            true => reason(
                format!("`Expires: {value}` is over. nginx can leave that to browsers"),
                Place::PageLocation,
                "proxy_ignore_headers Expires;",
            ),
            false => reason(
                format!("`Expires: {value}` is over, and nothing else gives caches a lifetime"),
                Place::App,
                FOR_CACHES_ALONE,
            ),
        });
    }
    if let Some(value) = header("vary") {
        let mut names = value.split(',').map(str::trim);
        if names.any(|name| !name.eq_ignore_ascii_case("accept-encoding")) {
            found.push(reason(
                format!(
                    "`Vary: {value}`: the page differs between visitors, so that it is not stored, or not found again. If it \
                     does not differ, the app should send"
                ),
                Place::App,
                "Vary: Accept-Encoding",
            ));
        }
    }
    if seen
        .header("cf-cache-status")
        .is_some_and(|value| value == "DYNAMIC")
    {
        found.push(Reason {
            why: "`CF-Cache-Status: DYNAMIC`: Cloudflare does not cache HTML without a cache rule: make one with \
                  \"Eligible for cache\""
                .to_owned(),
            mend: Vec::new(),
        });
    }
    if seen.state() == Some(State::Passed) && found.is_empty() {
        let why = match is_nginx {
            true => {
                "a `proxy_cache_bypass` or `proxy_no_cache` of its location holds for this request: look at their variables"
            }
            false => "a rule of the cache passes this request on to the app",
        };
        found.push(Reason {
            why: why.to_owned(),
            mend: Vec::new(),
        });
    }
    if found.is_empty() && !is_nginx {
        found.push(reason(
            "the response does not give the page a lifetime, and this cache needs one",
            Place::App,
            FOR_CACHES_ALONE,
        ));
    } else if found.is_empty() {
        let hidden = match app {
            Some(_) => "",
            None => {
                ". (nginx hides `X-Accel-Expires` of the app, which may be 0: name the app's address by `--app`, and the \
                 doctor asks it)"
            }
        };
        found.push(reason(
            format!("neither the response nor nginx gives the page a lifetime{hidden}"),
            Place::PageLocation,
            "proxy_cache_valid 200 1y;  # a page stays until it is purged",
        ));
    }
    found
}

/// <https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_cache_valid>: 0, or a time that is over.
fn is_over(value: &str) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    match value.trim().strip_prefix('@') {
        Some(time) => time.parse().is_ok_and(|time: u64| time <= now),
        None => value.trim() == "0",
    }
}

/// What nginx does not store: no-cache, no-store, private, and a lifetime of zero. `s-maxage` is the one for caches.
fn forbids(value: &str) -> bool {
    let directives = directives(value);
    let age = |name: &str| {
        let mut all = directives.iter();
        all.find_map(|(known, value)| (known == name).then(|| value.clone()))
    };
    let is_zero = |age: String| age.trim_matches('"') == "0";
    directives
        .iter()
        .any(|(name, _)| matches!(&**name, "no-cache" | "no-store" | "private"))
        || age("s-maxage")
            .or_else(|| age("max-age"))
            .is_some_and(is_zero)
}

/// The directives of `Cache-Control`, in lower case.
pub(super) fn directives(value: &str) -> Vec<(String, String)> {
    let split = |directive: &str| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        (name.trim().to_ascii_lowercase(), value.trim().to_owned())
    };
    value.split(',').map(split).collect()
}

pub(super) fn is_past(value: &str) -> bool {
    // What is not a date counts as over: RFC 9111, section 5.3.
    httpdate::parse_http_date(value).map_or(true, |date| date <= SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::status::shown;

    fn seen(status: u16, headers: &[(&'static str, &str)]) -> Seen {
        let mut map = http::HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Seen {
            status,
            shown: shown(&map),
            headers: map,
        }
    }

    #[test]
    fn the_header_to_blame_is_named() {
        for (headers, words) in [
            (&[("set-cookie", "a=b")][..], "`Set-Cookie`"),
            (
                &[("cache-control", "private, max-age=9")],
                "`Cache-Control: private, max-age=9`",
            ),
            (
                &[("cache-control", "No-Cache")],
                "`Cache-Control: No-Cache`",
            ),
            (
                &[("cache-control", "max-age=0")],
                "`Cache-Control: max-age=0`",
            ),
            (
                &[("cache-control", "s-maxage=0, max-age=9")],
                "`Cache-Control: s-maxage=0",
            ),
            (
                &[("expires", "Thu, 01 Jan 1970 00:00:01 GMT")],
                "`Expires: Thu",
            ),
            (&[("expires", "0")], "`Expires: 0`"),
            (&[("vary", "*")], "`Vary: *`"),
            (
                &[("vary", "Accept-Encoding"), ("vary", "Cookie")],
                "`Vary: Accept-Encoding, Cookie`",
            ),
            (&[("x-cache-status", "BYPASS")], "`proxy_cache_bypass`"),
            (&[("cf-cache-status", "DYNAMIC")], "cache rule"),
            (&[], "neither the response nor nginx"),
            (
                &[("cache-control", "s-maxage=9, max-age=0")],
                "neither the response nor nginx",
            ),
            (
                &[("vary", "accept-encoding")],
                "neither the response nor nginx",
            ),
        ] {
            let found = reasons(&seen(200, headers), None, true);
            assert_eq!(found.len(), 1, "{headers:?}: {found:?}");
            assert!(found[0].why.contains(words), "{headers:?}: {found:?}");
        }
        assert!(
            reasons(&seen(404, &[]), None, true)[0]
                .why
                .contains("status 404")
        );
    }

    #[test]
    fn another_cache_does_not_get_advice_for_nginx() {
        for (status, headers) in [
            (404, &[][..]),
            (200, &[("set-cookie", "a=b")]),
            (200, &[("expires", "0")]),
            (200, &[("cache-control", "private")]),
            (200, &[("vary", "Cookie")]),
            (200, &[("x-cache-status", "BYPASS")]),
            (200, &[]),
        ] {
            for reason in reasons(&seen(status, headers), None, false) {
                let text = format!("{reason:?}");
                assert!(
                    !text.contains("nginx") && !text.contains("proxy_"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn the_app_shows_what_nginx_hides() {
        let app = |value| {
            seen(
                200,
                &[("x-accel-expires", value), ("cache-control", "no-cache")],
            )
        };
        let found = |value| {
            let found = reasons(&seen(200, &[]), Some(&app(value)), true);
            found
                .into_iter()
                .map(|reason| reason.why)
                .collect::<Vec<_>>()
                .join("; ")
        };
        assert!(found("0").contains("`X-Accel-Expires: 0`"));
        assert!(found("@1").contains("`X-Accel-Expires: @1`"));
        let other = found("31536000");
        assert!(
            !other.contains("Accel") && !other.contains("Control"),
            "{other}"
        );
    }
}
