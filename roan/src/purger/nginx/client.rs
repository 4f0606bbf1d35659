//! One purge at one node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use reqwest::{Client, Request};

use super::key;
use super::location::PurgeLocation;
use super::setup::{CHECK_URL, Reply, Setup};
use crate::base::log::warn_loudly;
use crate::base::site::Site;
use crate::base::target::Target;
use crate::purger::http::{failure, read_to_end, retry_after};
use crate::purger::{Answer, Answering, AnyPurger, Checking, PurgeRequest};

/// An nginx as the HTTP client sees it.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) http: Client,
    pub(super) location: PurgeLocation,
    pub(super) headers: HeaderMap,
    /// Whether a missing site was logged: once for all nodes.
    pub(super) has_said_no_site: Arc<AtomicBool>,
}

impl Endpoint {
    /// A request of the page's URL below the purge URL. `None` if the HTTP client would not send that URL byte for byte.
    pub(super) fn request(&self, method: Method, target: &Target, site: &Site) -> Option<Request> {
        let mut request = Request::new(method, self.location.of(target)?);
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        if let Some(authorization) = self.location.authorization() {
            headers.insert(http::header::AUTHORIZATION, authorization.clone());
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
    pub(super) fn visit(&self, target: &Target, site: &Site) -> Option<Request> {
        let url = self.location.of_page(target)?;
        let mut request = Request::new(Method::GET, url);
        request.headers_mut().insert(HOST, site.header().clone());
        Some(request)
    }

    /// The site of a purge without one.
    pub(super) fn site_or_own<'a>(&'a self, site: Option<&'a Site>) -> &'a Site {
        site.unwrap_or_else(|| self.location.own_site())
    }

    /// The same, with a warning for the first purge without a site.
    pub(super) fn site_or_warn<'a>(&'a self, site: Option<&'a Site>) -> &'a Site {
        let own = self.location.own_site();
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
pub(super) fn unsendable() -> Answer {
    Answer::refused("the HTTP client would send another URL than the page has")
}

/// The client of one nginx with a purge location.
pub(super) struct NginxNode {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    pub(super) setup: Setup,
}

impl NginxNode {
    fn request(&self, target: &Target, site: &Site) -> Option<Request> {
        self.endpoint.request(self.method.clone(), target, site)
    }

    /// Sends a request. Without a complete reply, the answer says why.
    async fn send(&self, request: Request) -> Result<Reply, Answer> {
        let mut response = self
            .endpoint
            .http
            .execute(request)
            .await
            .map_err(|error| Answer::failed(failure(error)))?;
        let status = response.status();
        let key = response.headers_mut().remove(key::HEADER);
        let from = response.remote_addr();
        let pause = retry_after(response.headers(), SystemTime::now());
        // The connection is only used again once the body was read; an answer that breaks off does not count.
        read_to_end(&mut response)
            .await
            .map_err(|error| Answer::failed(failure(error)).status(status.as_u16()))?;
        Ok(Reply {
            status,
            key: key.map(|key| key.as_bytes().to_vec()),
            from,
            pause,
        })
    }

    async fn purge(&self, purge: PurgeRequest<'_>, site: &Site) -> Answer {
        let Some(request) = self.request(purge.target(), site) else {
            return unsendable();
        };
        match self.send(request).await {
            Ok(reply) => {
                let (method, location) = (self.method.as_str(), &self.endpoint.location);
                let answer = self.setup.answer(&reply, method, location, site, &purge);
                match reply.pause {
                    Some(pause) => answer.retry_after(pause),
                    None => answer,
                }
            }
            Err(answer) => answer,
        }
    }

    async fn check(&self, site: Option<&Site>) -> bool {
        let site = self.endpoint.site_or_warn(site);
        let request = Target::url(CHECK_URL)
            .ok()
            .and_then(|target| self.request(&target, site));
        let Some(request) = request else { return true };
        match self.send(request).await {
            Ok(reply) => {
                self.setup
                    .check(&reply, self.method.as_str(), &self.endpoint.location, site)
            }
            Err(_) => false,
        }
    }
}

fn scheme_name(scheme: &str) -> &'static str {
    if scheme == "https" { "https" } else { "http" }
}

#[cfg(feature = "doctor")]
impl Endpoint {
    /// How to reach this nginx. `purge` is the method of a purge, if there is a purge location.
    pub(super) fn access(&self, purge: Option<&Method>) -> crate::purger::access::Access {
        let mut headers = self.headers.clone();
        if let Some(authorization) = self.location.authorization() {
            headers.insert(http::header::AUTHORIZATION, authorization.clone());
        }
        crate::purger::access::Access {
            http: self.http.clone(),
            origin: self.location.origin().to_owned(),
            path: self.location.path().to_owned(),
            purge: purge.cloned(),
            headers,
        }
    }
}

impl AnyPurger for NginxNode {
    #[cfg(feature = "doctor")]
    fn access(&self) -> Option<crate::purger::access::Access> {
        Some(self.endpoint.access(Some(&self.method)))
    }

    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        let site = self.endpoint.site_or_own(request.site());
        Box::pin(self.purge(request, site))
    }

    fn check<'a>(&'a self, site: Option<&'a Site>) -> Checking<'a> {
        Box::pin(self.check(site))
    }
}
