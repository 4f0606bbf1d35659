//! Checks whether the configuration of a node lets purges reach pages, as far as its answers show.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderValue;

use super::key::{self, Keys, Named};
use super::pattern::KeyPattern;
use super::status::classify;
use crate::base::log::{loudly, warn_loudly};
use crate::base::outcome::Outcome;
use crate::base::site::Site;
use crate::purger::doubt::Doubt;
use crate::purger::http::{CHECK_URL, NeverFound, NodeUrl, ODD, Reply};
use crate::purger::{Answer, PurgeRequest};

/// The key that a node returned.
fn returned_key(reply: &Reply) -> Option<&[u8]> {
    reply.headers.get(key::HEADER).map(HeaderValue::as_bytes)
}

/// The observed configuration of one node. Each fault is logged once.
#[derive(Debug)]
pub(super) struct Setup {
    /// Cache and node, for messages.
    who: String,
    keys: Keys,
    unnamed: AtomicBool,
    unknown: AtomicBool,
    unusable: AtomicBool,
    never_found: NeverFound,
    pub(super) doubt: Doubt,
}

impl Setup {
    pub(super) fn new(cache: &str, node: &str, key: Option<KeyPattern>) -> Self {
        Self {
            who: format!("{cache} {node}"),
            keys: Keys::new(key),
            unnamed: AtomicBool::new(false),
            unknown: AtomicBool::new(false),
            unusable: AtomicBool::new(false),
            never_found: NeverFound::default(),
            doubt: Doubt::default(),
        }
    }

    /// The meaning of a reply to a purge of `url`, which the request asks for.
    pub(super) fn answer(
        &self,
        reply: &Reply,
        method: &str,
        location: &NodeUrl,
        site: &Site,
        request: &PurgeRequest<'_>,
        url: &str,
    ) -> Answer {
        let answer = Answer::new(classify(reply.status, method)).status(reply.status.as_u16());
        if !answer.outcome.is_done() {
            return answer;
        }
        let answer = match returned_key(reply) {
            None => {
                self.names_no_key(reply, location, site, true);
                answer
            }
            Some(key) => match self.keys.judge(key, site, url) {
                // The purge of a 202 is still to come.
                Named::Right if reply.status == http::StatusCode::ACCEPTED => answer,
                Named::Right => {
                    self.doubt.settle(site);
                    answer.verified()
                }
                Named::Cut => answer,
                Named::Unknown => {
                    self.names_unknown_key(key, site, true);
                    answer
                }
                Named::Wrong(why) => return Answer::refused(why).status(reply.status.as_u16()),
            },
        };
        self.count(&answer.outcome, reply, site, request);
        answer
    }

    /// Logs what the reply to the purge of [`CHECK_URL`] shows, and returns whether it shows anything. Of a site that is not
    /// known, but assumed, it raises no doubt.
    pub(super) fn check(
        &self,
        reply: &Reply,
        method: &str,
        location: &NodeUrl,
        site: &Site,
        is_known: bool,
    ) -> bool {
        let unusable = match (classify(reply.status, method), returned_key(reply)) {
            (Outcome::Failed(_), _) => return false,
            (Outcome::Refused(why), _) => format!("its purge location cannot be used: {why}"),
            (_, None) => {
                self.names_no_key(reply, location, site, is_known);
                return true;
            }
            (_, Some(key)) => match self.keys.judge(key, site, CHECK_URL) {
                Named::Wrong(why) => format!("purges do not reach the pages: {why}"),
                Named::Unknown => {
                    self.names_unknown_key(key, site, is_known);
                    return true;
                }
                Named::Right => {
                    self.doubt.settle(site);
                    self.keys.are_whole(site);
                    return true;
                }
                // Not of this URL, which has no noise.
                Named::Cut => return true,
            },
        };
        if !self.unusable.swap(true, Ordering::Relaxed) {
            loudly(format_args!("{}: {unusable}", self.who));
        }
        true
    }

