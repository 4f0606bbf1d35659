//! The page that a request asks for, if the cache can serve it.

use http::{Method, Request};

use super::label::Label;
use crate::pages::host;

/// The page that a GET or HEAD asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lookup<'a> {
    /// As nginx's `$host`: lower case, without a port.
    pub(super) host: String,
    /// Path and query, byte for byte.
    pub(super) url: &'a str,
    pub(super) key: Label,
}

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    Page(Lookup<'a>),
    /// A GET or HEAD that cannot be looked up.
    Unclear,
    /// Another method.
    Other,
}

impl<'a> Asked<'a> {
    pub(super) fn by<B: http_body::Body>(request: &'a Request<B>) -> Self {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Self::Other;
        }
        // The answer may depend on the body, but the key does not.
        if !request.body().is_end_stream() {
            return Self::Unclear;
        }
        let host = host(request.uri(), request.headers());
        let url = request.uri().path_and_query().map(|url| url.as_str());
        match (host, url) {
            (Some(host), Some(url)) if url.starts_with('/') => {
                let key = Label::url(&host, url);
                Self::Page(Lookup { host, url, key })
            }
            _ => Self::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HOST;
    use http_body_util::{Empty, Full};

    fn key(uri: &str, hosts: &[&str]) -> Option<Label> {
        let mut request = Request::get(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let request = request.body(Empty::<&[u8]>::new()).unwrap();
        match Asked::by(&request) {
            Asked::Page(lookup) => Some(lookup.key),
            Asked::Unclear | Asked::Other => None,
        }
    }

    #[test]
    fn the_key_is_that_of_nginx() {
        for (uri, hosts, host, url) in [
            ("/a", &["H.example"][..], "h.example", "/a"),
            ("/a?", &["h:8080"], "h", "/a?"),
            ("/%61//b?x=%C3%a9&y", &["h."], "h", "/%61//b?x=%C3%a9&y"),
            ("/a", &["[::1]:80"], "[::1]", "/a"),
            ("http://U.example:1/a", &["other"], "u.example", "/a"),
            ("http://u", &[], "u", "/"),
        ] {
            assert_eq!(
                key(uri, hosts),
                Some(Label::url(host, url)),
                "{uri} {hosts:?}"
            );
        }
    }

    #[test]
    fn without_one_host_there_is_no_key() {
        for hosts in [
            &[][..],
            &["a", "b"],
            &["a", "a"],
            &[""],
            &["."],
            &["a b"],
            &["a/b"],
        ] {
            assert_eq!(key("/a", hosts), None, "{hosts:?}");
        }
    }

    #[test]
    fn only_a_get_or_head_without_a_body_asks_for_a_page() {
        let request = |method: &str, body: &'static str| {
            let request = Request::builder().method(method).uri("http://h/");
            request.body(Full::new(body.as_bytes())).unwrap()
        };
        assert!(matches!(Asked::by(&request("GET", "")), Asked::Page(_)));
        assert!(matches!(Asked::by(&request("HEAD", "")), Asked::Page(_)));
        assert_eq!(Asked::by(&request("GET", "x")), Asked::Unclear);
        assert_eq!(Asked::by(&request("POST", "")), Asked::Other);
    }
}
