//! One purge at one node.

use super::order::Order;
use super::setup::Setup;
use crate::base::site::Site;
use crate::base::target::Target;
#[cfg(feature = "agent")]
use crate::purger::doubt::Doubt;
use crate::purger::http::{CHECK_URL, Endpoint, Reply, unsendable};
use crate::purger::{Answer, Answering, AnyPurger, Checking, PurgeRequest};

/// The client of one Varnish.
pub(super) struct VarnishNode {
    pub(super) endpoint: Endpoint,
    pub(super) soft: bool,
    pub(super) setup: Setup,
}

impl VarnishNode {
    async fn send(&self, order: &Order, site: &Site) -> Result<Reply, Answer> {
        let endpoint = &self.endpoint;
        let request = endpoint.request_to(order.method.clone(), &order.path, site);
        let mut request = request.ok_or_else(unsendable)?;
        request.headers_mut().extend(order.headers.clone());
        self.endpoint.send(request).await
    }

    async fn purge(&self, targets: &[Target], site: &Site) -> Result<Answer, Answer> {
        let order = Order::of(targets, self.soft).ok_or_else(unsendable)?;
        let reply = self.send(&order, site).await?;
        Ok(self.setup.answer(&reply, &order, site))
    }

    async fn check(&self, site: Option<&Site>) -> bool {
        let is_assumed = site.is_none();
        let site = self.endpoint.site_or_warn(site);
        let target = Target::url(CHECK_URL).ok();
        let order = target.and_then(|target| Order::of(&[target], self.soft));
        let Some(order) = order else { return true };
        let done = match self.send(&order, site).await {
            Ok(reply) => self.setup.check(&reply, &order, site),
            Err(_) => false,
        };
        if is_assumed {
            // The host of the purge URL need not be that of a page.
            self.setup.doubt.settle(site);
        }
        done
    }
}

impl AnyPurger for VarnishNode {
    #[cfg(feature = "doctor")]
    fn access(&self) -> Option<crate::purger::access::Access> {
        Some(crate::purger::access::Access {
            software: crate::purger::access::Software::Varnish,
            ..self.endpoint.access(None)
        })
    }

    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        let site = self.endpoint.site_or_own(request.site());
        Box::pin(async move {
            let answer = self.purge(request.targets(), site).await;
            let answer = answer.unwrap_or_else(|answer| answer);
            self.setup.note(&answer.outcome, site, &request);
            answer
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
