//! What is sent to the VCL, and what it says that it has done.
//!
//! Values travel in the request line and in headers. The VCL makes the expression of a ban from them, and quotes them.

use http::{HeaderName, HeaderValue, Method};

use crate::base::site::Site;
use crate::base::target::{Target, TargetKind};

/// Asks for a soft purge of a URL.
const SOFT: HeaderName = HeaderName::from_static("x-roan-soft");
/// What a ban is about: `prefix`, `host` or `everything`.
const BAN: HeaderName = HeaderName::from_static("x-roan-ban");
const PREFIX: HeaderName = HeaderName::from_static("x-roan-prefix");
const PURGE_TAGS: HeaderName = HeaderName::from_static("xkey-purge");
const SOFT_PURGE_TAGS: HeaderName = HeaderName::from_static("xkey-softpurge");

/// A request for a purge.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) method: Method,
    /// The path, with a query or without.
    pub(super) path: String,
    /// The lines beside `Host`.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) kind: TargetKind,
    /// The URL, the list of tags, or the prefix.
    value: String,
    soft: bool,
}

impl Order {
    /// The request for targets, of which there is one, or several tags. `None` if a value cannot be sent.
    pub(super) fn of(targets: &[Target], soft: bool) -> Option<Self> {
        let first = targets.first()?;
        let (kind, mut value) = (first.kind(), first.as_str().to_owned());
        let (mut method, mut path) = ("BAN", "/");
        let mut headers = Vec::new();
        let ban = |what| (BAN, HeaderValue::from_static(what));
        match kind {
            TargetKind::Url => {
                (method, path) = ("PURGE", first.as_str());
                headers.extend(soft.then(|| (SOFT, HeaderValue::from_static("1"))));
            }
            TargetKind::Tag => {
                let tags: Vec<_> = targets.iter().map(Target::as_str).collect();
                if !tags.iter().all(|tag| is_word(tag)) {
                    return None;
                }
                value = tags.join(" ");
                method = "PURGE";
                let name = if soft { SOFT_PURGE_TAGS } else { PURGE_TAGS };
                headers.push((name, HeaderValue::try_from(&value).ok()?));
            }
            TargetKind::Prefix => {
                // So that nothing ends the quotation in the VCL, `\Q...\E`, or its word.
                if !is_word(&value) || value.contains('\\') {
                    return None;
                }
                headers = vec![ban("prefix"), (PREFIX, HeaderValue::try_from(&value).ok()?)];
            }
            TargetKind::Host => headers.push(ban("host")),
            TargetKind::Everything => headers.push(ban("everything")),
        }
        Some(Self {
            method: Method::from_bytes(method.as_bytes()).ok()?,
            path: path.to_owned(),
            headers,
            kind,
            value,
            soft,
        })
    }

    /// What the VCL says it has done, for one of the forms in which it may know the host.
    fn expected(&self, host: &str) -> String {
        let soft = match self.soft {
            true => "soft-",
            false => "",
        };
        let value = &self.value;
        match self.kind {
            TargetKind::Url => format!("{soft}url {host}{value}"),
            TargetKind::Tag => format!("{soft}xkey {value}"),
            TargetKind::Prefix => format!("prefix {host}{value}"),
            TargetKind::Host => format!("host {host}"),
            TargetKind::Everything => "everything".to_owned(),
        }
    }

    /// Judges what the VCL says it has done.
    pub(super) fn judge(&self, said: &[u8], site: &Site) -> Said {
        let hosts = hosts(site);
        if hosts
            .iter()
            .any(|host| self.expected(host).as_bytes() == said)
        {
            return Said::Right;
        }
        if self.kind == TargetKind::Url
            && hosts.iter().any(|host| is_cut(said, &self.expected(host)))
        {
            return Said::Cut;
        }
        Said::Wrong {
            expected: self.expected(site.authority()),
        }
    }
}

/// What a VCL says that it has done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// What it should do.
    Right,
    /// The same for the URL without some parameters of the query, which this VCL removes from its keys.
    Cut,
    /// Something else.
    Wrong { expected: String },
}

/// The forms of a site's host: the VCL of the guide cuts a port that is the scheme's, others cut any.
fn hosts(site: &Site) -> Vec<&str> {
    let mut hosts = vec![site.authority(), site.host()];
    hosts.dedup();
    hosts
}

/// Visible ASCII: one word of an expression, one tag of a list.
fn is_word(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether `said` is `whole` without some of the parameters of its query.
fn is_cut(said: &[u8], whole: &str) -> bool {
    let Some((path, query)) = whole.split_once('?') else {
        return false;
    };
    let rest = match said.strip_prefix(path.as_bytes()) {
        Some([]) => return true,
        Some([b'?', rest @ ..]) => rest,
        _ => return false,
    };
    let mut all = query.split('&');
    rest.split(|byte| *byte == b'&')
        .all(|kept| all.any(|one| one.as_bytes() == kept))
}
