//! Why an answer is not shared.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::mem::{self, Discriminant};

use http::HeaderName;

use crate::base::counted::counted;
use crate::base::lock::Mutex;
use crate::base::log::{emit, warn_loudly};
use crate::base::target::TargetError;
use crate::model::InvalidTarget;
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
    UnknownHost {
        host: String,
        /// The hosts that have a site.
        known: String,
    },
    Url(TargetError),
    Tag(InvalidTarget),
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
            | Self::UnknownHost { .. }
            | Self::Tag(_)
            | Self::TagLines(_)
            | Self::Late
            | Self::Held(Held::Full(_)) => true,
        }
    }

    /// Whether a setting or the code must change, so that a person must hear of it who does not read a log.
    fn is_mistake(&self, wanted: bool) -> bool {
        match self {
            Self::UnknownHost { .. }
            | Self::Tag(_)
            | Self::TagLines(_)
            | Self::Late
            | Self::Held(Held::Full(Full::Spellings(_) | Full::Keys(_))) => true,
            // Not of an answer that is endless by its nature, and that nobody meant to share.
            Self::Streamed => wanted,
            // It depends on the visitor, or passes.
            _ => false,
        }
    }

    /// What the reason is the same for: a host has many pages.
    fn subject<'a>(&'a self, path: &'a str) -> &'a str {
        match self {
            Self::UnknownHost { host, .. } => host,
            _ => path,
        }
    }

    fn kind(&self) -> Kind {
        let limit = match self {
            Self::Held(Held::Full(limit)) => Some(mem::discriminant(limit)),
            _ => None,
        };
        (mem::discriminant(self), limit)
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
            Self::UnknownHost { host, known } => write!(
                f,
                "no site has the host {host:?}, so nobody could purge it (the sites have {known}): add it with \
                 `RoanBuilder::site`, `RoanBuilder::named_site` or `ROAN_SITE`"
            ),
            Self::Url(error) => write!(f, "its URL cannot be purged: {error}"),
            Self::Tag(InvalidTarget { rule, error }) => match rule {
                Some(rule) => write!(f, "rule {rule} yields an invalid tag: {error}"),
                None => write!(f, "it has an invalid tag: {error}"),
            },
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
                "the path is cached under {} already (queries, `//`, escapes). If they are different pages, write \
                 `Web::new().max_spellings({})`. If visitors make them up, answer those URLs with 404 or a redirect, or \
                 add their parameters to the list in nginx's `map $request_uri $roan_uri`",
                counted(*most, "URL"),
                most.saturating_mul(10)
            ),
            Self::Held(Held::Full(Full::Keys(most))) => {
                let most = counted(*most, "tag");
                write!(f, "it has more than {most}: raise `Web::max_tags`")
            }
            Self::Held(Held::Full(Full::Queue)) => f.write_str(
                "the purge of an older page cannot be queued: the dispatcher is full or was shut down",
            ),
        }
    }
}

/// Kinds of reasons are counted, each on its own: visitors must not hide one by another.
type Kind = (Discriminant<Reason>, Option<Discriminant<Full>>);

/// The answers that were logged, each path or host once for each kind of reason.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<Kind, HashSet<String>>>);

impl Told {
    /// Beyond it no more of a kind is logged: visitors make up paths.
    const MOST: usize = 1000;

    pub(super) fn tell(&self, path: &str, reason: &Reason, wanted: bool) {
        if !reason.is_told(wanted) {
            emit(|| tracing::debug!(target: "roan", path, %reason, "page not shared"));
            return;
        }
        let Some(number) = self.note(path, reason) else {
            return;
        };
        let further = match reason {
            Reason::Held(Held::Full(Full::Spellings(_))) => "a further URL of ",
            _ => "",
        };
        if reason.is_mistake(wanted) && number.is_power_of_two() {
            warn_loudly(format_args!("{further}{path} is not cached: {reason}"));
        } else {
            emit(|| tracing::warn!(target: "roan", "{further}{path} is not cached: {reason}"));
        }
    }

    /// Returns the number of its kind, if it is new.
    fn note(&self, path: &str, reason: &Reason) -> Option<usize> {
        let mut told = self.0.lock();
        let of_kind = told.entry(reason.kind()).or_default();
        let subject = reason.subject(path);
        let is_new = of_kind.len() < Self::MOST && !of_kind.contains(subject);
        is_new.then(|| {
            of_kind.insert(subject.to_owned());
            of_kind.len()
        })
    }
}
