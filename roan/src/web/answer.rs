//! What becomes of an answer: shared with every visitor, or not.

use std::sync::Arc;
use std::time::Instant;

use http::header::SET_COOKIE;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body::Body;

use super::headers::{forbids_sharing, join_vary, says_lifetime};
use super::page::{Notes, Page};
use super::reason::Reason;
use super::sent::Sent;
use super::visit::Visit;
use super::{CachePolicy, WebLayer};
use crate::base::counted::counted;
use crate::base::history::{Because, By};
use crate::base::log::loudly;
use crate::base::target::{Target, TargetRef};
use crate::dispatcher::Onward;
use crate::pages::{Asked, Held, Leave, Pages, Raced, Sharing};

/// An answer that may be shared, unless it was purged while it was rendered.
struct Sharable {
    asked: Asked,
    tags: Arc<[Target]>,
    lines: Vec<(HeaderName, HeaderValue)>,
}

impl WebLayer {
    /// Writes into the head of the answer what caches may do with it. Returns the page if they may store it.
    pub(super) async fn finish<B: Body>(
        &self,
        visit: Visit,
        mut notes: Notes,
        page: &Page,
        response: &mut Response<B>,
    ) -> Option<Sent> {
        let explicit = notes.policy.take();
        let explicit = explicit.or_else(|| response.extensions().get::<CachePolicy>().copied());
        let by_default = self
            .settings()
            .policy
            .filter(|_| is_plain(response.status()) && !says_lifetime(response.headers()));
        let policy = explicit.or(by_default);
        let wanted = policy.is_some_and(|policy| policy.lifetime().is_some());
        let judged = match self.judge(&visit, notes, policy, response) {
            Ok(sharable) => self.release(&visit, sharable).await,
            Err(reason) => Err(reason),
        };
        let sent = match judged {
            Ok((sharable, at)) => {
                let (asked, keys) = self.share(sharable, policy, response);
                let page = page.clone();
                let sent = Sent::new(self.clone(), page, visit.render, asked, keys, at);
                Some(sent)
            }
            Err(reason) => {
                if let (Reason::Policy, Some(policy)) = (&reason, &policy) {
                    let status = response.status();
                    self.headers().share(response.headers_mut(), policy, status);
                }
                self.headers().hold(response.headers_mut());
                if reason == Reason::Held(Held::Purged) {
                    response.extensions_mut().insert(Raced);
                }
                self.told().tell(visit.path(), &reason, wanted);
                None
            }
        };
        join_vary(response.headers_mut());
        sent
    }

    fn share<B>(
        &self,
        sharable: Sharable,
        policy: Option<CachePolicy>,
        response: &mut Response<B>,
    ) -> (Asked, Arc<[Target]>) {
        let Sharable { asked, tags, lines } = sharable;
        let status = response.status();
        let headers = response.headers_mut();
        if let Some(policy) = &policy {
            self.headers().share(headers, policy, status);
        }
        for (name, line) in lines {
            headers.append(name, line);
        }
        if self.headers().in_program {
            let hosts = &self.pages().hosts;
            let host = |tag: &Target| hosts.host(tag.site()).unwrap_or_default().to_owned();
            let tags: Arc<[_]> = tags.iter().map(|tag| (host(tag), tag.clone())).collect();
            let lifetime = policy.as_ref().and_then(CachePolicy::lifetime);
            response.extensions_mut().insert(Sharing { lifetime, tags });
        }
        (asked, tags)
    }

