//! What is wrong with the configuration of a node whose pages are refreshed, as far as its replies show.

use std::sync::atomic::{AtomicBool, Ordering};

use super::reply::{Cached, Reply};
use crate::base::log::{loudly, warn_loudly};
use crate::base::outcome::{Outcome, Refusal};
use crate::base::site::Site;
use crate::purger::doubt::Doubt;
use crate::purger::http::{NeverFound, NodeUrl, ODD, is_passing};
use crate::purger::nginx::key::{Keys, Named};
use crate::purger::nginx::pattern::KeyPattern;
use crate::purger::nginx::setup::localhost_hint;
use crate::purger::{Answer, PurgeRequest};

/// The observed configuration of one node. Each fault is logged once.
#[derive(Debug)]
pub(in crate::purger::nginx) struct RefreshSetup {
    /// Cache and node, for messages.
    who: String,
    keys: Keys,
    unknown: AtomicBool,
    unusable: AtomicBool,
    never_found: NeverFound,
    pub(super) doubt: Doubt,
}

impl RefreshSetup {
    pub(in crate::purger::nginx) fn new(cache: &str, node: &str, key: Option<KeyPattern>) -> Self {
        Self {
            who: format!("{cache} {node}"),
            keys: Keys::new(key),
            unknown: AtomicBool::new(false),
            unusable: AtomicBool::new(false),
            never_found: NeverFound::default(),
            doubt: Doubt::default(),
        }
    }

    /// Takes a reply if it shows that the order reached the entry of the page.
    pub(super) fn accept(
        &self,
        mut reply: Reply,
        location: &NodeUrl,
        site: &Site,
        url: &str,
    ) -> Result<Reply, Answer> {
        let Some(key) = &reply.key else {
            return Err(if is_passing(reply.status) {
                reply.failed()
            } else {
                took_no_order(&reply, location, site)
            });
        };
        if reply.cached == Cached::Never {
            let why = "the location of the page does not cache: write `proxy_cache` and \
                       `proxy_cache_key` into it, or delete the rule";
            return Err(Answer::refused(why).status(reply.status.as_u16()));
        }
        match self.keys.judge(key, site, url) {
            Named::Right => {
                self.doubt.settle(site);
                reply.verified = true;
            }
            Named::Cut => {}
            Named::Unknown => self.names_unknown_key(key, site),
            Named::Wrong(why) => return Err(Answer::refused(why).status(reply.status.as_u16())),
        }
        Ok(reply)
    }

    /// The check has shown that orders work.
    pub(super) fn is_right(&self, site: &Site) {
        self.keys.are_whole(site);
    }

    /// Logs what the check has shown, and returns whether it has shown anything.
    pub(super) fn is_wrong(&self, answer: &Answer) -> bool {
        let Outcome::Refused(Refusal::Node(why)) = &answer.outcome else {
            return false;
        };
        if !self.unusable.swap(true, Ordering::Relaxed) {
            loudly(format_args!(
                "{}: pages cannot be refreshed: {why} (the guide has the whole configuration)",
                self.who
            ));
        }
        true
    }

    fn names_unknown_key(&self, key: &[u8], site: &Site) {
        let why = || {
            format!(
                "{}: nothing shows that refreshes reach the pages: nginx returned the key {:?}, and Roan does not know that \
                 form: set `ROAN_PURGE_KEY`, or `Nginx::key`, to the text after `proxy_cache_key`",
                self.who,
                String::from_utf8_lossy(key)
            )
        };
        self.doubt.raise(site, why);
        if !self.unknown.swap(true, Ordering::Relaxed) {
            warn_loudly(format_args!("{}", why()));
        }
    }

    /// Notices that refreshes never find a page.
    pub(super) fn note(&self, outcome: &Outcome, site: &Site, request: &PurgeRequest<'_>) {
        if outcome.is_done() && self.never_found.is_odd(outcome, request) {
            warn_loudly(format_args!(
                "{}: the refreshes of {ODD} pages did not find one. If visitors have seen those pages, they stay stale: \
                 compare `ROAN_SITE` ({}) with the host that visitors ask for",
                self.who,
                site.authority()
            ));
        }
    }
}

fn refused(reply: &Reply, why: &str) -> Answer {
    let code = reply.status.as_u16();
    Answer::refused(format!("status {code}: {why}")).status(code)
}

fn took_no_order(reply: &Reply, location: &NodeUrl, site: &Site) -> Answer {
    let from = reply
        .from
        .map_or_else(String::new, |from| format!(" from {from}"));
    let code = reply.status.as_u16();
    let redirect = match code {
        300..=399 => " without a redirect",
        _ => "",
    };
    let why = format!(
        "nginx did not take the order: the answer{from} had status {code} and no X-Roan-Refresh: write the same secret into \
         `Nginx::refresh`, or `ROAN_REFRESH_SECRET`, and into nginx's `map $http_x_roan_secret`; check that {location} is \
         nginx's server for {}{redirect}, and that the location of the page has \
         `add_header X-Roan-Refresh $roan_result always;`{}",
        site.host(),
        localhost_hint(location, reply.from),
    );
    Answer::refused(why).status(code)
}

/// nginx knows the order, but answered from the cache.
pub(super) fn does_not_bypass(reply: &Reply) -> Answer {
    refused(
        reply,
        "nginx took the order, but did not bypass the cache: add `$roan_bypass` to `proxy_cache_bypass` in the location of \
         the page",
    )
}

/// nginx knows the order, but asked the app.
pub(super) fn reaches_the_app(reply: &Reply) -> Answer {
    refused(
        reply,
        "the app was asked in place of the cache: write `proxy_pass http://$roan_upstream$roan_uri;` and \
         `proxy_set_header X-Roan-Order $roan_order;` into the location of the page, and let the server of `roan_nothing` \
         `return 204;`",
    )
}

/// The old page, or what was to replace it, is served.
pub(super) fn does_not_drop(reply: &Reply) -> Answer {
    refused(
        reply,
        "nginx keeps what the app does not show any more: the server of `roan_nothing` must have \
         `add_header X-Accel-Expires $roan_expires;` and `return 204;`, the location of the page \
         `proxy_set_header X-Roan-Order $roan_order;`, and not `proxy_ignore_headers X-Accel-Expires`",
    )
}
