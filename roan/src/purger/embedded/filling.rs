//! The copy that is taken of a body on its way to the visitor, and stored when it is whole.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response};
use http_body::{Body, Frame};

use super::freshness::Lifetime;
use super::store::Fill;
use super::variant::{Selection, Variant};

/// What was copied until now. Dropped, it stores nothing: the visitor has gone, or the app failed.
pub(super) struct Filling {
    fill: Fill,
    request: HeaderMap,
    head: Response<()>,
    selection: Selection,
    lifetime: Lifetime,
    chunks: Vec<Bytes>,
    length: usize,
    max_length: usize,
    /// The length that the app has promised.
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

    /// `None` when there is nothing to copy: the body is empty or too long.
    pub(super) fn begin<B: Body>(mut self, body: &B) -> Option<Self> {
        let promised = self.head.headers().get(CONTENT_LENGTH);
        let promised = promised.and_then(|length| length.to_str().ok()?.parse().ok());
        self.expected = promised.or_else(|| body.size_hint().exact());
        let max_length = u64::try_from(self.max_length).unwrap_or(u64::MAX);
        if self.expected > Some(max_length) {
            return None;
        }
        // An HTTP server does not ask an empty body for its frames.
        if body.is_end_stream() {
            return self.end();
        }
        Some(self)
    }

    /// Copies a frame. `None` when that was the last, or there is no use in going on. An HTTP
    /// server may never ask for the end after it.
    pub(super) fn take(mut self, frame: &Frame<Bytes>, is_last: bool) -> Option<Self> {
        // Trailers are not stored, so nor is a page that has some.
        let data = frame.data_ref()?;
        self.length += data.len();
        if self.length > self.max_length {
            return None;
        }
        self.chunks.push(data.clone());
        if is_last || self.is_as_long_as_promised() {
            return self.end();
        }
        Some(self)
    }

    /// Stores the copy, if it is whole.
    pub(super) fn end(self) -> Option<Self> {
        if self.expected.is_none() || self.is_as_long_as_promised() {
            // A copy of just that size: a chunk may be a small part of a large buffer.
            let body = Bytes::from(self.chunks.concat());
            let variant = Variant::new(&self.head, self.selection, self.lifetime, body);
            self.fill.store(self.head.headers(), &self.request, variant);
        }
        None
    }

    fn is_as_long_as_promised(&self) -> bool {
        self.expected.is_some() && self.expected == u64::try_from(self.length).ok()
    }
}
