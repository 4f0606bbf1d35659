//! Variants: a stored response, and the requests that it answers (`Vary`).

use std::time::Instant;

use bytes::Bytes;
use http::header::{
    AGE, CONNECTION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::condition::is_not_modified;
use super::freshness::{Lifetime, age};

/// Headers about one connection (RFC 9110, section 7.6.1), or about one answer: they are not stored.
const OF_ONE_ANSWER: [&str; 9] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A stored response.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) fresh_until: Instant,
    /// Whether it may answer a request with `Authorization`.
    pub(super) authorized: bool,
    selection: Selection,
    stored: Instant,
    /// The `Age` of the app's answer, in seconds.
    age: u64,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Variant {
    pub(super) fn new(
        head: &Response<()>,
        selection: Selection,
        lifetime: Lifetime,
        body: Bytes,
    ) -> Self {
        let mut headers = head.headers().clone();
        let named = head.headers().get_all(CONNECTION).into_iter();
        let named = named.filter_map(|line| line.to_str().ok());
        let named = named.flat_map(|line| line.split(',')).map(str::trim);
        for name in OF_ONE_ANSWER.into_iter().chain(named) {
            headers.remove(name);
        }
        Self {
            fresh_until: lifetime.fresh_until,
            authorized: lifetime.authorized,
            selection,
            stored: Instant::now(),
            age: age(&headers).unwrap_or_default(),
            status: head.status(),
            headers,
            body,
        }
    }

    /// Whether this answers a request with these headers.
    pub(super) fn matches(&self, request: &HeaderMap) -> bool {
        self.selection.matches(request)
    }

    /// The headers of a request that `Vary` names.
    pub(super) fn varying(&self, request: &HeaderMap) -> Vec<HeaderValue> {
        let names = self.selection.0.iter().map(|(name, _)| name);
        names
            .flat_map(|name| request.get_all(name))
            .cloned()
            .collect()
    }

    /// The response to a request with this method and these headers.
    pub(super) fn answer(&self, method: &Method, request: &HeaderMap) -> Response<Bytes> {
        if self.status == StatusCode::OK && is_not_modified(request, &self.headers) {
            self.not_modified()
        } else if *method == Method::HEAD {
            self.response_to_head()
        } else {
            self.response()
        }
    }

    /// Without what describes the body (RFC 9110, section 15.4.5).
    fn not_modified(&self) -> Response<Bytes> {
        let mut response = self.response();
        response.body_mut().clear();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        for name in [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE] {
            response.headers_mut().remove(name);
        }
        response
    }

    fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        // To clients this cache is part of the app: it passes on the age that the app has stated, and has none itself.
        if let Some(line) = response.headers_mut().get_mut(AGE) {
            *line = self
                .age
                .saturating_add(self.stored.elapsed().as_secs())
                .into();
        }
        response
    }

    /// The response to `HEAD`: the same without the body, but with its length.
    fn response_to_head(&self) -> Response<Bytes> {
        let mut response = self.response();
        let body = std::mem::take(response.body_mut());
        if self.status != StatusCode::NO_CONTENT {
            let length = HeaderValue::from(body.len());
            response.headers_mut().insert(CONTENT_LENGTH, length);
        }
        response
    }

    /// Its approximate size in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        const STRUCTS: usize = 512;
        let headers = self.headers.iter();
        let values: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        STRUCTS + values + self.body.len()
    }
}

/// The request headers that `Vary` names, with the values that the request had.
#[derive(Debug)]
pub(super) struct Selection(Vec<(HeaderName, Vec<HeaderValue>)>);

impl Selection {
    /// `None` if later requests cannot be compared: `Vary: *`, or names that are not valid.
    pub(super) fn new(response: &HeaderMap, request: &HeaderMap) -> Option<Self> {
        let mut selection = Vec::new();
        for line in response.get_all(VARY) {
            let names = line.to_str().ok()?.split(',').map(str::trim);
            for name in names.filter(|name| !name.is_empty()) {
                // A header name may contain a `*`.
                if name == "*" {
                    return None;
                }
                let name = HeaderName::try_from(name).ok()?;
                let values = request.get_all(&name).iter().cloned().collect();
                selection.push((name, values));
            }
        }
        Some(Self(selection))
    }

    fn matches(&self, request: &HeaderMap) -> bool {
        let mut headers = self.0.iter();
        headers.all(|(name, values)| request.get_all(name).iter().eq(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn every_line_of_vary_and_of_the_request_counts() {
        let response = headers(&[("vary", "Accept-Language, , X-A"), ("vary", "x-b")]);
        let request = headers(&[("accept-language", "de"), ("x-b", "1"), ("x-b", "2")]);
        let selection = Selection::new(&response, &request).unwrap();
        assert!(selection.matches(&request));
        assert!(!selection.matches(&headers(&[("accept-language", "de"), ("x-b", "1")])));
        let mut more = request.clone();
        more.insert("x-a", HeaderValue::from_static(""));
        assert!(!selection.matches(&more));
        more.remove("x-a");
        more.insert("user-agent", HeaderValue::from_static("x"));
        assert!(selection.matches(&more));
    }

    #[test]
    fn a_star_matches_nothing() {
        let request = HeaderMap::new();
        assert!(Selection::new(&headers(&[("vary", "x, *")]), &request).is_none());
        assert!(Selection::new(&headers(&[("vary", "a b")]), &request).is_none());
        assert!(Selection::new(&headers(&[]), &request).is_some());
    }
}
