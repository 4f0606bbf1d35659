//! A request for a page, as far as it decides about the answer.

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, Method, Request};

use super::reason::Reason;
use crate::pages::{Render, host};

/// A request for a page.
pub(super) struct Visit {
    /// Ends the render when it is dropped.
    pub(super) render: Render,
    pub(super) host: Option<String>,
    /// Path and query, byte for byte.
    pub(super) url: String,
    /// Why the answer is for this visitor alone.
    pub(super) private: Option<Reason>,
}

impl Visit {
    /// `None` for a method whose answer is not a page. Call it before the request reaches the app.
    pub(super) fn of<B>(
        request: &Request<B>,
        session_cookies: &[String],
        begin: impl FnOnce() -> Render,
    ) -> Option<Self> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return None;
        }
        let headers = request.headers();
        let url = request.uri().path_and_query();
        Some(Self {
            render: begin(),
            host: host(request.uri(), headers),
            url: url.map_or_else(String::new, |url| url.as_str().to_owned()),
            private: private(headers, session_cookies),
        })
    }

    pub(super) fn path(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

fn private(headers: &HeaderMap, session_cookies: &[String]) -> Option<Reason> {
    if headers.contains_key(AUTHORIZATION) {
        return Some(Reason::Authorization);
    }
    let session = session_cookies
        .iter()
        .find(|name| has_cookie(headers, name));
    session.map(|name| Reason::Session(name.clone()))
}

/// Names of cookies are compared byte for byte (RFC 6265, section 5.3).
fn has_cookie(headers: &HeaderMap, name: &str) -> bool {
    let lines = headers.get_all(COOKIE).into_iter();
    let mut pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.any(|pair| {
        let found = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        found.trim_ascii() == name.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn cookies(lines: &[&'static str]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|line| (COOKIE, HeaderValue::from_static(line)));
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn a_session_is_found_in_each_form_of_the_header() {
        for lines in [
            &["session=1"][..],
            &["a=b; session=1"],
            &["a=b;session=1; c"],
            &["a=b", "session=1"],
            &["session"],
            &["session="],
        ] {
            assert!(has_cookie(&cookies(lines), "session"), "{lines:?}");
        }
        for lines in [&["sessions=1"][..], &["a=session"], &["Session=1"], &[]] {
            assert!(!has_cookie(&cookies(lines), "session"), "{lines:?}");
        }
    }
}
