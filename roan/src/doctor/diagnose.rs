//! Why a page stays in spite of its purge.

use super::finding::{Fault, Finding, Mend, Place};
use super::mend;
use super::patient::{Patient, Trial};
use super::visit::Seen;
use crate::base::outcome::{Failure, Outcome, Refusal};
use crate::base::target::Target;
use crate::purger::Answer;

/// A host that no site has: RFC 2606, section 2.
const NOBODY: &str = "roan-doctor.invalid";

impl Patient {
    /// What is wrong, if a trial of the plain page went wrong. `page` is the URL with nothing special in it.
    pub(super) async fn diagnose(&self, page: &Target, trial: &Trial) -> Finding {
        match trial {
            Trial::Unanswered(failure) => self.unanswered(page, failure).await,
            Trial::Stays { answer, after } => self.stays(page, answer, after).await,
            Trial::NotServed(seen) | Trial::NeverCached(seen) | Trial::Evicted(seen) => self
                .finding(
                    Fault::NotCached,
                    seen.told(),
                    "the page could not be looked at",
                    Vec::new(),
                ),
        }
    }

    async fn unanswered(&self, page: &Target, failure: &Failure) -> Finding {
        let again = self.purge(page).await;
        let page_answers = self.visitor.get(page, &[]).await.is_ok();
        let is_cut = |failure: &Failure| matches!(failure, Failure::Connection(_));
        let is_cut_again = matches!(&again.outcome, Outcome::Failed(failure) if is_cut(failure));
        if is_cut(failure) && is_cut_again && page_answers && self.has_purge_location() {
            let mut mends = mend::purge_location(self.path());
            mends.push(self.purge_url());
            return self.finding(
                Fault::InPlaceForm,
                format!("two purges ended without an answer ({failure}), and the page was served before and after"),
                "nginx's worker ends at each purge: so does the form `proxy_cache_purge PURGE from 127.0.0.1;` in the \
                 location of the pages, with the module of Debian 12 and others (its error log has \"exited on signal \
                 11\"). Remove that line, and make a location of its own for purges; Roan then sends GET \
                 (no ROAN_PURGE_METHOD)",
                mends,
            );
        }
        self.finding(
            Fault::Unreachable,
            format!("a purge was not answered: {failure}"),
            match self.is_nginx() {
                true => "the purge location cannot be reached: check the purge URL, and that this machine may connect to it",
                false => "the node cannot be reached: check its address, and that this machine may connect to it",
            },
            vec![self.purge_url()],
        )
    }

    fn purge_url(&self) -> Mend {
        if !self.is_nginx() {
            return self.address();
        }
        let origin = self.node_origin();
        let path = if self.path().is_empty() {
            "/purge"
        } else {
            self.path()
        };
        Mend::new(Place::Environment, format!("ROAN_PURGE_URL={origin}{path}"))
    }

    /// The address of a server that has no purge location.
    pub(super) fn address(&self) -> Mend {
        let origin = self.node_origin();
        Mend::new(Place::Environment, format!("ROAN_PURGE_URL={origin}"))
    }

    /// Where purges go.
    fn node_origin(&self) -> &str {
        let access = self.visitor.access.as_ref();
        access.map_or("http://localhost", |access| &access.origin)
    }

