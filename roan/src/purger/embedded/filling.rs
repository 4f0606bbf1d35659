//! Copies a body on its way to the visitor, and stores the copy when it is complete.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response};
use http_body::{Body, Frame};

use super::freshness::Lifetime;
use super::store::Fill;
use super::variant::{Selection, Variant};

/// The copy so far. If it is dropped, nothing is stored: the visitor disconnected, or the app failed.
pub(super) struct Filling {
    fill: Fill,
    request: HeaderMap,
    head: Response<()>,
    selection: Selection,
    lifetime: Lifetime,
    chunks: Vec<Bytes>,
    length: usize,
    max_length: usize,
    /// The length that the app has announced.
    expected: Option<u64>,
}

impl Filling {
    pub(super) fn new(
        fill: Fill,
        request: HeaderMap,
        head: Response<()>,
        selection: Selection,
        lifetime: Lifetime,
        max_length: usize,
    ) -> Self {
        Self {
            fill,
            request,
            head,
            selection,
            lifetime,
            chunks: Vec::new(),
            length: 0,
            max_length,
            expected: None,
        }
    }

    /// `None` if there is nothing to copy: the body is empty or too long.
    pub(super) fn begin<B: Body>(mut self, body: &B) -> Option<Self> {
        let promised = self.head.headers().get(CONTENT_LENGTH);
        let promised = promised.and_then(|length| length.to_str().ok()?.parse().ok());
        self.expected = promised.or_else(|| body.size_hint().exact());
        let max_length = u64::try_from(self.max_length).unwrap_or(u64::MAX);
        if self.expected > Some(max_length) {
            self.fill.refuse();
            return None;
        }
        // An HTTP server does not poll an empty body.
        if body.is_end_stream() {
            return self.end();
        }
        Some(self)
    }

    /// Copies a frame. Returns `None` after the last frame, or if the page will not be stored. An HTTP server may never poll
    /// for the end after that.
    pub(super) fn take(mut self, frame: &Frame<Bytes>, is_last: bool) -> Option<Self> {
        // Trailers are not stored, so a page with trailers is not stored either.
        let data = frame.data_ref();
        self.length += data.map_or(0, Bytes::len);
        let Some(data) = data.filter(|_| self.length <= self.max_length) else {
            self.fill.refuse();
            return None;
        };
        self.chunks.push(data.clone());
        if is_last || self.is_as_long_as_promised() {
            return self.end();
        }
        Some(self)
    }

    /// Stores the copy, if it is complete.
    pub(super) fn end(self) -> Option<Self> {
        if self.expected.is_none() || self.is_as_long_as_promised() {
            // A copy of exactly this size: a chunk may be a small part of a large buffer.
            let body = Bytes::from(self.chunks.concat());
            let variant = Variant::new(&self.head, self.selection, self.lifetime, body);
            self.fill.store(&self.request, variant);
        }
        None
    }

    fn is_as_long_as_promised(&self) -> bool {
        self.expected.is_some() && self.expected == u64::try_from(self.length).ok()
    }
}
