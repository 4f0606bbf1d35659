//! Labels: by what pages are found and purged, in one name space.

use std::sync::Arc;

use crate::base::target::{Target, TargetKind};

/// A host and a URL, or a host and a tag; without the host it means all hosts.
///
/// As text a URL begins with `/` and a tag with a space, and neither is in a host, so no label can
/// be mistaken for another. With a host and a URL it is the key of a page, and has the form of
/// nginx's `$host$request_uri`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Label(Arc<str>);

impl Label {
    /// All hosts, in place of one.
    pub(super) const ANY_HOST: &'static str = "";

    /// `url` is a path with a query perhaps.
    pub(super) fn url(host: &str, url: &str) -> Self {
        Self([host, url].concat().into())
    }

    pub(super) fn tag(host: &str, tag: &str) -> Self {
        Self([host, " ", tag].concat().into())
    }

    pub(super) fn of(target: &Target, host: &str) -> Self {
        match target.kind() {
            TargetKind::Url => Self::url(host, target.as_str()),
            TargetKind::Tag => Self::tag(host, target.as_str()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
