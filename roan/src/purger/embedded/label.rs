//! Labels: the names by which pages are found and purged, in one namespace.

use std::sync::Arc;

use crate::base::folder;
use crate::base::target::{Target, TargetKind};

/// A host with a URL, a tag, or an area. Without a host it means all hosts.
///
/// A URL begins with `/`, a tag with a space and an area with a NUL, and a host contains none of them, so labels are
/// unambiguous. A label with a host and a URL is the key of a page, in the form of nginx's `$host$request_uri`.
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

    /// All pages below a folder, which is a location that ends with a slash, or empty for all pages of the host.
    fn area(host: &str, folder: &str) -> Self {
        Self([host, "\0", folder].concat().into())
    }

    pub(super) fn of(target: &Target, host: &str) -> Self {
        match target.kind() {
            TargetKind::Url => Self::url(host, target.as_str()),
            TargetKind::Tag => Self::tag(host, target.as_str()),
            TargetKind::Prefix => Self::area(host, &folder::location(target.as_str())),
            TargetKind::Host => Self::area(host, ""),
            TargetKind::Everything => Self::area(Self::ANY_HOST, ""),
        }
    }

    /// Host and folder, if it is an area.
    pub(super) fn as_area(&self) -> Option<Area<'_>> {
        let (host, folder) = self.0.split_once('\0')?;
        Some(Area { host, folder })
    }

    /// The areas that a page with this key is in, as the fence notes them.
    pub(super) fn areas_around(&self) -> Vec<Self> {
        let (host, url) = self.host_and_url();
        let location = folder::location(url);
        let folders: Vec<_> = std::iter::once("")
            .chain(folder::folders(&location))
            .collect();
        let hosts = [Self::ANY_HOST, host].into_iter();
        hosts
            .flat_map(|host| folders.iter().map(move |folder| Self::area(host, folder)))
            .collect()
    }

    fn host_and_url(&self) -> (&str, &str) {
        self.0.split_at(self.0.find('/').unwrap_or(self.0.len()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The pages below a folder of a host, or of all hosts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area<'a> {
    host: &'a str,
    folder: &'a str,
}

impl Area<'_> {
    /// Whether the page with this key is in it.
    pub(super) fn covers(self, key: &Label) -> bool {
        let (host, url) = key.host_and_url();
        (self.host == Label::ANY_HOST || self.host == host) && folder::is_below(url, self.folder)
    }

    /// What the fence notes for its purge: one of [`areas_around`](Label::areas_around) of each page in it.
    pub(super) fn mark(self) -> Label {
        let folder = folder::folders(self.folder).last();
        Label::area(self.host, folder.unwrap_or_default())
    }
}
