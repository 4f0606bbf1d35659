//! One purge at one node.

use http::Method;
use reqwest::Request;

use super::setup::Setup;
use crate::base::site::Site;
use crate::base::target::Target;
use crate::purger::http::{CHECK_URL, Endpoint, unsendable};
use crate::purger::{Answer, Answering, AnyPurger, Checking, PurgeRequest};

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

    async fn purge(&self, purge: PurgeRequest<'_>, site: &Site) -> Answer {
        let Some(request) = self.request(purge.target(), site) else {
            return unsendable();
        };
        match self.endpoint.send(request).await {
            Ok(reply) => {
                let (method, url) = (self.method.as_str(), &self.endpoint.url);
                let answer = self.setup.answer(&reply, method, url, site, &purge);
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
        match self.endpoint.send(request).await {
            Ok(reply) => self
                .setup
                .check(&reply, self.method.as_str(), &self.endpoint.url, site),
            Err(_) => false,
        }
    }
}

impl AnyPurger for NginxNode {
    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        let site = self.endpoint.site_or_own(request.site());
        Box::pin(self.purge(request, site))
    }

    fn check<'a>(&'a self, site: Option<&'a Site>) -> Checking<'a> {
        Box::pin(self.check(site))
    }
}
