//! One node, as the HTTP client sees it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Client, Request, Url};

use super::{NodeUrl, execute, failure, read_to_end, retry_after};
use crate::base::log::warn_loudly;
use crate::base::site::Site;
use crate::base::target::Target;
use crate::purger::Answer;

/// The URL of the purge at the start. Sites do not have such a page. It is always the same, because nginx keeps each purged
/// key until `inactive`. It contains an escape and a query, which a wrong configuration loses.
pub(crate) const CHECK_URL: &str = "/.well-known/roan%2Dcheck?roan=check";

/// A node, with what is sent to it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) http: Client,
    pub(crate) url: NodeUrl,
    pub(crate) headers: HeaderMap,
    /// Whether a missing site was logged: once for all nodes.
    pub(crate) has_said_no_site: Arc<AtomicBool>,
}

/// The answer of a node, without its body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The server that answered.
    pub(crate) from: Option<SocketAddr>,
    /// How long it asks to be left in peace.
    pub(crate) pause: Option<Duration>,
}

impl Endpoint {
    /// How to reach this node. `purge` is the method of a purge, if there is a purge location.
    #[cfg(feature = "doctor")]
    pub(crate) fn access(&self, purge: Option<&Method>) -> crate::purger::access::Access {
        let mut headers = self.headers.clone();
        if let Some(authorization) = self.url.authorization() {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        crate::purger::access::Access {
            http: self.http.clone(),
            origin: self.url.origin().to_owned(),
            path: self.url.path().to_owned(),
            purge: purge.cloned(),
            software: crate::purger::access::Software::Other,
            headers,
        }
    }

    /// A request of the page's URL below the URL of the node. `None` if the HTTP client would not send that URL byte for
    /// byte.
    pub(crate) fn request(&self, method: Method, target: &Target, site: &Site) -> Option<Request> {
        self.request_to(method, target.as_str(), site)
    }

    /// A request of a path, with a query or without, below the URL of the node. `None` as above.
    pub(crate) fn request_to(&self, method: Method, path: &str, site: &Site) -> Option<Request> {
        let mut request = Request::new(method, self.url.below(path)?);
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        if let Some(authorization) = self.url.authorization() {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        headers.insert(HOST, site.header().clone());
        if let Some(scheme) = site.scheme() {
            // For keys with a scheme: a `map` over this header returns the scheme of the page.
            headers.insert(
                "x-forwarded-proto",
                HeaderValue::from_static(scheme_name(scheme)),
            );
        }
        Some(request)
    }

    /// A request of the page itself, without what is for the purge location. `None` as above.
    pub(crate) fn visit(&self, target: &Target, site: &Site) -> Option<Request> {
        let url: Url = self.url.of_page(target)?;
        let mut request = Request::new(Method::GET, url);
        request.headers_mut().insert(HOST, site.header().clone());
        Some(request)
    }

    /// Sends a request. Without a complete reply, the answer says why.
    pub(crate) async fn send(&self, request: Request) -> Result<Reply, Answer> {
        let response = execute(&self.http, request).await;
        let mut response = response.map_err(|error| Answer::failed(failure(error)))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let from = response.remote_addr();
        // The connection is only used again once the body was read; an answer that breaks off does not count.
        read_to_end(&mut response)
            .await
            .map_err(|error| Answer::failed(failure(error)).status(status.as_u16()))?;
        Ok(Reply {
            status,
            pause: retry_after(&headers, SystemTime::now()),
            headers,
            from,
        })
    }

    /// The site of a purge without one.
    pub(crate) fn site_or_own<'a>(&'a self, site: Option<&'a Site>) -> &'a Site {
        site.unwrap_or_else(|| self.url.own_site())
    }

    /// The same, with a warning for the first purge without a site.
    pub(crate) fn site_or_warn<'a>(&'a self, site: Option<&'a Site>) -> &'a Site {
        let own = self.url.own_site();
        if site.is_none() && !self.has_said_no_site.swap(true, Ordering::Relaxed) {
            warn_loudly(format_args!(
                "no default site is configured, so rules without `site = ...` purge the pages of {}, the host of the \
                 purge URL: set `RoanBuilder::site`, or `ROAN_SITE` (which `roan::global` and `RoanBuilder::from_env` read), to \
                 the address that visitors see, such as `https://www.example.org`",
                own.authority()
            ));
        }
        site.unwrap_or(own)
    }
}

/// What a target that the HTTP client would change is answered.
pub(crate) fn unsendable() -> Answer {
    Answer::refused("the HTTP client would send another URL than the page has")
}

fn scheme_name(scheme: &str) -> &'static str {
    if scheme == "https" { "https" } else { "http" }
}
