//! A request that changes something: what fires in it goes into its answer, too, so that caches on the way drop it at once.

use hashbrown::HashSet;
use http::header::CONTENT_LOCATION;
use http::{HeaderValue, Request, Response};

use super::WebLayer;
use crate::base::target::{Target, TargetKind, TargetRef};
use crate::pages::{Fired, host};

/// What fired in a request.
#[derive(Debug, Default)]
pub(super) struct Write {
    host: Option<String>,
    targets: HashSet<Target>,
    pub(super) location: Option<Target>,
}

impl Write {
    /// The most targets that are remembered, so that an import in one request does not hold them all. The dispatcher
    /// purges each of them anyway.
    const MOST: usize = 1000;

    /// `None` if the method is safe.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        (!request.method().is_safe()).then(|| Self {
            host: host(request.uri(), request.headers()),
            ..Self::default()
        })
    }

    pub(super) fn fires(&mut self, target: TargetRef<'_>) {
        if self.targets.len() < Self::MOST && !self.targets.contains(&target) {
            self.targets.insert(target.to_target());
        }
    }
}

impl WebLayer {
    /// Writes into the head of the answer what it makes stale.
    pub(super) fn finish_write<B>(&self, write: Write, response: &mut Response<B>) {
        let status = response.status();
        if !status.is_success() && !status.is_redirection() {
            return;
        }
        let hosts = &self.pages().hosts;
        let mut tags: Vec<_> = write
            .targets
            .iter()
            .filter(|target| target.kind() == TargetKind::Tag)
            .filter(|tag| tag.site().is_none() || hosts.host(tag.site()) == write.host.as_deref())
            .collect();
        tags.sort_unstable_by_key(|tag| tag.as_str());
        tags.dedup_by_key(|tag| tag.as_str());
        let lines = self.headers().invalidation_lines(&tags);
        let headers = response.headers_mut();
        for (name, line) in lines {
            headers.append(name, line);
        }
        if let Some(location) = write.location.as_ref().and_then(reference)
            && !headers.contains_key(CONTENT_LOCATION)
        {
            headers.insert(CONTENT_LOCATION, location);
        }
        if self.headers().in_program && !write.targets.is_empty() {
            let host = |target: &Target| hosts.host(target.site()).unwrap_or_default().to_owned();
            let targets = write.targets.into_iter();
            let targets = targets.map(|target| (host(&target), target)).collect();
            response.extensions_mut().insert(Fired(targets));
        }
    }
}

/// A URL as a reference (RFC 3986, section 4.2): what begins with `//` would be a host.
fn reference(url: &Target) -> Option<HeaderValue> {
    let url = url.as_str();
    let dot = if url.starts_with("//") { "/." } else { "" };
    HeaderValue::try_from(format!("{dot}{url}")).ok()
}