    fn names_no_key(&self, reply: &Reply, location: &NodeUrl, site: &Site, is_known: bool) {
        let why = || {
            let Reply { status, from, .. } = reply;
            let from = from.map_or_else(String::new, |from| format!(" from {from}"));
            let cure = cure(reply, location, site);
            format!(
                "{who}: nothing shows that purges reach the pages: the answer{from} had status {status} and no \
                 X-Roan-Purge, so it may be from the app or another server: {cure} (the docs of `roan::Nginx` have the \
                 whole configuration)",
                who = self.who,
                status = status.as_u16(),
            )
        };
        self.shows_nothing(&self.unnamed, site, is_known, why);
    }

    fn names_unknown_key(&self, key: &[u8], site: &Site, is_known: bool) {
        let why = || {
            format!(
                "{}: nothing shows that purges reach the pages: the purge location returned the key {:?}, and Roan does not \
                 know that form: set `ROAN_PURGE_KEY`, or `Nginx::key`, to the text after `proxy_cache_key`",
                self.who,
                String::from_utf8_lossy(key)
            )
        };
        self.shows_nothing(&self.unknown, site, is_known, why);
    }

    fn shows_nothing(
        &self,
        is_said: &AtomicBool,
        site: &Site,
        is_known: bool,
        why: impl Fn() -> String,
    ) {
        if is_known {
            self.doubt.raise(site, &why);
        }
        if !is_said.swap(true, Ordering::Relaxed) {
            warn_loudly(format_args!("{}", why()));
        }
    }

    /// Notices that purges never find a page.
    fn count(&self, outcome: &Outcome, reply: &Reply, site: &Site, request: &PurgeRequest<'_>) {
        if !self.never_found.is_odd(outcome, request) {
            return;
        }
        let key = returned_key(reply).map_or_else(String::new, |key| {
            format!(", the last with the key {:?}", String::from_utf8_lossy(key))
        });
        warn_loudly(format_args!(
            "{}: the purges of {ODD} pages did not find one{key}. If visitors have seen those pages, they stay stale: compare \
             `ROAN_SITE` ({}) with the host that visitors ask for, the key of `proxy_cache_purge` with \
             `proxy_cache_key` (`$scheme` in one alone?), and the zone of `proxy_cache_purge` with `proxy_cache`",
            self.who,
            site.authority()
        ));
    }
}

/// The advice about an answer without a key.
fn cure(reply: &Reply, location: &NodeUrl, site: &Site) -> String {
    let path = location.path();
    if path.is_empty() {
        return "the purge URL does not have a path, so the app receives the request: write the URL of the purge location, such \
                as `http://localhost/purge`"
            .to_owned();
    }
    let localhost = localhost_hint(location, reply.from);
    format!(
        "check that the purge URL ({location}) is right, and that nginx's server for {} has `location ^~ {path}/` with \
         `proxy_cache_purge`, and add to that location `add_header X-Roan-Purge $roan_key always;`, with the same \
         key{localhost}",
        site.host()
    )
}

/// What to look at where `localhost` has two addresses.
pub(super) fn localhost_hint(location: &NodeUrl, from: Option<SocketAddr>) -> &'static str {
    if location.is_localhost() && from.is_some_and(|from| from.is_ipv6()) {
        "; `localhost` is [::1] here: add `listen [::]:80;` to that server, or write 127.0.0.1 in the purge URL"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::target::Target;

    #[test]
    fn what_answers_at_localhost_may_be_another_server() {
        let site = "www.example.org".parse().unwrap();
        let cure_of = |url: &str, from: &str| {
            let reply = Reply {
                status: http::StatusCode::NOT_FOUND,
                headers: http::HeaderMap::new(),
                from: from.parse().ok(),
                pause: None,
            };
            cure(&reply, &NodeUrl::parse(url, "").unwrap(), &site)
        };
        let hint = "`localhost` is [::1] here: add `listen [::]:80;`";
        assert!(cure_of("http://localhost/purge", "[::1]:80").contains(hint));
        assert!(!cure_of("http://localhost/purge", "127.0.0.1:80").contains(hint));
        assert!(!cure_of("http://10.0.0.1/purge", "10.0.0.1:80").contains(hint));
    }

    #[test]
    fn the_url_of_the_check_can_be_purged() {
        assert!(Target::url(CHECK_URL).is_ok());
    }
}
