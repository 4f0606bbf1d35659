//! Conditional requests: whether the client has the stored page already (RFC 9110, section 13.2.2).

use http::HeaderMap;
use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

/// Whether a GET or HEAD with these headers is answered with 304 in place of the stored page.
pub(super) fn is_not_modified(request: &HeaderMap, stored: &HeaderMap) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        return match stored.get(ETAG) {
            Some(etag) => names(request, etag.as_bytes()),
            None => false,
        };
    }
    let date = |headers: &HeaderMap, name| {
        let line = headers.get(name)?.to_str().ok()?;
        httpdate::parse_http_date(line).ok()
    };
    match (
        date(request, IF_MODIFIED_SINCE),
        date(stored, LAST_MODIFIED),
    ) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// Whether `If-None-Match` names this entity tag, by the weak comparison.
fn names(request: &HeaderMap, etag: &[u8]) -> bool {
    let opaque = |etag: &[u8]| etag.strip_prefix(b"W/").unwrap_or(etag).to_vec();
    let etag = opaque(etag);
    request.get_all(IF_NONE_MATCH).iter().any(|line| {
        let line = line.as_bytes();
        line == b"*" || tags(line).iter().any(|tag| opaque(tag) == etag)
    })
}

/// The members of a list of entity tags, which may contain commas.
fn tags(line: &[u8]) -> Vec<&[u8]> {
    let mut quoted = false;
    let members = line.split(|byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    });
    members.map(<[u8]>::trim_ascii).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn is_known(
        request: &[(&'static str, &'static str)],
        stored: &[(&'static str, &'static str)],
    ) -> bool {
        let map = |lines: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in lines {
                map.append(*name, HeaderValue::from_static(value));
            }
            map
        };
        is_not_modified(&map(request), &map(stored))
    }

    #[test]
    fn an_entity_tag_is_compared_weakly() {
        for (asked, stored, expected) in [
            ("\"a\"", "\"a\"", true),
            ("W/\"a\"", "\"a\"", true),
            ("\"a\"", "W/\"a\"", true),
            ("\"x\", \"a\"", "\"a\"", true),
            ("\"x,\", W/\"a,b\"", "\"a,b\"", true),
            ("*", "\"a\"", true),
            ("\"b\"", "\"a\"", false),
            ("\"a,b\"", "\"a\"", false),
            ("a", "\"a\"", false),
            ("", "\"a\"", false),
        ] {
            let found = is_known(&[("if-none-match", asked)], &[("etag", stored)]);
            assert_eq!(found, expected, "{asked} {stored}");
        }
        assert!(!is_known(&[("if-none-match", "*")], &[]));
    }

    #[test]
    fn a_date_counts_without_an_entity_tag() {
        let [early, late] = [
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "Wed, 21 Oct 2015 07:28:01 GMT",
        ];
        for (since, modified, expected) in [
            (early, early, true),
            (late, early, true),
            ("Wednesday, 21-Oct-15 07:28:00 GMT", early, true),
            (early, late, false),
            ("yesterday", early, false),
        ] {
            let found = is_known(
                &[("if-modified-since", since)],
                &[("last-modified", modified)],
            );
            assert_eq!(found, expected, "{since} {modified}");
        }
        let both = [("if-modified-since", late), ("if-none-match", "\"b\"")];
        assert!(!is_known(
            &both,
            &[("last-modified", early), ("etag", "\"a\"")]
        ));
        assert!(!is_known(&[("if-modified-since", late)], &[]));
    }
}
