//! The headers that the installed caches read.

use std::mem;

use http::header::{CACHE_CONTROL, EXPIRES, PRAGMA, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::CachePolicy;
use crate::base::target::Target;
use crate::purger::{Cache, LifetimeHeader, TagHeader};

const X_ACCEL_EXPIRES: HeaderName = HeaderName::from_static("x-accel-expires");
const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// For browsers and unknown caches: the `Cache-Control` of a page that is not shared.
const NOT_SHARED: HeaderValue = HeaderValue::from_static("private, max-age=0, must-revalidate");

/// What the installed caches read.
#[derive(Debug, Default)]
pub(super) struct Headers {
    nginx: bool,
    surrogate_control: bool,
    cdn_cache_control: bool,
    cache_control: bool,
    /// A cache in this program, which reads an extension.
    pub(super) in_program: bool,
    tags: Vec<TagHeader>,
}

impl Headers {
    pub(super) fn of(caches: &[Cache]) -> Self {
        let mut headers = Self::default();
        for cache in caches {
            match cache.lifetime_header {
                None => headers.in_program = true,
                Some(LifetimeHeader::CacheControl) => headers.cache_control = true,
                Some(LifetimeHeader::CdnCacheControl) => headers.cdn_cache_control = true,
                Some(LifetimeHeader::SurrogateControl) => headers.surrogate_control = true,
                Some(LifetimeHeader::XAccelExpires) => headers.nginx = true,
            }
            if let Some(header) = &cache.tag_header
                && !headers.tags.contains(header)
            {
                headers.tags.push(header.clone());
            }
        }
        headers
    }

    /// Whether a cache reads tags.
    pub(super) fn have_tags(&self) -> bool {
        !self.tags.is_empty()
    }

    /// The lines of the tags, or the name of a header for which they are too many.
    pub(super) fn tag_lines(
        &self,
        tags: &[Target],
    ) -> Result<Vec<(HeaderName, HeaderValue)>, HeaderName> {
        let mut all = Vec::new();
        for header in &self.tags {
            let lines = header.lines(tags);
            let lines = lines.ok_or_else(|| header.name().clone())?;
            all.extend(lines.into_iter().map(|line| (header.name().clone(), line)));
        }
        Ok(all)
    }

    /// The lines in the answer to a write that purge these tags.
    pub(super) fn invalidation_lines(&self, tags: &[&Target]) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = self.tags.iter();
        let lines = headers.find_map(|header| header.invalidation(tags));
        lines.unwrap_or_default()
    }

    /// Caches and browsers may do what the policy says.
    ///
    /// nginx would store a 304 for everybody, also for those who have nothing that it could be about.
    pub(super) fn share(&self, headers: &mut HeaderMap, policy: &CachePolicy, status: StatusCode) {
        for name in [CACHE_CONTROL, EXPIRES, PRAGMA, X_ACCEL_EXPIRES] {
            headers.remove(name);
        }
        if self.nginx && status != StatusCode::NOT_MODIFIED {
            let seconds = policy.lifetime().map_or(0, |lifetime| lifetime.as_secs());
            // Before version 1.23, nginx reads the first of this and `Cache-Control`.
            let others = mem::take(headers);
            headers.insert(X_ACCEL_EXPIRES, seconds.into());
            headers.extend(others);
        }
        let mut insert = |name, value: String| {
            if let Ok(value) = value.try_into() {
                headers.insert(name, value);
            }
        };
        if self.surrogate_control {
            insert(SURROGATE_CONTROL, policy.targeted());
        }
        if self.cdn_cache_control {
            insert(CDN_CACHE_CONTROL, policy.targeted());
        }
        insert(CACHE_CONTROL, policy.cache_control(self.cache_control));
    }

    /// No shared cache may store the page. The visitor gets it all the same.
    pub(super) fn hold(&self, headers: &mut HeaderMap) {
        let no_store = HeaderValue::from_static("no-store");
        // A handler may have written one for a cache that is not installed.
        if self.nginx || headers.contains_key(X_ACCEL_EXPIRES) {
            headers.insert(X_ACCEL_EXPIRES, 0.into());
        }
        for (name, is_read) in [
            (SURROGATE_CONTROL, self.surrogate_control),
            (CDN_CACHE_CONTROL, self.cdn_cache_control),
        ] {
            if is_read || headers.contains_key(&name) {
                headers.insert(name, no_store.clone());
            }
        }
        if !forbids_sharing(headers) {
            headers.remove(EXPIRES);
            headers.insert(CACHE_CONTROL, NOT_SHARED);
        }
    }
}

