//! One purge at one node.

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use reqwest::{Client, Request, Response};

use super::key;
use super::location::PurgeLocation;
use super::status::classify;
use crate::base::outcome::{Outcome, Refusal};
use crate::base::site::Site;
use crate::base::target::Target;
use crate::purger::{Answer, Answering, Purger};

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
            let outcome = Outcome::Refused(Refusal::Unsendable);
            return Answer {
                outcome,
                status: None,
                verified: false,
            };
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
            Err(error) => failed(None, error),
        }
    }

    async fn answer(&self, mut response: Response, target: &Target, site: &Site) -> Answer {
        let status = response.status();
        let named_key = response.headers_mut().remove(key::HEADER);
        // The connection is only used again once the body was read; an answer that breaks off is
        // no answer.
        if let Err(error) = crate::purger::http::read_to_end(&mut response).await {
            return failed(Some(status.as_u16()), error);
        }
        let mut outcome = classify(status, self.method.as_str());
        let mut verified = false;
        if let Some(found) = named_key
            && outcome.is_done()
        {
            verified = key::names(found.as_bytes(), site, target.as_str());
            if !verified {
                outcome = Outcome::Refused(Refusal::WrongKey {
                    expected: key::expected(site, target.as_str()),
                    found: String::from_utf8_lossy(found.as_bytes()).into_owned(),
                });
            }
        }
        Answer {
            outcome,
            status: Some(status.as_u16()),
            verified,
        }
    }
}

fn scheme_name(scheme: &str) -> &'static str {
    if scheme == "https" { "https" } else { "http" }
}

fn failed(status: Option<u16>, error: reqwest::Error) -> Answer {
    let outcome = Outcome::Failed(crate::purger::http::failure(error));
    Answer {
        outcome,
        status,
        verified: false,
    }
}

impl Purger for NginxNode {
    fn purge<'a>(&'a self, target: &'a Target, site: Option<&'a Site>) -> Answering<'a> {
        Box::pin(self.request(target, site.unwrap_or_else(|| self.location.own_site())))
    }
}
