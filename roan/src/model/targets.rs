//! The writer that generated code hands a row's values to.

use std::cell::Cell;
use std::fmt::{Display, Write};

use super::value::{OptionalUrlValue, Pages, UrlValue};
use crate::encode::{Encoder, Place};
use crate::target::{TargetError, TargetKind, TargetRef, check_rendered_url, check_tag, shortened};

thread_local! {
    /// Targets are rendered here, so that one which already waits costs no allocation.
    static BUFFER: Cell<String> = const { Cell::new(String::new()) };
}

/// A buffer larger than this is given back to the allocator rather than kept for the next row.
const KEPT_BUFFER: usize = 4 * 1024;

/// Where the targets of a row go.
pub(crate) trait Sink {
    /// Takes a target that is fit to be purged.
    fn target(&mut self, target: TargetRef<'_>);
    /// Takes the reason why a rule could yield no target.
    fn refused(&mut self, error: TargetError);
}

/// Takes what the rules of a [`Model`](super::Model) yield for one row.
#[expect(
    missing_debug_implementations,
    reason = "lives for one call, in generated code"
)]
pub struct Targets<'a> {
    sink: &'a mut dyn Sink,
}

impl<'a> Targets<'a> {
    pub(crate) fn new(sink: &'a mut dyn Sink) -> Self {
        Self { sink }
    }

    /// Yields the URL of a `url = "..."` rule without captures.
    #[doc(hidden)]
    pub fn fixed_url(&mut self, site: Option<&'static str>, url: &'static str) {
        match site {
            // Checked when it was compiled, all of it.
            None => self.sink.target(TargetRef::new(TargetKind::Url, url, 0)),
            Some(_) => self.url(site, url).end(),
        }
    }

    /// Begins the URL of a `url = "..."` rule; [`Writer::end`] yields it.
    #[doc(hidden)]
    pub fn url(&mut self, site: Option<&'static str>, start: &'static str) -> Writer<'_> {
        Writer::new(self.sink, TargetKind::Url, site).literal(start)
    }

    /// Begins the tag of a `tag = "..."` rule; [`Writer::end`] yields it.
    #[doc(hidden)]
    pub fn tag(&mut self, site: Option<&'static str>, start: &'static str) -> Writer<'_> {
        Writer::new(self.sink, TargetKind::Tag, site).literal(start)
    }

    /// Yields what the function of a `urls = path` rule returns.
    #[doc(hidden)]
    pub fn urls<'m, M, F>(&mut self, site: Option<&'static str>, model: &'m M, pages: F)
    where
        F: Pages<'m, M>,
    {
        for target in pages.pages_of(model) {
            match (target, site) {
                (Ok(target), Some(site)) if target.site().is_none() => {
                    self.sink.target(TargetRef::from(&target.at_site(site)));
                }
                (Ok(target), _) => self.sink.target(TargetRef::from(&target)),
                (Err(error), _) => self.sink.refused(error),
            }
        }
    }
}

/// Writes one URL or tag, piece by piece.
#[doc(hidden)]
#[expect(
    missing_debug_implementations,
    reason = "lives for one call, in generated code"
)]
pub struct Writer<'a> {
    sink: &'a mut dyn Sink,
    kind: TargetKind,
    site_len: usize,
    text: String,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// A `{field?}` was `None`: the rule yields nothing.
    Void,
    /// A `Display` failed.
    Failed,
}

impl<'a> Writer<'a> {
    fn new(sink: &'a mut dyn Sink, kind: TargetKind, site: Option<&'static str>) -> Self {
        let site = site.unwrap_or_default();
        // A hook may fire while the thread ends, when its buffer is gone already.
        let mut text = BUFFER.try_with(Cell::take).unwrap_or_default();
        text.clear();
        text.push_str(site);
        Self {
            sink,
            kind,
            site_len: site.len(),
            text,
            state: State::Whole,
        }
    }

    /// A piece of the template, checked when it was compiled.
    #[must_use]
    pub fn literal(mut self, piece: &str) -> Self {
        self.text.push_str(piece);
        self
    }

    /// `{field}`: one path segment, one query value, or a part of a tag.
    #[must_use]
    pub fn value<V: UrlValue>(self, value: &V) -> Self {
        self.push(value.as_display(), Place::Value)
    }

    /// `{field?}`
    #[must_use]
    pub fn value_if<V: OptionalUrlValue>(self, value: &V) -> Self {
        self.push_option(value.as_option(), Place::Value)
    }

    /// `{field*}`: several path segments.
    #[must_use]
    pub fn path<V: UrlValue>(self, value: &V) -> Self {
        self.push(value.as_display(), Place::Path)
    }

    /// `{field*?}`
    #[must_use]
    pub fn path_if<V: OptionalUrlValue>(self, value: &V) -> Self {
        self.push_option(value.as_option(), Place::Path)
    }

    fn push_option(mut self, value: Option<&dyn Display>, place: Place) -> Self {
        match value {
            Some(value) => self.push(value, place),
            None => {
                self.state = State::Void;
                self
            }
        }
    }

    fn push(mut self, value: &dyn Display, place: Place) -> Self {
        if write!(Encoder::new(&mut self.text, place), "{value}").is_err() {
            self.state = State::Failed;
        }
        self
    }

    /// Yields the target.
    pub fn end(mut self) {
        let target = &self.text[self.site_len..];
        let checked = match (self.state, self.kind) {
            (State::Whole, TargetKind::Url) => check_rendered_url(target),
            (State::Whole, TargetKind::Tag) => check_tag(target),
            (State::Failed, _) => Err(TargetError::Display(shortened(target))),
            (State::Void, _) => return self.keep_buffer(),
        };
        match checked {
            Ok(()) => self
                .sink
                .target(TargetRef::new(self.kind, &self.text, self.site_len)),
            Err(error) => self.sink.refused(error),
        }
        self.keep_buffer();
    }

    fn keep_buffer(&mut self) {
        if self.text.capacity() <= KEPT_BUFFER {
            let text = std::mem::take(&mut self.text);
            let _ = BUFFER.try_with(|buffer| buffer.set(text));
        }
    }
}
