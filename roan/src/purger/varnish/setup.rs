//! What the answers of a node show of its VCL.

use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderName;
use http::header::VIA;

use super::order::{Order, Said};
use crate::base::log::{loudly, warn_loudly};
use crate::base::outcome::{Failure, Outcome};
use crate::base::site::Site;
use crate::base::target::TargetKind;
use crate::purger::Answer;
use crate::purger::http::{NeverFound, ODD, Reply, is_passing};

/// What the VCL has purged.
const PURGED: HeaderName = HeaderName::from_static("x-roan-purge");
/// How many objects that were.
const FOUND: HeaderName = HeaderName::from_static("x-roan-found");
/// Varnish adds it to all answers that it makes or delivers, but not to those of a pipe.
const X_VARNISH: HeaderName = HeaderName::from_static("x-varnish");

const CURE: &str = "use the VCL of the guide (the docs of `roan::guide::varnish`)";

/// The observed configuration of one node. Each fault is logged once.
#[derive(Debug)]
pub(super) struct Setup {
    /// Cache and node, for messages.
    who: String,
    unnamed: AtomicBool,
    unusable: AtomicBool,
    never_found: NeverFound,
}

impl Setup {
    pub(super) fn new(cache: &str, node: &str) -> Self {
        Self {
            who: format!("{cache} {node}"),
            unnamed: AtomicBool::new(false),
            unusable: AtomicBool::new(false),
            never_found: NeverFound::default(),
        }
    }

    /// The meaning of a reply.
    pub(super) fn answer(&self, reply: &Reply, order: &Order, site: &Site) -> Answer {
        let status = reply.status.as_u16();
        let answer = match reply.headers.get(PURGED) {
            _ if is_passing(reply.status) => {
                let answer = Answer::failed(Failure::Status(status));
                // Varnish's own answers have a `Retry-After`, whatever they say.
                match reply.pause {
                    Some(pause) => answer.retry_after(pause),
                    None => answer,
                }
            }
            Some(said) if status == 200 => match order.judge(said.as_bytes(), site) {
                Said::Right => found(reply).verified(),
                Said::Cut => found(reply),
                Said::Wrong { expected } => Answer::refused(format!(
                    "the VCL says that it purged {:?} instead of {expected:?}: {CURE}, and set `ROAN_SITE` to the host that \
                     visitors ask for",
                    String::from_utf8_lossy(said.as_bytes())
                )),
            },
            _ => self.unnamed(reply, order),
        };
        if order.kind == TargetKind::Url {
            self.count(&answer.outcome, site);
        }
        answer.status(status)
    }

    /// The meaning of a reply that does not say what was purged.
    fn unnamed(&self, reply: &Reply, order: &Order) -> Answer {
        let (status, method) = (reply.status.as_u16(), &order.method);
        let outcome = match status {
            200 => Outcome::Purged,
            404 => Outcome::NotCached,
            400 => {
                return Answer::refused(format!(
                    "status 400: the VCL did not take the {}, or is not that of the guide: {CURE}",
                    order.kind
                ));
            }
            401 | 407 => {
                return Answer::refused(format!(
                    "status {status}: set the credentials that the VCL asks for"
                ));
            }
            403 | 405 => {
                return Answer::refused(format!(
                    "status {status}: the VCL does not allow {method} from this machine: add its address to `acl roan`; or \
                     the app has answered, because the VCL does not know {method}: {CURE}"
                ));
            }
            414 | 431 => {
                return Answer::refused(format!(
                    "status {status}: the request is longer than Varnish reads: set its parameters `http_req_size` and \
                     `http_req_hdr_len`"
                ));
            }
            300..=399 => {
                return Answer::refused(format!(
                    "status {status}, a redirect: write the address of Varnish itself"
                ));
            }
            _ => {
                return Answer::refused(format!(
                    "status {status}, which the VCL does not answer: check the address, and {CURE}"
                ));
            }
        };
        if !is_of_varnish(reply) {
            return Answer::refused(format!(
                "status {status} is from the app or another server: Varnish passes {method} on, or is not at this address, \
                 so nothing was purged: {CURE}"
            ));
        }
        if order.kind != TargetKind::Url {
            return Answer::refused(format!(
                "status {status} without X-Roan-Purge: nothing shows that this VCL can purge by {}: {CURE}",
                order.kind
            ));
        }
        self.says_nothing(status);
        Answer::new(outcome)
    }

    /// Logs what the reply to the check shows, and returns whether it shows anything.
    pub(super) fn check(&self, reply: &Reply, order: &Order, site: &Site) -> bool {
        match self.answer(reply, order, site).outcome {
            Outcome::Failed(_) => return false,
            Outcome::Refused(why) if !self.unusable.swap(true, Ordering::Relaxed) => {
                loudly(format_args!(
                    "{}: its pages cannot be purged: {why}",
                    self.who
                ));
            }
            _ => {}
        }
        true
    }

    fn says_nothing(&self, status: u16) {
        if !self.unnamed.swap(true, Ordering::Relaxed) {
            warn_loudly(format_args!(
                "{}: nothing shows that purges reach the pages: Varnish answered with status {status} and no X-Roan-Purge: \
                 {CURE}",
                self.who
            ));
        }
    }

    /// Notices that purges never find a page.
    fn count(&self, outcome: &Outcome, site: &Site) {
        if outcome.is_done() && self.never_found.is_odd(outcome) {
            warn_loudly(format_args!(
                "{}: {ODD} purges did not find a cached page. If visitors have seen those pages, they stay stale: compare \
                 `ROAN_SITE` ({}) with the host that visitors ask for, and `vcl_hash` with that of the guide",
                self.who,
                site.authority()
            ));
        }
    }
}

/// The answer of a purge that was done.
fn found(reply: &Reply) -> Answer {
    match reply.headers.get(FOUND) {
        Some(count) if count == "0" => Answer::not_cached(),
        _ => Answer::purged(),
    }
}

/// Whether Varnish made the answer. It adds `Via` to what the app has answered.
fn is_of_varnish(reply: &Reply) -> bool {
    reply.headers.contains_key(X_VARNISH) && !reply.headers.contains_key(VIA)
}
