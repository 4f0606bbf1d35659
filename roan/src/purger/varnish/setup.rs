//! What the answers of a node show of its VCL.

use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderName;
use http::header::VIA;

use super::order::{Order, Said};
use crate::base::log::{loudly, warn_loudly};
use crate::base::outcome::{Failure, Outcome};
use crate::base::site::Site;
use crate::base::target::TargetKind;
use crate::purger::doubt::Doubt;
use crate::purger::http::{NeverFound, ODD, Reply, is_passing};
use crate::purger::{Answer, PurgeRequest, SetupFault};

/// What the VCL has purged.
const PURGED: HeaderName = HeaderName::from_static("x-roan-purge");
/// How many objects that were.
const FOUND: HeaderName = HeaderName::from_static("x-roan-found");
/// Varnish adds it to all answers that it makes or delivers, but not to those of a pipe.
const X_VARNISH: HeaderName = HeaderName::from_static("x-varnish");

const CURE: &str = "use the VCL of the guide's page `roan::guide::varnish`";

/// The observed configuration of one node. Each fault is logged once.
#[derive(Debug)]
pub(super) struct Setup {
    /// Cache and node, for messages.
    who: String,
    unnamed: AtomicBool,
    unusable: AtomicBool,
    never_found: NeverFound,
    pub(super) doubt: Doubt,
}

