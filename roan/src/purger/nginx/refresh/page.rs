//! What makes two answers the same page.

use std::hash::{DefaultHasher, Hash, Hasher};

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, LAST_MODIFIED, LINK, LOCATION, REFRESH, SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderName, StatusCode};

/// The headers that belong to a page, and that nginx stores with it. Not those that differ each time that it is served, such
/// as `Date` and `Expires`.
const HEADERS: [HeaderName; 12] = [
    CACHE_CONTROL,
    CONTENT_DISPOSITION,
    CONTENT_LANGUAGE,
    CONTENT_SECURITY_POLICY,
    CONTENT_TYPE,
    ETAG,
    LAST_MODIFIED,
    LINK,
    LOCATION,
    REFRESH,
    SET_COOKIE,
    VARY,
];

/// The digest of a page: its status, headers and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page(u64);

/// A page that is being read.
pub(super) struct Reading(DefaultHasher);

impl Reading {
    pub(super) fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let mut digest = DefaultHasher::new();
        status.hash(&mut digest);
        for name in &HEADERS {
            for value in headers.get_all(name) {
                (name.as_str(), value.as_bytes()).hash(&mut digest);
            }
        }
        Self(digest)
    }

    /// The chunks of a body may be cut anywhere.
    pub(super) fn chunk(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    pub(super) fn end(self) -> Page {
        Page(self.0.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(status: u16, headers: &[(&'static str, &'static str)], chunks: &[&str]) -> Page {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let mut reading = Reading::new(StatusCode::from_u16(status).unwrap(), &map);
        for chunk in chunks {
            reading.chunk(chunk.as_bytes());
        }
        reading.end()
    }

    #[test]
    fn a_page_is_its_status_headers_and_body_however_it_is_sent() {
        let one = page(200, &[("etag", "a"), ("date", "1")], &["abc", "def"]);
        assert_eq!(
            one,
            page(200, &[("date", "2"), ("etag", "a")], &["a", "bcdef", ""])
        );
        for other in [
            page(404, &[("etag", "a")], &["abcdef"]),
            page(200, &[("etag", "b")], &["abcdef"]),
            page(200, &[("vary", "a")], &["abcdef"]),
            page(200, &[], &["abcdef"]),
            page(200, &[("etag", "a")], &["abcde"]),
            page(200, &[("etag", "a"), ("set-cookie", "a")], &["abcdef"]),
        ] {
            assert_ne!(one, other);
        }
    }
}
