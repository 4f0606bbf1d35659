//! What the answers of a node show of its configuration.

use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{CONTENT_TYPE, SERVER};

use super::Server;
use super::echo::{ECHO, is_right};
use crate::base::log::{loudly, warn_loudly};
use crate::base::outcome::{Failure, Outcome};
use crate::base::site::Site;
use crate::purger::doubt::Doubt;
use crate::purger::http::{CHECK_URL, NeverFound, ODD, Reply, is_passing};
use crate::purger::{Answer, PurgeRequest, SetupFault};

const GUIDE: &str = "(the docs of `roan::guide::other_caches` have the whole configuration)";

/// The observed configuration of one node. Each fault is logged once.
#[derive(Debug)]
pub(super) struct Setup {
    server: &'static Server,
    /// Cache and node, for messages.
    who: String,
    unnamed: AtomicBool,
    unusable: AtomicBool,
    never_found: NeverFound,
    pub(super) doubt: Doubt,
}

impl Setup {
    pub(super) fn new(server: &'static Server, cache: &str, node: &str) -> Self {
        Self {
            server,
            who: format!("{cache} {node}"),
            unnamed: AtomicBool::new(false),
            unusable: AtomicBool::new(false),
            never_found: NeverFound::default(),
            doubt: Doubt::default(),
        }
    }

    /// The meaning of a reply to a purge.
    pub(super) fn answer(&self, reply: &Reply, site: &Site, request: &PurgeRequest<'_>) -> Answer {
        let status = reply.status.as_u16();
        let answer = match self.judged(reply, site, request.target().as_str()) {
            Ok(answer) => answer,
            Err(refusal) => refusal,
        };
        if answer.outcome.is_done() && self.never_found.is_odd(&answer.outcome, request) {
            self.never_finds(site);
        }
        let answer = answer.status(status);
        match reply.pause {
            Some(pause) => answer.retry_after(pause),
            None => answer,
        }
    }

    /// Logs what the reply to the check shows, and returns whether it shows anything.
    pub(super) fn check(&self, reply: &Reply, site: &Site) -> bool {
        match self.judged(reply, site, CHECK_URL) {
            Ok(answer) => !matches!(answer.outcome, Outcome::Failed(_)),
            Err(refusal) => {
                if !self.unusable.swap(true, Ordering::Relaxed) {
                    let who = &self.who;
                    match &refusal.outcome {
                        Outcome::Refused(why) => {
                            loudly(format_args!("{who}: its pages cannot be purged: {why}"));
                        }
                        other => loudly(format_args!("{who}: its pages cannot be purged: {other}")),
                    }
                }
                true
            }
        }
    }

    /// What the server is.
    #[cfg(feature = "doctor")]
    pub(super) fn software(&self) -> crate::purger::access::Software {
        self.server.software
    }

    /// The error says why the purge is refused.
    fn judged(&self, reply: &Reply, site: &Site, url: &str) -> Result<Answer, Answer> {
        let Server {
            name,
            allow,
            handle,
            ..
        } = self.server;
        let status = reply.status.as_u16();
        let answer = match status {
            _ if is_passing(reply.status) => return Ok(Answer::failed(Failure::Status(status))),
            200 => Answer::purged(),
            404 => Answer::not_cached(),
            401 | 407 => {
                return Err(Answer::refused(format!(
                    "status {status}: set the credentials that {name} asks for"
                )));
            }
            403 => {
                return Err(Answer::refused(format!(
                    "status 403: {name} denies PURGE from this machine: {allow} {GUIDE}"
                ))
                .because(SetupFault::NotAllowed));
            }
            405 => {
                return Err(Answer::refused(format!(
                    "status 405: the app or another server has answered, and does not know PURGE: write the address of {name}; \
                     if it is that, {handle} {GUIDE}"
                ))
                .because(SetupFault::NotTaken));
            }
            414 => {
                return Err(Answer::refused(format!(
                    "status 414: the URL is longer than {name} reads"
                )));
            }
            300..=399 => {
                return Err(Answer::refused(format!(
                    "status {status}, a redirect: write the address of {name} itself"
                )));
            }
            _ => {
                return Err(Answer::refused(format!(
                    "status {status}, which {name} does not answer to a PURGE: check its address"
                ))
                .because(SetupFault::NotTaken));
            }
        };
        match reply.headers.get(ECHO) {
            Some(echo) if is_right(echo.as_bytes(), self.server, site, url) => {
                self.doubt.settle(site);
                Ok(answer.verified())
            }
            Some(echo) if echo.as_bytes() == b"passed to the app" => Err(Answer::refused(format!(
                "{name} has passed the PURGE to the app, so nothing was purged: {handle} {GUIDE}"
            ))
            .because(SetupFault::NotTaken)),
            Some(echo) => Err(Answer::refused(format!(
                "{name} has purged {:?} instead of {url} of {}: set `ROAN_SITE` to the host that visitors ask for",
                String::from_utf8_lossy(echo.as_bytes()),
                site.authority(),
            ))
            .because(SetupFault::OfOther)),
            None => self.unnamed(reply, site).map(|()| answer),
        }
    }

    /// An answer that does not say what was purged: from the server itself, or from another one?
    fn unnamed(&self, reply: &Reply, site: &Site) -> Result<(), Answer> {
        let Server {
            name,
            product,
            signs_all,
            handle,
            echo,
            ..
        } = self.server;
        let status = reply.status.as_u16();
        let server = reply.headers.get(SERVER).map(http::HeaderValue::as_bytes);
        let is_signed = server.is_some_and(|server| server.starts_with(product.as_bytes()));
        // The answers of both servers to a purge are empty; those of apps and error pages have a type.
        let has_type = reply.headers.contains_key(CONTENT_TYPE);
        if is_signed && *signs_all && has_type && status == 404 {
            return Err(Answer::refused(format!(
                "status 404 is not about the page: {name} does not know {}, or has passed the PURGE to the app: add a `map` \
                 rule for that host to remap.config; {handle} {GUIDE}",
                site.authority()
            ))
            .because(SetupFault::NotTaken));
        }
        if !is_signed || has_type {
            return Err(Answer::refused(format!(
                "status {status} is from the app or another server, so nothing was purged: write the address of {name}; if it \
                 is that, {handle} {GUIDE}"
            ))
            .because(SetupFault::NotTaken));
        }
        let why = || {
            format!(
                "{}: nothing shows that purges reach the pages: {name} answered with status {status} and no X-Roan-Purge: \
                 {echo} {GUIDE}",
                self.who
            )
        };
        self.doubt.raise(site, why);
        if !self.unnamed.swap(true, Ordering::Relaxed) {
            warn_loudly(format_args!("{}", why()));
        }
        Ok(())
    }

    fn never_finds(&self, site: &Site) {
        warn_loudly(format_args!(
            "{}: {ODD} purges did not find a cached page. If visitors have seen those pages, they stay stale: compare \
             `ROAN_SITE` ({}) with the host that visitors ask for, and look for {}",
            self.who,
            site.authority(),
            self.server.missing
        ));
    }
}