impl Setup {
    pub(super) fn new(cache: &str, node: &str) -> Self {
        Self {
            who: format!("{cache} {node}"),
            unnamed: AtomicBool::new(false),
            unusable: AtomicBool::new(false),
            never_found: NeverFound::default(),
            doubt: Doubt::default(),
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
                Said::Right => {
                    self.doubt.settle(site);
                    found(reply).verified()
                }
                Said::Cut => found(reply),
                Said::Wrong { expected } => Answer::refused(format!(
                    "the VCL says that it purged {:?} instead of {expected:?}: {CURE}, and set `ROAN_SITE` to the host that \
                     visitors ask for",
                    String::from_utf8_lossy(said.as_bytes())
                ))
                .because(SetupFault::OfOther),
            },
            _ => self.unnamed(reply, order, site),
        };
        answer.status(status)
    }

    /// The meaning of a reply that does not say what was purged.
    fn unnamed(&self, reply: &Reply, order: &Order, site: &Site) -> Answer {
        let (status, method, kind) = (reply.status.as_u16(), &order.method, order.kind);
        let outcome = match status {
            401 | 407 => {
                return Answer::denied(format!(
                    "status {status}: set the credentials that the VCL asks for"
                ));
            }
            300..=399 => {
                return Answer::denied(format!(
                    "status {status}, a redirect: write the address of Varnish itself"
                ));
            }
            // Tags that are too long, perhaps.
            400 | 413 | 414 | 431 => {
                return Answer::refused(format!(
                    "status {status}: the VCL did not take the {kind}, the request is longer than Varnish reads \
                     (`http_req_hdr_len`, `http_req_size`), or the app has answered: {CURE}"
                ));
            }
            _ if !is_of_varnish(reply) => {
                return Answer::denied(format!(
                    "status {status} is from the app or another server: Varnish passes {method} on, or is not at this \
                     address, so nothing was purged: {CURE}"
                ))
                .because(SetupFault::NotTaken);
            }
            403 | 405 => {
                return Answer::denied(format!(
                    "status {status}: the VCL does not allow {method} from this machine: add its address to `acl roan`, and \
                     send purges to Varnish itself, not through a proxy"
                ))
                .because(SetupFault::NotAllowed);
            }
            200 | 404 if kind != TargetKind::Url => {
                return Answer::denied(format!(
                    "status {status} without X-Roan-Purge: nothing shows that this VCL can purge by {kind}: {CURE}"
                ));
            }
            200 => Outcome::Purged,
            404 => Outcome::NotCached,
            _ => {
                return Answer::refused(format!(
                    "status {status}, which the VCL of the guide does not answer: {CURE}"
                ));
            }
        };
        self.says_nothing(status, site);
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

    fn says_nothing(&self, status: u16, site: &Site) {
        let why = || {
            format!(
                "{}: nothing shows that purges reach the pages: Varnish answered with status {status} and no X-Roan-Purge: \
                 {CURE}",
                self.who
            )
        };
        self.doubt.raise(site, why);
        if !self.unnamed.swap(true, Ordering::Relaxed) {
            warn_loudly(format_args!("{}", why()));
        }
    }

    /// Notices that purges never find a page.
    pub(super) fn note(&self, outcome: &Outcome, site: &Site, request: &PurgeRequest<'_>) {
        let is_page = request.target().kind() == TargetKind::Url;
        if is_page && outcome.is_done() && self.never_found.is_odd(outcome, request) {
            warn_loudly(format_args!(
                "{}: the purges of {ODD} pages did not find one. If visitors have seen those pages, they stay stale: compare \
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;
    use crate::base::target::Target;

    /// What a reply with this status and these headers means: the outcome, and whether it is verified.
    fn meaning(
        target: &Target,
        status: u16,
        headers: &[(&'static str, &'static str)],
    ) -> (String, bool) {
        let lines = headers.iter();
        let headers: HeaderMap = lines
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect();
        let reply = Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            from: None,
            pause: Some(Duration::from_secs(5)),
        };
        let order = Order::of(std::slice::from_ref(target), false).unwrap();
        let site = "www.example.org:8080".parse().unwrap();
        let answer = Setup::new("varnish", "a").answer(&reply, &order, &site);
        assert_eq!(answer.status, Some(status));
        let has_failed = matches!(answer.outcome, Outcome::Failed(_));
        assert_eq!(answer.retry_after.is_some(), has_failed, "{status}");
        (answer.outcome.to_string(), answer.verified)
    }

    #[test]
    fn only_what_varnish_says_is_believed() {
        let url = Target::url("/a?b=1&c=2").unwrap();
        let tag = Target::tag("t").unwrap();
        let (own, passed) = (("x-varnish", "5"), ("via", "1.1 varnish"));
        let named = |text| ("x-roan-purge", text);
        let right = named("url www.example.org:8080/a?b=1&c=2");
        for (target, status, headers, outcome, verified) in [
            (&url, 200, &[right][..], "purged", true),
            (&url, 200, &[right, ("x-roan-found", "1")], "purged", true),
            (
                &url,
                200,
                &[right, ("x-roan-found", "0")],
                "not cached",
                true,
            ),
            (
                &url,
                200,
                &[named("url www.example.org/a?b=1&c=2")],
                "purged",
                true,
            ),
            (
                &url,
                200,
                &[named("url www.example.org:8080/a?c=2")],
                "purged",
                false,
            ),
            (
                &url,
                200,
                &[named("url www.example.org:8080/a")],
                "purged",
                false,
            ),
            (
                &url,
                200,
                &[named("url www.example.org:8080/a?x=1")],
                "refused",
                false,
            ),
            (
                &url,
                200,
                &[named("url www.example.org:8080/")],
                "refused",
                false,
            ),
            (
                &url,
                200,
                &[named("url example.org/a?b=1&c=2")],
                "refused",
                false,
            ),
            (
                &url,
                200,
                &[named("soft-url www.example.org/a?b=1&c=2")],
                "refused",
                false,
            ),
            (&url, 200, &[own], "purged", false),
            (&url, 404, &[own], "not cached", false),
            (&url, 200, &[own, passed], "refused", false),
            (&url, 404, &[own, passed], "refused", false),
            (&url, 200, &[], "refused", false),
            (&url, 404, &[], "refused", false),
            (&url, 405, &[], "refused", false),
            (
                &url,
                405,
                &[own],
                "refused: status 405: the VCL does not allow PURGE",
                false,
            ),
            (&url, 405, &[own, right], "refused", false),
            (&url, 204, &[own], "refused", false),
            (&url, 503, &[own], "failed: status 503", false),
            (&url, 503, &[right], "failed: status 503", false),
            (&url, 429, &[], "failed: status 429", false),
            (
                &tag,
                200,
                &[named("xkey t"), ("x-roan-found", "7")],
                "purged",
                true,
            ),
            (
                &tag,
                200,
                &[named("xkey t"), ("x-roan-found", "0")],
                "not cached",
                true,
            ),
            (
                &tag,
                200,
                &[named("url www.example.org:8080/")],
                "refused",
                false,
            ),
            (&tag, 200, &[own], "refused", false),
            (&tag, 404, &[own], "refused", false),
        ] {
            let (said, is_verified) = meaning(target, status, headers);
            assert!(
                said.starts_with(outcome),
                "{target} {status} {headers:?}: {said}"
            );
            assert_eq!(is_verified, verified, "{target} {status} {headers:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let url = Target::url("/a").unwrap();
        for status in (200..500).filter(|status| !matches!(status, 200 | 404 | 408 | 425 | 429)) {
            for headers in [&[][..], &[("x-varnish", "1")]] {
                let (said, _) = meaning(&url, status, headers);
                let has_status = said.starts_with(&format!("refused: status {status}"));
                assert!(has_status && said.contains(": "), "{said}");
            }
        }
    }
}