/// Whether `Cache-Control` has `private` (without the names of headers) or `no-store`.
pub(super) fn forbids_sharing(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CACHE_CONTROL).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .any(|directive| {
            directive.eq_ignore_ascii_case("private") || directive.eq_ignore_ascii_case("no-store")
        })
}

/// Whether the handler has written how long the page may be kept.
pub(super) fn says_lifetime(headers: &HeaderMap) -> bool {
    [CACHE_CONTROL, EXPIRES, PRAGMA]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Several lines mean the same as one, but nginx reads the first alone (version 1.22).
pub(super) fn join_vary(headers: &mut HeaderMap) {
    let lines = headers.get_all(VARY).iter();
    let lines: Vec<_> = lines.map(HeaderValue::as_bytes).collect();
    if lines.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b", "[..]))
    {
        headers.insert(VARY, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Nginx;

    fn nginx() -> Headers {
        let nginx = Nginx::at("http://localhost/purge").unwrap();
        Headers::of(&[nginx.into()])
    }

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let lines = headers.iter();
        lines
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn nginx_reads_its_own_header_first_and_browsers_another() {
        let mut headers = map(&[
            ("content-type", "text/html"),
            ("cache-control", "no-cache"),
            ("expires", "0"),
            ("set-x", "1"),
            ("set-x", "2"),
        ]);
        nginx().share(&mut headers, &CachePolicy::until_purged(), StatusCode::OK);
        let mut lines = shown(&headers);
        assert_eq!(lines.remove(0), "x-accel-expires: 31536000");
        lines.sort();
        let expected = [
            "cache-control: max-age=0, must-revalidate",
            "content-type: text/html",
            "set-x: 1",
            "set-x: 2",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn nginx_does_not_store_a_304() {
        let mut headers = map(&[("x-accel-expires", "9")]);
        let policy = CachePolicy::until_purged();
        nginx().share(&mut headers, &policy, StatusCode::NOT_MODIFIED);
        assert_eq!(
            shown(&headers),
            ["cache-control: max-age=0, must-revalidate"]
        );
    }

    #[test]
    fn each_cache_has_its_own_headers() {
        let cache = |name, header| Cache::new(name).lifetime_header(header);
        let caches = [
            cache("a", LifetimeHeader::CdnCacheControl).tag_header(TagHeader::cache_tag()),
            cache("b", LifetimeHeader::SurrogateControl).tag_header(TagHeader::cache_groups()),
            cache("c", LifetimeHeader::CacheControl).tag_header(TagHeader::cache_tag()),
        ];
        let headers = Headers::of(&caches);
        let mut map = HeaderMap::new();
        headers.share(&mut map, &CachePolicy::until_purged(), StatusCode::OK);
        let tags = ["x", "y"].map(|tag| Target::tag(tag).unwrap());
        map.extend(headers.tag_lines(&tags).unwrap());
        let mut lines = shown(&map);
        lines.sort();
        let expected = [
            "cache-control: s-maxage=31536000, max-age=0, must-revalidate",
            "cache-groups: \"x\", \"y\"",
            "cache-tag: x,y",
            "cdn-cache-control: max-age=31536000",
            "surrogate-control: max-age=31536000",
        ];
        assert_eq!(lines, expected);
        headers.hold(&mut map);
        assert_eq!(map["cdn-cache-control"], "no-store");
        assert_eq!(map["surrogate-control"], "no-store");
        assert_eq!(map["cache-control"], NOT_SHARED);
    }

    #[test]
    fn a_page_that_is_held_keeps_what_forbids_sharing_and_loses_what_allows_it() {
        for (before, after) in [
            ("public, max-age=60", "private, max-age=0, must-revalidate"),
            ("s-maxage=60", "private, max-age=0, must-revalidate"),
            (
                "private=\"x\", max-age=60",
                "private, max-age=0, must-revalidate",
            ),
            ("Private, max-age=60", "Private, max-age=60"),
            ("no-store", "no-store"),
        ] {
            let mut headers = map(&[("cache-control", before), ("x-accel-expires", "9")]);
            nginx().hold(&mut headers);
            assert_eq!(headers["cache-control"], after);
            assert_eq!(headers["x-accel-expires"], "0");
        }
    }

    #[test]
    fn lines_of_vary_become_one() {
        let mut headers = map(&[("vary", "Accept-Encoding"), ("vary", "Cookie")]);
        join_vary(&mut headers);
        assert_eq!(shown(&headers), ["vary: Accept-Encoding, Cookie"]);
        let mut headers = map(&[("vary", "Cookie")]);
        join_vary(&mut headers);
        assert_eq!(shown(&headers), ["vary: Cookie"]);
    }
}
