//! Refresh in place of purge: nginx fetches the page anew and stores it. It needs no module.
//!
//! A page that nginx may not store any more (a 404, `Cache-Control: private`) would leave the old one in the cache. So
//! each refresh is followed by a look at what nginx serves now, and where that is not what the app has just rendered, the
//! entry is replaced by one that has expired.

mod page;
mod reply;
mod setup;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};

use self::page::Page;
pub(super) use self::reply::Cached;
use self::reply::{Order, Reply};
pub(super) use self::setup::RefreshSetup;
use crate::base::outcome::Outcome;
use crate::base::site::Site;
use crate::base::target::Target;
#[cfg(feature = "agent")]
use crate::purger::doubt::Doubt;
use crate::purger::http::{Endpoint, is_passing, unsendable};
use crate::purger::{Answer, Answering, AnyPurger, Checking, PurgeRequest};

/// The URL of the check: as that of a purge location, but not in a folder that often has a location of its own.
const CHECK_URL: &str = "/roan%2Dcheck?roan=check";

/// nginx may send the end of a page a moment before it has stored it.
const STORING: Duration = Duration::from_millis(20);

/// The client of one nginx whose pages are refreshed.
pub(super) struct RefreshNode {
    endpoint: Endpoint,
    secret: HeaderValue,
    /// Whether pages are fetched that are not cached.
    missing_too: bool,
    setup: RefreshSetup,
    /// Whether a drop was seen to work.
    can_drop: AtomicBool,
}

impl RefreshNode {
    pub(super) fn new(
        endpoint: Endpoint,
        secret: HeaderValue,
        missing_too: bool,
        setup: RefreshSetup,
    ) -> Self {
        Self {
            endpoint,
            secret,
            missing_too,
            setup,
            can_drop: AtomicBool::new(false),
        }
    }

    /// Sends an order. An `Err` is the answer to the purge: the order failed, or did not reach the page.
    async fn order(
        &self,
        order: Order,
        method: Method,
        target: &Target,
        site: &Site,
    ) -> Result<Reply, Answer> {
        let mut request = self
            .endpoint
            .request(method, target, site)
            .ok_or_else(unsendable)?;
        order.put_into(request.headers_mut(), &self.secret);
        let reply = reply::receive(&self.endpoint.http, request).await?;
        self.setup
            .accept(reply, &self.endpoint.url, site, target.as_str())
    }

    /// What nginx would serve without the app, if anything.
    async fn peek(
        &self,
        method: Method,
        target: &Target,
        site: &Site,
    ) -> Result<(Option<Page>, Reply), Answer> {
        let reply = self.order(Order::Peek, method, target, site).await?;
        let page = match reply.cached {
            Cached::Served => Some(reply.page),
            _ if reply.status == StatusCode::NO_CONTENT => None,
            _ if is_passing(reply.status) => return Err(reply.failed()),
            _ => return Err(setup::reaches_the_app(&reply)),
        };
        Ok((page, reply))
    }

    async fn purge(&self, target: &Target, site: &Site) -> Result<Answer, Answer> {
        if !self.missing_too {
            let (page, reply) = self.peek(Method::HEAD, target, site).await?;
            if page.is_none() {
                return Ok(reply.answer(Outcome::NotCached));
            }
        }
        let rendered = self.render(target, site).await?;
        for is_last in [false, true] {
            let (page, _) = self.peek(Method::GET, target, site).await?;
            match page {
                // Or it is not in the cache at all.
                Some(page) if page != rendered.page => {
                    if is_last {
                        self.drop_page(target, site, page).await?;
                    } else {
                        tokio::time::sleep(STORING).await;
                    }
                }
                _ => break,
            }
        }
        Ok(rendered.answer(Outcome::Purged))
    }

    /// Fetches a page that is not cached, and returns the status of the app. `None` if it is cached.
    pub(super) async fn fill(
        &self,
        target: &Target,
        site: &Site,
    ) -> Result<Option<StatusCode>, Answer> {
        let (page, _) = self.peek(Method::HEAD, target, site).await?;
        if page.is_some() {
            return Ok(None);
        }
        let rendered = self.render(target, site).await?;
        Ok(Some(rendered.status))
    }

    async fn render(&self, target: &Target, site: &Site) -> Result<Reply, Answer> {
        let rendered = self
            .order(Order::Refresh, Method::GET, target, site)
            .await?;
        match rendered.cached {
            Cached::Bypassed if is_passing(rendered.status) => Err(rendered.failed()),
            Cached::Bypassed => Ok(rendered),
            _ => Err(setup::does_not_bypass(&rendered)),
        }
    }

    /// Replaces a page that is not what the app renders.
    async fn drop_page(&self, target: &Target, site: &Site, stale: Page) -> Result<(), Answer> {
        if !self.can_drop.load(Ordering::Relaxed) {
            self.prove_drop(site).await?;
        }
        self.replace_by_nothing(target, site).await?;
        let (page, reply) = self.peek(Method::GET, target, site).await?;
        match page {
            Some(page) if page == stale || reply.status == StatusCode::NO_CONTENT => {
                Err(setup::does_not_drop(&reply))
            }
            // Or a visitor's request has filled it since.
            _ => Ok(()),
        }
    }

    async fn replace_by_nothing(&self, target: &Target, site: &Site) -> Result<(), Answer> {
        let reply = self.order(Order::Drop, Method::GET, target, site).await?;
        match (reply.cached, reply.status) {
            (Cached::Bypassed, StatusCode::NO_CONTENT) => Ok(()),
            (Cached::Bypassed, status) if is_passing(status) => Err(reply.failed()),
            (Cached::Bypassed, _) => Err(setup::reaches_the_app(&reply)),
            _ => Err(setup::does_not_bypass(&reply)),
        }
    }

    /// Drops a page that does not exist. Otherwise a set-up that keeps what a drop stores would serve it to visitors.
    async fn prove_drop(&self, site: &Site) -> Result<Reply, Answer> {
        let target = Target::url(CHECK_URL).map_err(|_| unsendable())?;
        self.peek(Method::HEAD, &target, site).await?;
        self.replace_by_nothing(&target, site).await?;
        let (page, reply) = self.peek(Method::HEAD, &target, site).await?;
        if page.is_some() || reply.cached != Cached::Expired {
            return Err(setup::does_not_drop(&reply));
        }
        self.can_drop.store(true, Ordering::Relaxed);
        Ok(reply)
    }

    async fn check(&self, site: Option<&Site>) -> bool {
        let is_known = site.is_some();
        let site = self.endpoint.site_or_warn(site);
        let shown = self.prove_drop(site).await;
        if !is_known {
            // It is one that is assumed.
            self.setup.doubt.settle(site);
        }
        match shown {
            Ok(_) => {
                self.setup.is_right(site);
                true
            }
            Err(answer) => self.setup.is_wrong(&answer),
        }
    }
}

impl AnyPurger for RefreshNode {
    #[cfg(feature = "doctor")]
    fn access(&self) -> Option<crate::purger::access::Access> {
        Some(crate::purger::access::Access {
            software: crate::purger::access::Software::Nginx,
            ..self.endpoint.access(None)
        })
    }

    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        let site = self.endpoint.site_or_own(request.site());
        Box::pin(async move {
            let answer = self.purge(request.target(), site).await;
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
