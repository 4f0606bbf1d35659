//! Checks whether the configuration of a node lets purges reach pages, as far as its answers show.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;

use super::key::{Keys, Named};
use super::location::PurgeLocation;
use super::pattern::KeyPattern;
use super::status::classify;
use crate::base::canonical;
use crate::base::log::{loudly, warn_loudly};
use crate::base::outcome::Outcome;
use crate::base::site::Site;
use crate::purger::{Answer, PurgeRequest};

/// The URL of the purge at the start. Sites do not have such a page. It is always the same, because nginx keeps each purged
/// key until `inactive`. It contains an escape and a query, which a wrong purge location loses.
pub(super) const CHECK_URL: &str = "/.well-known/roan%2Dcheck?roan=check";

/// So many pages that were not found, and none that was, are suspicious.
pub(super) const ODD: usize = 20;

/// The answer of a node to a purge.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The key that it returned.
    pub(super) key: Option<Vec<u8>>,
    /// The server that answered.
    pub(super) from: Option<SocketAddr>,
    /// How long it asks to be left in peace.
    pub(super) pause: Option<Duration>,
}

/// The pages that a node should have had and did not have, until one is found.
#[derive(Debug)]
pub(super) struct NeverFound(Mutex<Option<HashSet<String>>>);

impl Default for NeverFound {
    fn default() -> Self {
        Self(Mutex::new(Some(HashSet::new())))
    }
}

impl NeverFound {
    /// Notes an answer, and returns whether this is the one that makes the node suspicious. A page counts once, however often
    /// and under whatever spelling it is purged.
    pub(super) fn is_odd(&self, outcome: &Outcome, request: &PurgeRequest<'_>) -> bool {
        let mut missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *outcome == Outcome::Purged {
            // From here on the node is not suspicious.
            *missing = None;
            return false;
        }
        let Some(pages) = missing.as_mut().filter(|_| request.is_expected) else {
            return false;
        };
        let url = request.target().as_str();
        pages.insert(canonical::path(url) + "?" + &canonical::parameters(url).join("&"));
        let is_odd = pages.len() >= ODD;
        if is_odd {
            *missing = None;
        }
        is_odd
    }
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
        }
    }

    /// The meaning of a reply to a purge.
    pub(super) fn answer(
        &self,
        reply: &Reply,
        method: &str,
        location: &PurgeLocation,
        site: &Site,
        request: &PurgeRequest<'_>,
    ) -> Answer {
        let answer = Answer::new(classify(reply.status, method)).status(reply.status.as_u16());
        if !answer.outcome.is_done() {
            return answer;
        }
        let answer = match &reply.key {
            None => {
                self.names_no_key(reply, location, site);
                answer
            }
            Some(key) => match self.keys.judge(key, site, request.target().as_str()) {
                Named::Right => answer.verified(),
                Named::Cut => answer,
                Named::Unknown => {
                    self.names_unknown_key(key);
                    answer
                }
                Named::Wrong(why) => return Answer::refused(why).status(reply.status.as_u16()),
            },
        };
        self.count(&answer.outcome, reply, site, request);
        answer
    }

    /// Logs what the reply to the purge of [`CHECK_URL`] shows, and returns whether it shows anything.
    pub(super) fn check(
        &self,
        reply: &Reply,
        method: &str,
        location: &PurgeLocation,
        site: &Site,
    ) -> bool {
        let unusable = match (classify(reply.status, method), &reply.key) {
            (Outcome::Failed(_), _) => return false,
            (Outcome::Refused(why), _) => format!("its purge location cannot be used: {why}"),
            (_, None) => {
                self.names_no_key(reply, location, site);
                return true;
            }
            (_, Some(key)) => match self.keys.judge(key, site, CHECK_URL) {
                Named::Wrong(why) => format!("purges do not reach the pages: {why}"),
                Named::Unknown => {
                    self.names_unknown_key(key);
                    return true;
                }
                Named::Right => {
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

    fn names_no_key(&self, reply: &Reply, location: &PurgeLocation, site: &Site) {
        if self.unnamed.swap(true, Ordering::Relaxed) {
            return;
        }
        let Reply { status, from, .. } = reply;
        let from = from.map_or_else(String::new, |from| format!(" from {from}"));
        let cure = cure(reply, location, site);
        warn_loudly(format_args!(
            "{who}: nothing shows that purges reach the pages: the answer{from} had status {status} and no \
             X-Roan-Purge, so it may be from the app or another server: {cure} (the docs of `roan::Nginx` have the \
             whole configuration)",
            who = self.who,
            status = status.as_u16(),
        ));
    }

    fn names_unknown_key(&self, key: &[u8]) {
        if self.unknown.swap(true, Ordering::Relaxed) {
            return;
        }
        warn_loudly(format_args!(
            "{}: nothing shows that purges reach the pages: the purge location returned the key {:?}, and Roan does not \
             know that form: set `ROAN_PURGE_KEY`, or `Nginx::key`, to the text after `proxy_cache_key`",
            self.who,
            String::from_utf8_lossy(key)
        ));
    }

    /// Notices that purges never find a page.
    fn count(&self, outcome: &Outcome, reply: &Reply, site: &Site, request: &PurgeRequest<'_>) {
        if !self.never_found.is_odd(outcome, request) {
            return;
        }
        let key = reply.key.as_deref().map_or_else(String::new, |key| {
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
fn cure(reply: &Reply, location: &PurgeLocation, site: &Site) -> String {
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
pub(super) fn localhost_hint(location: &PurgeLocation, from: Option<SocketAddr>) -> &'static str {
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
                status: StatusCode::NOT_FOUND,
                key: None,
                from: from.parse().ok(),
                pause: None,
            };
            cure(&reply, &url.parse().unwrap(), &site)
        };
        let hint = "`localhost` is [::1] here: add `listen [::]:80;`";
        assert!(cure_of("http://localhost/purge", "[::1]:80").contains(hint));
        assert!(!cure_of("http://localhost/purge", "127.0.0.1:80").contains(hint));
        assert!(!cure_of("http://10.0.0.1/purge", "10.0.0.1:80").contains(hint));
    }

    #[test]
    fn a_page_that_is_not_found_counts_once_and_only_if_it_should_be_there() {
        let note = |found: &NeverFound, url: &str, is_expected| {
            let target = Target::url(url).unwrap();
            let mut request = PurgeRequest::new(std::slice::from_ref(&target), None);
            request.is_expected = is_expected;
            found.is_odd(&Outcome::NotCached, &request)
        };
        let found = NeverFound::default();
        for page in 0..ODD - 1 {
            for spelling in ["", "/", "/?utm_source=x"] {
                assert!(!note(&found, &format!("/{page}{spelling}"), true));
            }
        }
        assert!(!note(&found, "/other", false));
        assert!(note(&found, "/0?page=2", true));
        // It is said once.
        assert!((0..ODD).all(|page| !note(&found, &format!("/later/{page}"), true)));

        let found = NeverFound::default();
        let target = Target::url("/").unwrap();
        assert!(!found.is_odd(
            &Outcome::Purged,
            &PurgeRequest::new(std::slice::from_ref(&target), None)
        ));
        assert!((0..ODD).all(|page| !note(&found, &format!("/{page}"), true)));
    }

    #[test]
    fn the_url_of_the_check_can_be_purged() {
        assert!(Target::url(CHECK_URL).is_ok());
    }
}
