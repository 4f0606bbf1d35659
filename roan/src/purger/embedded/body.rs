//! The body of a response: from the cache, or from the app and copied into the cache.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::filling::Filling;

pin_project! {
    /// The body of a response from an [`Embedded`](super::Embedded) cache.
    ///
    /// It passes the body of the app on frame by frame, without delay.
    pub struct CacheBody<B> {
        #[pin]
        source: Source<B>,
    }
}

pin_project! {
    #[project = Projected]
    enum Source<B> {
        Stored { bytes: Option<Bytes> },
        App { #[pin] body: B, filling: Option<Filling> },
    }
}

impl<B: Body<Data = Bytes>> CacheBody<B> {
    pub(super) fn stored(bytes: Bytes) -> Self {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        Self {
            source: Source::Stored { bytes },
        }
    }

    pub(super) fn passed(body: B) -> Self {
        Self {
            source: Source::App {
                body,
                filling: None,
            },
        }
    }

    pub(super) fn filling(body: B, filling: Filling) -> Self {
        let filling = filling.begin(&body);
        Self {
            source: Source::App { body, filling },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for CacheBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().source.project() {
            Projected::Stored { bytes } => Poll::Ready(bytes.take().map(Frame::data).map(Ok)),
            Projected::App { mut body, filling } => {
                let frame = ready!(body.as_mut().poll_frame(context));
                if let Some(open) = filling.take() {
                    *filling = match &frame {
                        Some(Ok(frame)) => open.take(frame, body.is_end_stream()),
                        Some(Err(_)) => None,
                        None => open.end(),
                    };
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Stored { bytes } => bytes.is_none(),
            Source::App { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Stored { bytes } => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Source::App { body, .. } => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for CacheBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBody").finish_non_exhaustive()
    }
}
