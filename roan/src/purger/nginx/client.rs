//! One purge at one node.

use http::Method;
use reqwest::Request;

use super::setup::Setup;
use crate::base::site::Site;
use crate::base::target::TargetKind;
#[cfg(feature = "agent")]
use crate::purger::doubt::Doubt;
use crate::purger::http::{CHECK_URL, Endpoint, unsendable};
use crate::purger::{Answer, Answering, AnyPurger, Checking, PurgeRequest};

/// The client of one nginx with a purge location.
pub(super) struct NginxNode {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    /// Whether a `*` at the end of a key is a wildcard.
    pub(super) wildcards: bool,
    pub(super) setup: Setup,
}

impl NginxNode {
    fn request(&self, path: &str, site: &Site) -> Option<Request> {
        self.endpoint.request_to(self.method.clone(), path, site)
    }

    async fn purge(&self, purge: PurgeRequest<'_>, site: &Site) -> Answer {
        let target = purge.target();
        let is_prefix = target.kind() == TargetKind::Prefix;
        if self.wildcards && !is_prefix && target.as_str().ends_with('*') {
            return Answer::refused(
                "nginx would take the `*` at the end for a wildcard, and purge other pages: write `%2A` in the links of the \
                 site, or remove `Nginx::wildcards`",
            );
        }
        let path = match is_prefix {
            true => format!("{target}*", target = target.as_str()),
            false => target.as_str().to_owned(),
        };
        let Some(request) = self.request(&path, site) else {
            return unsendable();
        };
        match self.endpoint.send(request).await {
            Ok(reply) => {
                let (method, url) = (self.method.as_str(), &self.endpoint.url);
                let answer = self.setup.answer(&reply, method, url, site, &purge, &path);
                match reply.pause {
                    Some(pause) => answer.retry_after(pause),
                    None => answer,
                }
            }
            Err(answer) => answer,
        }
    }

    async fn check(&self, site: Option<&Site>) -> bool {
        let is_known = site.is_some();
        let site = self.endpoint.site_or_warn(site);
        let Some(request) = self.request(CHECK_URL, site) else {
            return true;
        };
        match self.endpoint.send(request).await {
            Ok(reply) => self.setup.check(
                &reply,
                self.method.as_str(),
                &self.endpoint.url,
                site,
                is_known,
            ),
            Err(_) => false,
        }
    }
}

impl AnyPurger for NginxNode {
    #[cfg(feature = "doctor")]
    fn access(&self) -> Option<crate::purger::access::Access> {
        Some(crate::purger::access::Access {
            software: crate::purger::access::Software::Nginx,
            ..self.endpoint.access(Some(&self.method))
        })
    }

    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        let site = self.endpoint.site_or_own(request.site());
        Box::pin(self.purge(request, site))
    }

    fn check<'a>(&'a self, site: Option<&'a Site>) -> Checking<'a> {
        Box::pin(self.check(site))
    }

    #[cfg(feature = "agent")]
    fn doubt(&self) -> Option<&Doubt> {
        Some(&self.setup.doubt)
    }
}