    /// What the answer carries, or why it is not for all visitors.
    fn judge<B: Body>(
        &self,
        visit: &Visit,
        notes: Notes,
        policy: Option<CachePolicy>,
        response: &Response<B>,
    ) -> Result<Sharable, Reason> {
        let headers = response.headers();
        let is_refused = match policy {
            Some(policy) => policy.lifetime().is_none(),
            None => forbids_sharing(headers),
        };
        if is_refused {
            return Err(Reason::Policy);
        }
        if headers.contains_key(SET_COOKIE) {
            return Err(Reason::SetCookie);
        }
        if let Some(private) = &visit.private {
            return Err(private.clone());
        }
        let status = response.status();
        let says_nothing = policy.is_none() && !says_lifetime(headers);
        // Visitors make up URLs that are not found: they must not push pages out of the index.
        if policy.is_some() && !may_be_shared(status) || says_nothing && is_error(status) {
            return Err(Reason::Status(status.as_u16()));
        }
        if self.late().is_known(visit.path()) {
            return Err(Reason::Late);
        }
        if let Some(mistake) = notes.mistake {
            return Err(Reason::Tag(mistake));
        }
        // A file that says itself how long it is kept does not show rows.
        let is_file = policy.is_none() && notes.tags.is_empty() && says_lifetime(headers);
        if !notes.complete && !is_file && is_streamed(response.body()) {
            return Err(Reason::Streamed);
        }
        let host = visit.host.as_deref().ok_or(Reason::NoHost)?;
        let hosts = &self.pages().hosts;
        let site = hosts.site(host).ok_or_else(|| Reason::UnknownHost {
            host: host.to_owned(),
            known: hosts.shown(),
        })?;
        let asked = Pages::asked(&visit.url, site).map_err(Reason::Url)?;

        // The usual case, and cheap for a page with many tags.
        let known = (self.pages()).known_keys(&asked, |keys| notes.tags.are(keys));
        let tags = known.unwrap_or_else(|| self.canonical(notes.tags.to_vec()).into());
        let lines = self.headers().tag_lines(&tags).map_err(Reason::TagLines)?;
        Ok(Sharable { asked, tags, lines })
    }

    /// The tags, each at the one site of its host. What caches read is sorted, so that it is the same each time.
    fn canonical(&self, mut tags: Vec<Target>) -> Vec<Target> {
        let hosts = &self.pages().hosts;
        let have_sites = tags.iter().any(|tag| tag.site().is_some());
        if have_sites {
            let canonical = tags.into_iter().map(|tag| hosts.canonical_of(tag));
            tags = canonical.collect();
        }
        if have_sites || self.headers().have_tags() {
            tags = Target::sorted(tags);
            tags.dedup();
        }
        tags
    }

    /// Puts the page into the index, so that it may enter a cache, and returns when it leaves.
    async fn release(
        &self,
        visit: &Visit,
        sharable: Sharable,
    ) -> Result<(Sharable, Instant), Reason> {
        let Sharable { asked, tags, .. } = &sharable;
        let mut stragglers = Vec::new();
        let purge = |old: &Target, until: Option<Instant>| {
            stragglers.extend(until.map(|until| (old.clone(), until)));
            let because = Because::Of(By::Unknown);
            self.engine().lets_in(TargetRef::from(old), because)
        };
        let leave = visit.render.release(asked, tags, purge).await;
        for (old, until) in stragglers {
            self.engine().purge_once_more(old, Onward::default(), until);
        }
        let Leave { at, too_often } = leave.map_err(Reason::Held)?;
        if let Some(tag) = too_often {
            loudly(format_args!(
                "{tag} is on more than {}: each of its purges sends a request for each page to a cache without \
                 tags (`Web::max_pages_of_a_tag`)",
                counted(self.settings().limits.pages_of_a_key, "page")
            ));
        }
        Ok((sharable, at))
    }
}

/// Whether the body is still being made when the head leaves.
fn is_streamed<B: Body>(body: &B) -> bool {
    body.size_hint().exact().is_none() && !body.is_end_stream()
}

/// The statuses that the default policy is for.
fn is_plain(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 304)
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// The statuses that a handler's policy is for: those that say something about the page, not about the server.
fn may_be_shared(status: StatusCode) -> bool {
    is_plain(status)
        || matches!(
            status.as_u16(),
            300 | 301 | 302 | 303 | 307 | 308 | 404 | 405 | 410 | 414 | 501
        )
}