    async fn stays(&self, page: &Target, answer: &Answer, after: &Seen) -> Finding {
        let asked = self
            .visitor
            .ask_to_purge(page.as_str(), self.site.authority(), None)
            .await;
        let Some(Ok(reply)) = asked else {
            return self.stays_in_other(page, answer, after);
        };
        let seen = format!(
            "the purge of {page} was answered with status {}{}, and then the page: {}",
            reply.status,
            match reply.key() {
                Some(key) => format!(" for the key {key:?}"),
                None => " and no X-Roan-Purge".to_owned(),
            },
            after.told()
        );
        let mends = || mend::purge_location(self.path());
        let Some(key) = reply.key() else {
            return self.no_key(answer, &reply, seen);
        };
        let host = self.site.host();
        if !key.contains(host) {
            return match self.is_shared_by_hosts(page).await {
                true => self.elsewhere(seen),
                false => self.finding(
                    Fault::KeyHost,
                    seen,
                    format!("the key of the purge does not have the host {host}, and that of the page has"),
                    mends(),
                ),
            };
        }
        if let Some(scheme) = scheme_of(&key, host) {
            return self.finding(
                Fault::KeyScheme,
                seen,
                format!(
                    "the key of the purge begins with {scheme:?}, the scheme of the purge, and that of the page with the scheme of \
                     its visitors: leave `$scheme` out of both"
                ),
                mends(),
            );
        }
        if self.is_shared_by_hosts(page).await {
            return self.finding(
                Fault::KeyHost,
                format!("{seen}. The page is served from the cache to the host {NOBODY}, too"),
                "the key of the page does not have the host, and that of the purge has. (Without `proxy_cache_key`, nginx takes \
                 `$scheme$proxy_host$request_uri`.) So the sites of this nginx share their pages, too",
                mends(),
            );
        }
        if let Some(scheme) = self.scheme_in_page_key(page).await {
            return self.finding(
                Fault::KeyScheme,
                format!("{seen}. A purge with the key \"{scheme}{key}\" removed it"),
                "the key of the page begins with `$scheme`, and that of the purge does not",
                mends(),
            );
        }
        self.elsewhere(seen)
    }

    fn elsewhere(&self, seen: String) -> Finding {
        self.finding(
            Fault::NotEvicted,
            seen,
            "purges do not reach the page, though their key looks right: the key of the page has something else in it, or the page \
             is in another zone than `proxy_cache_purge` names. Have one key and one zone for both",
            mend::purge_location(self.path()),
        )
    }

    /// An answer without a key.
    fn no_key(&self, answer: &Answer, reply: &Seen, seen: String) -> Finding {
        let path = self.path();
        let mut mends = mend::purge_location(path);
        if let Outcome::Refused(Refusal::Node(why)) = &answer.outcome
            && matches!(reply.status, 401 | 403 | 405 | 407)
        {
            let allow = "this machine's address after `allow`, in place of 127.0.0.1";
            return self.finding(
                Fault::Refused,
                seen,
                format!("the purge location refuses: {why} ({allow})"),
                mends,
            );
        }
        mends.insert(0, mend::module());
        let why = if path.is_empty() {
            mends.push(self.purge_url());
            "the purge URL does not have a path, so purges reach the app or the cache itself: nginx needs a purge location and \
             its module, and Roan the URL of that location"
                .to_owned()
        } else {
            format!(
                "no purge location answers at {path}/: nginx does not have one in its server for {}, or another location takes \
                 its requests, or nginx is without the cache-purge module, which the location needs. (Without the module there is \
                 `ROAN_REFRESH_SECRET`: see roan::guide::refresh.)",
                self.site.host()
            )
        };
        self.finding(Fault::NoPurgeLocation, seen, why, mends)
    }

    /// Whether another host gets this page from the cache at once.
    async fn is_shared_by_hosts(&self, page: &Target) -> bool {
        // It must be in the cache for its own host.
        if !matches!(self.warm(page, &[]).await, Ok(Ok(_))) {
            return false;
        }
        let seen = self.visitor.get_at(page, NOBODY, &[]).await;
        seen.is_ok_and(|seen| seen.is_cached() && seen.status == 200)
    }

    /// Looks whether the page goes by a purge whose host is the scheme and the host: then its key is `$scheme$host...`.
    async fn scheme_in_page_key(&self, page: &Target) -> Option<&'static str> {
        for scheme in ["http", "https"] {
            let host = format!("{scheme}{}", self.site.host());
            let asked = self.visitor.ask_to_purge(page.as_str(), &host, None).await;
            let named = asked?.ok()?.key()?;
            if !named.starts_with(&host) {
                return None;
            }
            let after = self.visitor.get(page, &[]).await.ok()?;
            if !after.is_cached() {
                return Some(scheme);
            }
        }
        None
    }
}

/// The scheme before the host in a key.
fn scheme_of(key: &str, host: &str) -> Option<&'static str> {
    let (before, _) = key.split_once(host)?;
    let before = before.trim_end_matches("://");
    ["https", "http"]
        .into_iter()
        .find(|scheme| before.starts_with(scheme))
}
