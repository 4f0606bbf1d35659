//! The key that a purge location returns.

use std::collections::HashMap;

use super::pattern::KeyPattern;
use crate::base::lock::Mutex;
use crate::base::site::Site;

/// The response header in which a purge location names the key that it was asked to purge.
pub(super) const HEADER: &str = "x-roan-purge";

/// The usual keys, used if none is configured. Not those with `$uri`: a purge location that decodes by mistake, with
/// `$1`, returns the same key.
const USUAL: [&str; 9] = [
    "$host$request_uri",
    "$http_host$request_uri",
    "$scheme$host$request_uri",
    "$scheme://$host$request_uri",
    "$scheme$http_host$request_uri",
    "$scheme://$http_host$request_uri",
    "$scheme$request_method$host$request_uri",
    "$request_method$host$request_uri",
    "$request_uri",
];

/// What is known of the keys of one node: the configured pattern, else for each site the usual ones that all its answers
/// had. (Two servers of one nginx may have keys of two forms.)
#[derive(Debug)]
pub(super) struct Keys {
    patterns: Vec<KeyPattern>,
    sites: Mutex<HashMap<String, Seen>>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// A bit for each pattern: whether it can be the one.
    possible: u32,
    /// Whether a query with an escape came through to the key.
    whole: bool,
}

/// The judgement of a key that a purge location returned.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The key of the page.
    Right,
    /// The same without some parameters of the query, which this nginx removes from its keys.
    Cut,
    /// An unknown form that contains the host and the URL of the page.
    Unknown,
    /// The key of another page, and why.
    Wrong(String),
}

impl Keys {
    pub(super) fn new(configured: Option<KeyPattern>) -> Self {
        let patterns = match configured {
            Some(pattern) => vec![pattern],
            None => USUAL.iter().filter_map(|text| text.parse().ok()).collect(),
        };
        Self {
            patterns,
            sites: Mutex::default(),
        }
    }

    /// Judges the key that was returned for a purge of `url`. A right key shows which pattern the node uses: later keys must
    /// have the same.
    pub(super) fn judge(&self, found: &[u8], site: &Site, url: &str) -> Named {
        let bits = self.bits(|pattern| pattern.matches(found, site, url));
        let Seen {
            possible: before,
            whole,
        } = self.at(site, |seen| {
            let before = *seen;
            if bits & before.possible != 0 {
                seen.possible &= bits;
            }
            before
        });
        if bits & before != 0 {
            return Named::Right;
        }
        let shown = String::from_utf8_lossy(found);
        let patterns = self.patterns.iter().enumerate();
        let possible = patterns.filter(|(number, _)| before & (1 << number) != 0);
        let example = possible
            .map(|(_, pattern)| pattern.example(site, url))
            .next()
            .unwrap_or_default();
        let problem = format!("nginx returned the key {shown:?} instead of {example:?}");
        if bits != 0 && self.patterns.len() > 1 {
            return Named::Wrong(format!(
                "{problem}, which its earlier answers had: if its configuration has changed, restart this program; otherwise \
                 give the same configuration to all servers behind this purge URL"
            ));
        }
        let is_cut = self.bits(|pattern| pattern.matches_cut(found, site, url)) & before != 0;
        if is_cut && whole {
            return Named::Cut;
        }
        if self.patterns.len() > 1 && !is_cut && has_host_and_url(found, site, url) {
            return Named::Unknown;
        }
        let has_host = shown.contains(site.host());
        let cure = if has_host && !shown.contains(url) {
            "build it from `$request_uri` by a `map`, for `$1` of a location, and `$uri`, are decoded and have no query"
        } else if has_host {
            "leave `$scheme` out of both keys, or have both alike"
        } else {
            "set `ROAN_SITE` to the host of the pages, and have `$host` in both keys"
        };
        Named::Wrong(format!(
            "{problem}: {cure}; if the pages have such keys, set `ROAN_PURGE_KEY`, or `Nginx::key`, to the text after \
             `proxy_cache_key`"
        ))
    }

    /// Notes that a query with an escape came through to the key.
    pub(super) fn are_whole(&self, site: &Site) {
        self.at(site, |seen| seen.whole = true);
    }

    fn at<T>(&self, site: &Site, look: impl FnOnce(&mut Seen) -> T) -> T {
        let mut sites = self.sites.lock();
        look(sites.entry(site.authority().to_owned()).or_insert(Seen {
            possible: u32::MAX,
            whole: false,
        }))
    }

