//! One purge at one node.

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use reqwest::{Client, Request, Response};

use super::key;
use super::location::PurgeLocation;
use super::status::classify;
use crate::base::site::Site;
use crate::base::target::Target;
use crate::purger::{Answer, Answering, AnyPurger, PurgeRequest};

/// The client of one nginx.
pub(super) struct NginxNode {
    http: Client,
    location: PurgeLocation,
    method: Method,
    headers: HeaderMap,
}

impl NginxNode {
    pub(super) fn new(
        http: Client,
        location: PurgeLocation,
        method: &Method,
        headers: &HeaderMap,
    ) -> Self {
        let mut headers = headers.clone();
        if let Some(authorization) = location.authorization() {
            headers.insert(http::header::AUTHORIZATION, authorization.clone());
        }
        Self {
            http,
            location,
            method: method.clone(),
            headers,
        }
    }

    async fn request(&self, target: &Target, site: &Site) -> Answer {
        let Some(url) = self.location.of(target) else {
            return Answer::refused("the HTTP client would send another URL than the page has");
        };
        let mut request = Request::new(self.method.clone(), url);
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        headers.insert(HOST, site.header().clone());
        if let Some(scheme) = site.scheme() {
            // For keys with a scheme: a map over this header gives the page's own.
            headers.insert(
                "x-forwarded-proto",
                HeaderValue::from_static(scheme_name(scheme)),
            );
        }
        match self.http.execute(request).await {
            Ok(response) => self.answer(response, target, site).await,
            Err(error) => Answer::failed(crate::purger::http::failure(error)),
        }
    }

    async fn answer(&self, mut response: Response, target: &Target, site: &Site) -> Answer {
        let status = response.status();
        let named_key = response.headers_mut().remove(key::HEADER);
        // The connection is only used again once the body was read; an answer that breaks off is
        // no answer.
        if let Err(error) = crate::purger::http::read_to_end(&mut response).await {
            return Answer::failed(crate::purger::http::failure(error)).status(status.as_u16());
        }
        let answer = Answer::new(classify(status, self.method.as_str()));
        let answer = match named_key {
            Some(found) if answer.outcome.is_done() => {
                key::verified(answer, found.as_bytes(), site, target.as_str())
            }
            _ => answer,
        };
        answer.status(status.as_u16())
    }
}

fn scheme_name(scheme: &str) -> &'static str {
    if scheme == "https" { "https" } else { "http" }
}

impl AnyPurger for NginxNode {
    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        let site = request.site().unwrap_or_else(|| self.location.own_site());
        Box::pin(self.request(request.target(), site))
    }
}
