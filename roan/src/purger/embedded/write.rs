//! Requests that change something, and what their answers purge by themselves (RFC 9111, section 4.4; RFC 9875,
//! section 3).

use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, Request, Response};
use reqwest::Url;

use super::label::Label;
use super::tags::strings;
use crate::base::log::loudly;
use crate::pages::{Fired, authority, host};
use crate::purger::tag_header::CACHE_GROUP_INVALIDATION;

/// A request with a method that is not safe.
pub(super) struct Write {
    host: String,
    port: Option<u16>,
    /// The host with its port.
    authority: String,
    /// Path and query, byte for byte.
    url: String,
}

impl Write {
    /// `None` if the method is safe, or the request does not name a page.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        if request.method().is_safe() {
            return None;
        }
        let (uri, headers) = (request.uri(), request.headers());
        let authority = authority(uri, headers)?;
        let url = uri.path_and_query()?.as_str();
        url.starts_with('/').then_some(())?;
        Some(Self {
            host: host(uri, headers)?,
            port: authority.port_u16(),
            authority: authority.as_str().to_owned(),
            url: url.to_owned(),
        })
    }

    /// What the answer makes stale: the page of the request, the pages that it names, and its tags. Nothing if it is an
    /// error.
    pub(super) fn changes<B>(&self, response: &Response<B>) -> Vec<Label> {
        let status = response.status();
        if !status.is_success() && !status.is_redirection() {
            return Vec::new();
        }
        let headers = response.headers();
        let mut labels = vec![Label::url(&self.host, &self.url)];
        for line in [LOCATION, CONTENT_LOCATION]
            .iter()
            .flat_map(|name| headers.get_all(name))
        {
            let urls = line.to_str().ok().into_iter();
            let urls = urls.flat_map(|reference| self.same_origin(reference));
            labels.extend(urls.map(|url| Label::url(&self.host, &url)));
        }
        labels.extend(self.groups(headers));
        if let Some(fired) = response.extensions().get::<Fired>() {
            labels.extend(fired.0.iter().map(|(host, target)| Label::of(target, host)));
        }
        labels
    }

    fn groups(&self, headers: &HeaderMap) -> impl Iterator<Item = Label> {
        static TOLD: AtomicBool = AtomicBool::new(false);
        let groups = strings(headers, &CACHE_GROUP_INVALIDATION);
        if groups.is_none() && !TOLD.swap(true, Ordering::Relaxed) {
            loudly(format_args!(
                "the embedded cache cannot read the `Cache-Group-Invalidation` of the answer to a request for {}: it \
                 must be a list of strings, such as `\"posts\", \"post-1\"` (RFC 9875)",
                self.url
            ));
        }
        let groups = groups.unwrap_or_default().into_iter();
        groups.map(|group| Label::tag(&self.host, &group))
    }

    /// Path and query of a reference to the same origin: as a browser sends them, and as they are written. The scheme of
    /// the request is not known.
    fn same_origin(&self, reference: &str) -> Vec<String> {
        let base = Url::parse(&format!("http://{}{}", self.authority, self.url));
        let Ok(url) = base.and_then(|base| base.join(reference)) else {
            return Vec::new();
        };
        let same_port = match self.port {
            Some(port) => url.port_or_known_default() == Some(port),
            None => url.port().is_none(),
        };
        let same_host = url
            .host_str()
            .is_some_and(|host| host.strip_suffix('.').unwrap_or(host) == self.host);
        if !same_host || !same_port || !matches!(url.scheme(), "http" | "https") {
            return Vec::new();
        }
        let mut urls = vec![match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        }];
        if reference.starts_with('/') && !reference.starts_with("//") {
            let written = reference.split('#').next().unwrap_or_default();
            urls.push(written.to_owned());
        }
        urls
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same_origin(host: &str, reference: &str) -> Option<String> {
        let request = Request::put("/a/b?x")
            .header("host", host)
            .body(())
            .unwrap();
        let mut urls = Write::of(&request).unwrap().same_origin(reference);
        urls.dedup();
        (!urls.is_empty()).then(|| urls.join(" "))
    }

    #[test]
    fn a_reference_is_resolved_and_stays_at_its_origin() {
        for (host, reference, expected) in [
            ("h", "/c?d#e", Some("/c?d")),
            ("h", "c", Some("/a/c")),
            ("h", "../c", Some("/c")),
            ("h", "?y", Some("/a/b?y")),
            ("h", "", Some("/a/b?x")),
            ("h", "/a/../c", Some("/c /a/../c")),
            ("h", "http://H/c", Some("/c")),
            ("h", "https://h/c", Some("/c")),
            ("h", "https://h:443", Some("/")),
            ("h", "//h/c", Some("/c")),
            ("h:8080", "http://h:8080/c", Some("/c")),
            ("h:8080", "/c", Some("/c")),
            ("h:443", "https://h/c", Some("/c")),
            ("[::1]:80", "http://[::1]/c", Some("/c")),
            ("h:8080", "http://h/c", None),
            ("h", "http://h:8080/c", None),
            ("h", "http://other/c", None),
            ("h", "//other/c", None),
            ("h", "ftp://h/c", None),
            ("h", "mailto:a@h", None),
        ] {
            let found = same_origin(host, reference);
            assert_eq!(found.as_deref(), expected, "{host} {reference}");
        }
    }

    proptest! {
        #[test]
        fn no_reference_is_too_strange(reference in "[ -~]{0,40}") {
            let request = Request::put("http://h/a/b?x").body(()).unwrap();
            for url in Write::of(&request).unwrap().same_origin(&reference) {
                prop_assert!(url.starts_with("/"), "{}", url);
            }
        }
    }

    #[test]
    fn only_methods_that_are_not_safe_write() {
        for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
            let request = Request::builder().method(method).uri("http://h/a");
            assert!(Write::of(&request.body(()).unwrap()).is_none(), "{method}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "OTHER"] {
            let request = Request::builder().method(method).uri("http://h/a");
            assert!(Write::of(&request.body(()).unwrap()).is_some(), "{method}");
        }
    }
}
