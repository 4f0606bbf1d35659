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

/// The client of one nginx.
pub(super) struct NginxNode {
    pub(super) http: Client,
    pub(super) location: PurgeLocation,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) setup: Setup,
    /// Whether a missing site was logged: once for all nodes.
    pub(super) has_said_no_site: Arc<AtomicBool>,
}

impl NginxNode {
    fn request(&self, target: &Target, site: &Site) -> Option<Request> {
        let mut request = Request::new(self.method.clone(), self.location.of(target)?);
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

    /// Sends a request. Without a complete reply, the answer says why.
    async fn send(&self, request: Request) -> Result<Reply, Answer> {
        let mut response = self
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

    async fn purge(&self, target: &Target, site: &Site) -> Answer {
        let Some(request) = self.request(target, site) else {
            return Answer::refused("the HTTP client would send another URL than the page has");
        };
        match self.send(request).await {
            Ok(reply) => {
                let (method, location) = (self.method.as_str(), &self.location);
                let answer = self
                    .setup
                    .answer(&reply, method, location, site, target.as_str());
                match reply.pause {
                    Some(pause) => answer.retry_after(pause),
                    None => answer,
                }
            }
            Err(answer) => answer,
        }
    }

    async fn check(&self, site: Option<&Site>) -> bool {
        let own = self.location.own_site();
        if site.is_none() && !self.has_said_no_site.swap(true, Ordering::Relaxed) {
            warn_loudly(format_args!(
                "no default site is configured, so rules without `site = ...` purge the pages of {}, the host of the \
                 purge URL: set `RoanBuilder::site`, or `ROAN_SITE` (which `roan::global` and `RoanBuilder::from_env` read), to \
                 the address that visitors see, such as `https://www.example.org`",
                own.authority()
            ));
        }
        let site = site.unwrap_or(own);
        let request = Target::url(CHECK_URL)
            .ok()
            .and_then(|target| self.request(&target, site));
        let Some(request) = request else { return true };
        match self.send(request).await {
            Ok(reply) => self
                .setup
                .check(&reply, self.method.as_str(), &self.location, site),
            Err(_) => false,
        }
    }
}

fn scheme_name(scheme: &str) -> &'static str {
    if scheme == "https" { "https" } else { "http" }
}

impl AnyPurger for NginxNode {
    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        let site = request.site().unwrap_or_else(|| self.location.own_site());
        Box::pin(self.purge(request.target(), site))
    }

    fn check<'a>(&'a self, site: Option<&'a Site>) -> Checking<'a> {
        Box::pin(self.check(site))
    }
}
