//! Why an answer is not shared.

use std::collections::HashSet;
use std::fmt;
use std::mem;
use std::sync::{Mutex, PoisonError};

use http::HeaderName;

use crate::base::log::emit;
use crate::base::target::TargetError;
use crate::pages::{Full, Held};

/// Why no shared cache may store an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// The handler wants it so.
    Policy,
    SetCookie,
    Authorization,
    Session(String),
    Status(u16),
    Streamed,
    NoHost,
    UnknownHost(String),
    Url(TargetError),
    Tag(TargetError),
    TagLines(HeaderName),
    Held(Held),
    /// The handler has said something about an earlier answer after its head had left.
    Late,
}

impl Reason {
    /// Whether it is worth a word: the handler meant to share the answer, or a setting or a limit is in the way.
    fn is_told(&self, wanted: bool) -> bool {
        match self {
            Self::Policy | Self::Status(_) | Self::Held(Held::Purged) => false,
            // Its reason is logged once for all pages.
            #[cfg(feature = "_sql")]
            Self::Held(Held::Unrecorded) => false,
            Self::SetCookie
            | Self::Authorization
            | Self::Session(_)
            | Self::NoHost
            | Self::Url(_) => wanted,
            Self::Streamed
            | Self::UnknownHost(_)
            | Self::Tag(_)
            | Self::TagLines(_)
            | Self::Late
            | Self::Held(Held::Full(_)) => true,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => f.write_str("the handler does not share it"),
            Self::SetCookie => f.write_str("it sets a cookie"),
            Self::Authorization => f.write_str("the request has `Authorization`"),
            Self::Session(name) => write!(f, "the request has the session cookie `{name}`"),
            Self::Status(status) => write!(f, "its status is {status}"),
            Self::Streamed => f.write_str(
                "its body is a stream, which may read rows after the head was sent: if it does not, call \
                 `roan::web::complete()`",
            ),
            Self::NoHost => f.write_str("the request does not have a usable `Host`"),
            Self::UnknownHost(host) => write!(
                f,
                "no site has the host {host:?}, so nobody could purge it: add it with `RoanBuilder::site` or \
                 `RoanBuilder::named_site`"
            ),
            Self::Url(error) => write!(f, "its URL cannot be purged: {error}"),
            Self::Tag(error) => write!(f, "it has an invalid tag: {error}"),
            Self::TagLines(header) => write!(
                f,
                "it has more tags than `{header}` may carry: tag it with fewer rows"
            ),
            Self::Late => f.write_str(
                "its handler calls `show`, `show_all`, `tag` or `cache` after the head of the answer has left, which is too \
                 late: call them before the handler returns, also if the body is a stream",
            ),
            Self::Held(Held::Purged) => f.write_str("it was purged while it was rendered"),
            #[cfg(feature = "_sql")]
            Self::Held(Held::Unrecorded) => {
                f.write_str("the outbox's database did not record it in time")
            }
            Self::Held(Held::Full(Full::Spellings(most))) => write!(
                f,
                "the path is cached under {most} URLs already (queries, `//`, escapes). If they are different pages, write \
                 `Web::new().max_spellings({})`. If visitors make them up, answer those URLs with 404 or a redirect, or \
                 add their parameters to the list in nginx's `map $request_uri $roan_uri`",
                most.saturating_mul(10)
            ),
            Self::Held(Held::Full(Full::Keys(most))) => {
                write!(f, "it has more than {most} tags: raise `Web::max_tags`")
            }
            Self::Held(Held::Full(Full::Queue)) => f.write_str(
                "the purge of an older page cannot be queued: the dispatcher is full or was shut down",
            ),
        }
    }
}

/// The answers that were logged, each path once for each kind of reason.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashSet<(String, mem::Discriminant<Reason>)>>);

impl Told {
    /// Beyond it nothing more is logged: visitors make up paths.
    const MOST: usize = 1000;

    pub(super) fn tell(&self, path: &str, reason: &Reason, wanted: bool) {
        if !reason.is_told(wanted) {
            emit(|| tracing::debug!(target: "roan", path, %reason, "page not shared"));
            return;
        }
        let is_first = {
            let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            told.len() < Self::MOST && told.insert((path.to_owned(), mem::discriminant(reason)))
        };
        let further = match reason {
            Reason::Held(Held::Full(Full::Spellings(_))) => "a further URL of ",
            _ => "",
        };
        if is_first {
            emit(|| tracing::warn!(target: "roan", "{further}{path} is not cached: {reason}"));
        }
    }
}