    fn bits(&self, is_so: impl Fn(&KeyPattern) -> bool) -> u32 {
        let patterns = self.patterns.iter().enumerate();
        patterns.fold(0, |bits, (number, pattern)| {
            bits | u32::from(is_so(pattern)) << number
        })
    }
}

/// Whether a key of an unknown form can be that of the page: it contains the whole host and later the whole URL, without
/// a part of another host or path in between.
fn has_host_and_url(key: &[u8], site: &Site, url: &str) -> bool {
    let Ok(key) = std::str::from_utf8(key) else {
        return false;
    };
    let Some((before, rest)) = key.split_once(site.host()) else {
        return false;
    };
    let Some((between, _)) = rest.split_once(url) else {
        return false;
    };
    // `$scheme` of the purge in place of the visitors'.
    let has_other_scheme = site
        .scheme()
        .is_some_and(|own| before.contains("http") && before.contains("https") != (own == "https"));
    !has_other_scheme
        && !before.ends_with(['.', '-'])
        && !between.contains('/')
        && !between.starts_with(|letter: char| letter.is_alphanumeric() || ".-".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        "https://www.example.org:8443".parse().unwrap()
    }

    fn judged(keys: &Keys, key: &str) -> Named {
        keys.judge(key.as_bytes(), &site(), "/a?b")
    }

    #[test]
    fn all_usual_patterns_can_be_read() {
        assert_eq!(Keys::new(None).patterns.len(), USUAL.len());
    }

    #[test]
    fn the_usual_keys_are_recognised() {
        for key in [
            "/a?b",
            "www.example.org/a?b",
            "www.example.org:8443/a?b",
            "https://www.example.org/a?b",
            "httpswww.example.org/a?b",
            "httpsGETwww.example.org/a?b",
        ] {
            assert_eq!(judged(&Keys::new(None), key), Named::Right, "{key}");
        }
    }

    #[test]
    fn another_site_scheme_or_url_is_wrong() {
        for key in [
            "",
            "/a",
            "example.org/a?b",
            "localhost/a?b",
            "http://www.example.org/a?b",
            "httpGETwww.example.org/a?b",
            "www.example.org/x/a?b",
            "www.example.org.evil.test/a?b",
            "shop.www.example.org/a?b",
            "www.example.org/a",
            "www.example.org",
            "/a?b www.example.org",
        ] {
            let judged = judged(&Keys::new(None), key);
            assert!(matches!(&judged, Named::Wrong(_)), "{key}: {judged:?}");
        }
    }

    #[test]
    fn an_unknown_form_with_host_and_url_is_not_refused() {
        for key in [
            "www.example.org|/a?b",
            "GET|https|www.example.org/a?b|mobile",
            "v1:https://www.example.org/a?b",
        ] {
            assert_eq!(judged(&Keys::new(None), key), Named::Unknown, "{key}");
        }
    }

    #[test]
    fn a_node_keeps_to_the_form_that_it_has_shown_for_a_site() {
        let keys = Keys::new(None);
        assert_eq!(judged(&keys, "www.example.org/a?b"), Named::Right);
        let Named::Wrong(problem) = judged(&keys, "httpswww.example.org/a?b") else {
            panic!("another form was accepted");
        };
        assert!(
            problem.contains(r#"instead of "www.example.org/a?b", which its earlier"#),
            "{problem}"
        );
        assert_eq!(judged(&keys, "www.example.org/a?b"), Named::Right);
        let other = "https://shop.example.org".parse().unwrap();
        let key = b"httpsshop.example.org/a?b";
        assert_eq!(keys.judge(key, &other, "/a?b"), Named::Right);
    }

    #[test]
    fn a_configured_key_is_the_only_one() {
        let keys = Keys::new("$scheme|$host$request_uri".parse().ok());
        assert_eq!(judged(&keys, "https|www.example.org/a?b"), Named::Right);
        for key in [
            "www.example.org/a?b",
            "http|www.example.org/a?b",
            "x|https|www.example.org/a?b",
        ] {
            assert!(matches!(judged(&keys, key), Named::Wrong(_)), "{key}");
        }
    }

    #[test]
    fn parameters_may_be_cut_where_others_are_known_to_come_through() {
        let keys = Keys::new(None);
        let key = "www.example.org/a";
        assert!(matches!(judged(&keys, key), Named::Wrong(_)));
        keys.are_whole(&site());
        assert_eq!(judged(&keys, key), Named::Cut);
    }
}
