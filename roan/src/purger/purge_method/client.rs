//! One purge at one node.

use http::Method;

use super::setup::Setup;
use crate::base::site::Site;
use crate::base::target::Target;
#[cfg(feature = "agent")]
use crate::purger::doubt::Doubt;
use crate::purger::http::{CHECK_URL, Endpoint, Reply, unsendable};
use crate::purger::{Answer, Answering, AnyPurger, Checking, PurgeRequest};

/// The client of one server.
pub(super) struct PurgeMethodNode {
    pub(super) endpoint: Endpoint,
    pub(super) setup: Setup,
}

impl PurgeMethodNode {
    async fn send(&self, target: &Target, site: &Site) -> Result<Reply, Answer> {
        let method = Method::from_bytes(b"PURGE").map_err(|_| unsendable())?;
        let request = self.endpoint.request(method, target, site);
        self.endpoint.send(request.ok_or_else(unsendable)?).await
    }

    async fn check(&self, site: Option<&Site>) -> bool {
        let is_assumed = site.is_none();
        let site = self.endpoint.site_or_warn(site);
        let Ok(target) = Target::url(CHECK_URL) else {
            return true;
        };
        let done = match self.send(&target, site).await {
            Ok(reply) => self.setup.check(&reply, site),
            Err(_) => false,
        };
        if is_assumed {
            // The host of the purge URL need not be that of a page.
            self.setup.doubt.settle(site);
        }
        done
    }
}

impl AnyPurger for PurgeMethodNode {
    #[cfg(feature = "doctor")]
    fn access(&self) -> Option<crate::purger::access::Access> {
        Some(crate::purger::access::Access {
            software: self.setup.software(),
            ..self.endpoint.access(None)
        })
    }

    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        let site = self.endpoint.site_or_own(request.site());
        Box::pin(async move {
            match self.send(request.target(), site).await {
                Ok(reply) => self.setup.answer(&reply, site, &request),
                Err(answer) => answer,
            }
        })
    }

    fn check<'a>(&'a self, site: Option<&'a Site>) -> Checking<'a> {
        Box::pin(self.check(site))
    }

    #[cfg(feature = "agent")]
    fn doubt(&self) -> Option<&Doubt> {
        Some(&self.setup.doubt)
    }
}
