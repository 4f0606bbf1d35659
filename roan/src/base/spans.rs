//! Spans of `tracing`, by the [semantic conventions](https://opentelemetry.io/docs/specs/semconv/) of OpenTelemetry.
//!
//! Their target is `roan::spans` and their level DEBUG, so that nobody has or pays for them by accident.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};

use super::log::emit;

/// Makes a span: see [`Tracked::new`].
macro_rules! tracked {
    ($($arguments:tt)+) => {
        $crate::base::spans::Tracked::new(|| {
            tracing::span!(target: "roan::spans", $($arguments)+)
        })
    };
}

pub(crate) use tracked;

/// Whether somebody listens. If not, this takes a nanosecond.
pub(crate) fn are_heard() -> bool {
    if LevelFilter::current() < Level::DEBUG {
        return false;
    }
    let mut heard = false;
    emit(|| heard = tracing::span_enabled!(target: "roan::spans", Level::DEBUG));
    heard
}

/// A span whose subscriber may panic, and may fire hooks. It ends when this is dropped: never do that under a lock.
pub(crate) struct Tracked(Span);

impl Tracked {
    /// Makes one, if somebody listens.
    pub(crate) fn new(make: impl FnOnce() -> Span) -> Self {
        let mut span = Span::none();
        if are_heard() {
            emit(|| span = make());
        }
        Self(span)
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Does something with the span, such as to record a field.
    pub(crate) fn with(&self, work: impl FnOnce(&Span)) {
        if !self.is_none() {
            emit(|| work(&self.0));
        }
    }

    /// Links it to the cause.
    pub(crate) fn follows(&self, cause: &Self) {
        self.with(|span| _ = span.follows_from(&cause.0));
    }

    /// Links it to the span of the program that is current on this thread.
    pub(crate) fn follows_current(&self) {
        self.with(|span| _ = span.follows_from(Span::current()));
    }

    /// Records that the work has failed. `kind` is one of few words; `why` contains no secret.
    pub(crate) fn failed(&self, kind: &str, why: &dyn fmt::Display) {
        self.with(|span| {
            span.record("error.type", kind);
            span.record("otel.status_code", "ERROR");
            span.record("otel.status_description", tracing::field::display(why));
        });
    }

    /// Runs the work inside of the span: events of the work belong to it.
    pub(crate) fn inside<T>(&self, work: impl FnOnce() -> T) -> T {
        let _inside = Inside::of(&self.0);
        work()
    }

    /// A future that is always inside of the span.
    pub(crate) fn around<F: Future>(&self, future: F) -> Around<'_, F> {
        let span = &self.0;
        Around { span, future }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let span = mem::replace(&mut self.0, Span::none());
        if !span.is_none() {
            emit(|| drop(span));
        }
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracked").field(&self.0.id()).finish()
    }
}

struct Inside<'a>(&'a Span);

impl<'a> Inside<'a> {
    fn of(span: &'a Span) -> Self {
        if !span.is_none() {
            emit(|| _ = span.with_subscriber(|(id, subscriber)| subscriber.enter(id)));
        }
        Self(span)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if !self.0.is_none() {
            emit(|| {
                _ = self
                    .0
                    .with_subscriber(|(id, subscriber)| subscriber.exit(id));
            });
        }
    }
}

pin_project! {
    /// See [`Tracked::around`].
    pub(crate) struct Around<'a, F> {
        span: &'a Span,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Around<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = Inside::of(this.span);
        this.future.poll(context)
    }
}
