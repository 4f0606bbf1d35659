//! Labels: the names by which pages are found and purged, in one namespace.

use std::sync::Arc;

use crate::base::target::{Target, TargetKind};

/// A host and a URL, or a host and a tag. Without a host it means all hosts.
///
/// A URL begins with `/` and a tag with a space, and a host contains neither, so labels are unambiguous. A label with a
/// host and a URL is the key of a page, in the form of nginx's `$host$request_uri`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Label(Arc<str>);

impl Label {
    /// All hosts, in place of one.
    pub(super) const ANY_HOST: &'static str = "";

    /// `url` is a path with an optional query.
    pub(super) fn url(host: &str, url: &str) -> Self {
        Self([host, url].concat().into())
    }

    pub(super) fn tag(host: &str, tag: &str) -> Self {
        Self([host, " ", tag].concat().into())
    }

    pub(super) fn of(target: &Target, host: &str) -> Self {
        match target.kind() {
            TargetKind::Url => Self::url(host, target.as_str()),
            _ => Self::tag(host, target.as_str()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
