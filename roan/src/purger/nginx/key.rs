//! The key that a purge location says it has purged.

use crate::base::site::Site;
use crate::purger::Answer;

/// The response header in which a purge location names the key that it was asked to purge.
pub(super) const HEADER: &str = "x-roan-purge";

/// The answer to a purge of `url` whose purge location named the key `found`.
pub(super) fn verified(done: Answer, found: &[u8], site: &Site, url: &str) -> Answer {
    if names(found, site, url) {
        return done.verified();
    }
    Answer::refused(format!(
        "the purge location named the key {:?}, where {:?} was expected: is the site right, and are both keys built alike?",
        String::from_utf8_lossy(found),
        expected(site, url)
    ))
}

/// The key that most configurations give the page.
fn expected(site: &Site, url: &str) -> String {
    format!("{}{url}", site.host())
}

/// Whether `key` is the key of that page in one of the forms in use: the bytes of the URL, after
/// `$host` or `$http_host` and perhaps the scheme, with or without `://`, or after nothing where
/// one nginx serves one site.
fn names(key: &[u8], site: &Site, url: &str) -> bool {
    let Some(prefix) = key.strip_suffix(url.as_bytes()) else {
        return false;
    };
    let without_scheme = |scheme: &str| {
        let rest = prefix.strip_prefix(scheme.as_bytes())?;
        Some(rest.strip_prefix(b"://").unwrap_or(rest))
    };
    let is_host =
        |text: &[u8]| text == site.host().as_bytes() || text == site.authority().as_bytes();
    let schemes = ["http", "https"].into_iter();
    prefix.is_empty()
        || is_host(prefix)
        || schemes
            .filter(|scheme| site.scheme().is_none_or(|own| own == *scheme))
            .any(|scheme| without_scheme(scheme).is_some_and(is_host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_keys_are_recognised() {
        let site: Site = "https://www.example.org:8443".parse().unwrap();
        for key in [
            "/a?b",
            "www.example.org/a?b",
            "www.example.org:8443/a?b",
            "https://www.example.org/a?b",
            "httpswww.example.org/a?b",
        ] {
            assert!(names(key.as_bytes(), &site, "/a?b"), "{key}");
        }
    }

    #[test]
    fn another_site_scheme_or_url_is_not() {
        let site: Site = "https://www.example.org".parse().unwrap();
        for key in [
            "",
            "/a",
            "example.org/a?b",
            "localhost/a?b",
            "http://www.example.org/a?b",
            "www.example.org/x/a?b",
            "www.example.org/a?b ",
            "www.example.org",
        ] {
            assert!(!names(key.as_bytes(), &site, "/a?b"), "{key}");
        }
    }
}
