//! The body of an answer on its way to the visitor. Caches store the page when it has ended.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::page::Page;
use super::sent::{Sent, Work};

pin_project! {
    /// The body of a response from the [`WebLayer`](super::WebLayer).
    ///
    /// It passes the body of the app on frame by frame. Code that makes the frames finds the [`Page`].
    pub struct WebBody<B: Body> {
        #[pin]
        body: B,
        page: Page,
        sent: Option<Sent>,
        ending: Option<Ending<B::Data>>,
    }
}

/// What is to be done before the visitor gets the end of the body.
struct Ending<D> {
    work: Work,
    /// A cache that knows the length of the body does not wait for more than this.
    last: Option<Frame<D>>,
}

impl<B: Body> WebBody<B> {
    /// `sent`: the page, if caches may store it.
    pub(super) fn new(body: B, page: Page, sent: Option<Sent>) -> Self {
        let mut sent = sent;
        if body.is_end_stream() {
            // An HTTP server does not poll an empty body.
            sent = None;
        }
        Self {
            body,
            page,
            sent,
            ending: None,
        }
    }
}

impl<B: Body> Body for WebBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        if this.ending.is_none() {
            let body = this.body.as_mut();
            let frame = ready!(this.page.enter_blocking(|| body.poll_frame(context)));
            let is_last = !matches!(frame, Some(Ok(_))) || this.body.is_end_stream();
            let sent = this.sent.take_if(|_| is_last);
            let Some(mut sent) = sent else {
                return Poll::Ready(frame);
            };
            let last = match frame {
                Some(Ok(frame)) => Some(frame),
                Some(Err(error)) => {
                    sent.break_off();
                    return Poll::Ready(Some(Err(error)));
                }
                None => None,
            };
            match sent.end() {
                Some(work) => *this.ending = Some(Ending { work, last }),
                None => return Poll::Ready(last.map(Ok)),
            }
        }
        if let Some(ending) = this.ending {
            ready!(ending.work.as_mut().poll(context));
        }
        let last = this.ending.take().and_then(|ending| ending.last);
        Poll::Ready(last.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.sent.is_none() && self.ending.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.ending {
            Some(_) => SizeHint::default(),
            None => self.body.size_hint(),
        }
    }
}

impl<B: Body> fmt::Debug for WebBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebBody").finish_non_exhaustive()
    }
}
