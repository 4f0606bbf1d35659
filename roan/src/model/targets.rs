//! The writer to which generated code passes the values of a row.

use std::cell::Cell;
use std::fmt::{Display, Write};
use std::mem;

use super::InvalidTarget;
use super::value::{OptionalUrlValue, Pages, UrlValue};
use crate::base::encode::{Encoder, Place};
use crate::base::event::Events;
use crate::base::history::{Because, By};
use crate::base::rule::Rule;
use crate::base::target::{
    Target, TargetError, TargetKind, TargetRef, check_prefix, check_rendered_url, check_tag,
    shortened,
};

thread_local! {
    /// Targets are rendered here, so that a target that waits already does not cost an allocation.
    static BUFFER: Cell<String> = const { Cell::new(String::new()) };
}

/// A larger buffer is returned to the allocator instead of kept for the next row.
const KEPT_BUFFER: usize = 4 * 1024;

/// Where the targets of a row go.
pub(crate) trait Sink {
    /// Takes a valid target, and who asks for it.
    fn target(&mut self, target: TargetRef<'_>, because: Because<'_>);
    /// Takes what a rule could not make a target of, and why.
    fn refused(&mut self, invalid: InvalidTarget);
    /// Notes that a rule whose condition holds yields nothing. Only an explanation wants to know.
    fn nothing(&mut self, _why: Nothing) {}
}

/// Why a rule yields nothing for a row, although its condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// The optional value of this number in the template, from 1, is absent.
    Absent(usize),
    /// Its function returns no pages.
    NoPages,
}

/// Collects the targets that the rules of a [`Model`](super::Model) yield for one row.
///
/// It is also the writer of each target, so that generated code passes one reference along. That is less work for the
/// compiler than a value with a destructor.
#[expect(
    missing_debug_implementations,
    reason = "lives for one call in generated code"
)]
pub struct Targets<'a> {
    sink: &'a mut dyn Sink,
    /// The rule whose targets these are.
    rule: Option<&'static Rule>,
    /// What has happened to the row.
    events: Events,
    /// The site of the next target; empty for the default one.
    site: &'static str,
    kind: TargetKind,
    /// The site and the target, as far as they have been written.
    text: String,
    site_len: usize,
    state: State,
    /// How many optional values were written.
    optionals: usize,
    /// The first segment of a URL that begins with an empty value, as far as it is known to end there.
    gap: Option<Gap>,
    /// Whether rules yield targets whatever their conditions are.
    unconditional: bool,
}

/// An empty value at the beginning of a segment.
#[derive(Clone, Copy)]
struct Gap {
    /// Its place in the text.
    at: usize,
    place: Place,
    /// The number of the value, if it is optional.
    optional: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// A `{field?}` was `None`, the one of this number: the rule yields nothing.
    Void(usize),
    /// A value of a prefix is empty, which makes it another prefix.
    Empty,
    /// A `Display` failed.
    Failed,
}

impl<'a> Targets<'a> {
    pub(crate) fn new(sink: &'a mut dyn Sink) -> Self {
        Self {
            sink,
            rule: None,
            events: Events::NONE,
            site: "",
            kind: TargetKind::Url,
            text: String::new(),
            site_len: 0,
            state: State::Whole,
            optionals: 0,
            gap: None,
            unconditional: false,
        }
    }

    /// The targets of this rule.
    pub(crate) fn of(sink: &'a mut dyn Sink, rule: &'static Rule) -> Self {
        Self {
            rule: Some(rule),
            ..Self::new(sink)
        }
    }

    /// What follows is of this rule.
    #[cfg(feature = "_sql")]
    pub(crate) fn set_rule(&mut self, rule: &'static Rule) {
        self.rule = Some(rule);
    }

    /// Every target that the rule can yield for the row, whatever its condition is.
    #[cfg(feature = "web")]
    pub(crate) fn all(sink: &'a mut dyn Sink, rule: &'static Rule) -> Self {
        Self {
            unconditional: true,
            ..Self::of(sink, rule)
        }
    }

    /// What has happened to the row.
    pub(crate) fn on(&mut self, events: Events) -> &mut Self {
        self.events = events;
        self
    }

    fn because(&self) -> Because<'static> {
        Because::Of(match self.rule {
            Some(rule) => By::Rule(rule, self.events),
            None => By::Unknown,
        })
    }

    /// Whether the condition of a rule does not matter.
    #[doc(hidden)]
    #[must_use]
    pub fn is_unconditional(&self) -> bool {
        self.unconditional
    }

    /// Sets the site of the next rule only.
    #[doc(hidden)]
    pub fn at_site(&mut self, site: &'static str) -> &mut Self {
        self.site = site;
        self
    }

    /// Yields the URL of a `url = "..."` rule without captures.
    #[doc(hidden)]
    pub fn fixed_url(&mut self, url: &'static str) {
        if self.site.is_empty() {
            // The macro has checked all of it.
            let url = TargetRef::new(TargetKind::Url, url, 0);
            let because = self.because();
            self.sink.target(url, because);
        } else {
            self.url(url).end();
        }
    }

    /// Yields what the function of a `urls = path` rule returns.
    #[doc(hidden)]
    pub fn urls<'m, M, F>(&mut self, model: &'m M, pages: F)
    where
        F: Pages<'m, M>,
    {
        let site = mem::take(&mut self.site);
        let because = self.because();
        let mut is_any = false;
        for target in pages.pages_of(model) {
            is_any = true;
            match target {
                Ok(target) if target.kind() == TargetKind::Everything => {
                    self.refuse(TargetError::Everything);
                }
                Ok(target) if !site.is_empty() && target.site().is_none() => {
                    let target = target.at_site(site);
                    self.sink.target(TargetRef::from(&target), because);
                }
                Ok(target) => self.sink.target(TargetRef::from(&target), because),
                Err(error) => self.refuse(error),
            }
        }
        if !is_any {
            self.sink.nothing(Nothing::NoPages);
        }
    }

    fn refuse(&mut self, error: TargetError) {
        let rule = self.rule;
        self.sink.refused(InvalidTarget { rule, error });
    }

    /// Begins the URL of a `url = "..."` rule; [`end`](Self::end) yields it.
    #[doc(hidden)]
    pub fn url(&mut self, start: &'static str) -> &mut Self {
        self.begin(TargetKind::Url, start)
    }

    /// Begins the tag of a `tag = "..."` rule; [`end`](Self::end) yields it.
    #[doc(hidden)]
    pub fn tag(&mut self, start: &'static str) -> &mut Self {
        self.begin(TargetKind::Tag, start)
    }

    /// Begins the path of a `prefix = "..."` rule; [`end`](Self::end) yields it.
    #[doc(hidden)]
    pub fn prefix(&mut self, start: &'static str) -> &mut Self {
        self.begin(TargetKind::Prefix, start)
    }

    /// Begins the target of a `host` rule; [`end`](Self::end) yields it.
    #[doc(hidden)]
    pub fn host(&mut self) -> &mut Self {
        self.begin(TargetKind::Host, "")
    }

    /// Begins the target of an `everything` rule; [`end`](Self::end) yields it.
    #[doc(hidden)]
    pub fn everything(&mut self) -> &mut Self {
        self.begin(TargetKind::Everything, "")
    }

    fn begin(&mut self, kind: TargetKind, start: &'static str) -> &mut Self {
        // A hook may fire while the thread ends, after its buffer was dropped.
        self.text = BUFFER.try_with(Cell::take).unwrap_or_default();
        self.text.clear();
        self.text.push_str(self.site);
        self.site_len = mem::take(&mut self.site).len();
        self.text.push_str(start);
        self.kind = kind;
        self.state = State::Whole;
        self.optionals = 0;
        self.gap = None;
        self
    }

    /// A literal piece of the template, checked at compile time.
    #[doc(hidden)]
    pub fn literal(&mut self, piece: &str) -> &mut Self {
        self.text.push_str(piece);
        self
    }

    /// `{field}`: one path segment, one query value, or a part of a tag.
    #[doc(hidden)]
    pub fn value<V: UrlValue>(&mut self, value: &V) -> &mut Self {
        self.push(value.as_display(), Place::Value, None)
    }

    /// `{field?}`
    #[doc(hidden)]
    pub fn value_if<V: OptionalUrlValue>(&mut self, value: &V) -> &mut Self {
        self.push_option(value.as_option(), Place::Value)
    }

    /// `{field*}`: several path segments.
    #[doc(hidden)]
    pub fn path<V: UrlValue>(&mut self, value: &V) -> &mut Self {
        self.push(value.as_display(), Place::Path, None)
    }

    /// `{field*?}`
    #[doc(hidden)]
    pub fn path_if<V: OptionalUrlValue>(&mut self, value: &V) -> &mut Self {
        self.push_option(value.as_option(), Place::Path)
    }

    fn push_option(&mut self, value: Option<&dyn Display>, place: Place) -> &mut Self {
        self.optionals += 1;
        match (value, self.state) {
            (Some(value), _) => self.push(value, place, Some(self.optionals)),
            (None, State::Void(_)) => self,
            (None, _) => {
                self.state = State::Void(self.optionals);
                self
            }
        }
    }

    fn push(&mut self, value: &dyn Display, place: Place, optional: Option<usize>) -> &mut Self {
        let before = self.text.len();
        if matches!(self.state, State::Void(_)) {
            // Nothing can make it a target again.
        } else if write!(Encoder::new(&mut self.text, place), "{value}").is_err() {
            self.state = State::Failed;
        } else if self.text.len() == before && self.state == State::Whole {
            self.note_empty(place, optional);
        }
        self
    }

    #[cold]
    fn note_empty(&mut self, place: Place, optional: Option<usize>) {
        let url = &self.text[self.site_len..];
        let begins_segment = url.ends_with('/') && !url.contains('?');
        match self.kind {
            TargetKind::Prefix => self.state = State::Empty,
            TargetKind::Url if begins_segment && self.empty_segment().is_none() => {
                self.gap = Some(Gap {
                    at: self.text.len(),
                    place,
                    optional,
                });
            }
            _ => {}
        }
    }

    /// The gap, if nothing else is in its segment. The value of `{path*}` may be empty where it ends the path: no segment is
    /// left out there.
    fn empty_segment(&self) -> Option<Gap> {
        let gap = self.gap?;
        let is_empty = match self.text.as_bytes().get(gap.at) {
            None | Some(b'?') => gap.place == Place::Value,
            Some(next) => *next == b'/',
        };
        is_empty.then_some(gap)
    }

    /// Yields the target.
    #[doc(hidden)]
    pub fn end(&mut self) {
        let target = &self.text[self.site_len..];
        let checked = match (self.state, self.kind) {
            (State::Whole, TargetKind::Url) => match self.empty_segment() {
                // An empty text in an `Option` is a value that is absent, too.
                Some(Gap {
                    optional: Some(number),
                    ..
                }) => return self.absent(number),
                Some(_) => Err(TargetError::EmptySegment(shortened(target))),
                None => check_rendered_url(target),
            },
            (State::Whole, TargetKind::Tag) => check_tag(target),
            (State::Whole, TargetKind::Prefix) => check_prefix(target),
            (State::Whole, TargetKind::Host | TargetKind::Everything) => Ok(()),
            (State::Empty, _) => Err(TargetError::Prefix {
                prefix: shortened(target),
                problem: "has an empty value, so that it would mean another prefix: write a `when` that leaves such rows out",
            }),
            (State::Failed, _) => Err(TargetError::Display(shortened(target))),
            (State::Void(number), _) => return self.absent(number),
        };
        match checked {
            Ok(()) => {
                let target = TargetRef::new(self.kind, &self.text, self.site_len);
                let because = self.because();
                self.sink.target(target, because);
            }
            Err(error) => self.refuse(error),
        }
        self.keep_buffer();
    }

    fn absent(&mut self, number: usize) {
        self.sink.nothing(Nothing::Absent(number));
        self.keep_buffer();
    }

    fn keep_buffer(&mut self) {
        if self.text.capacity() <= KEPT_BUFFER {
            let text = mem::take(&mut self.text);
            let _ = BUFFER.try_with(|buffer| buffer.set(text));
        }
    }
}

/// For `roan::url!`: the one URL that is written.
///
/// # Errors
///
/// When a value makes of it what cannot be purged, or a link to another host.
pub fn link(write: impl FnOnce(&mut Targets<'_>)) -> Result<Target, TargetError> {
    struct Link(Result<Target, TargetError>);

    impl Sink for Link {
        fn target(&mut self, target: TargetRef<'_>, _: Because<'_>) {
            self.0 = Ok(target.to_target());
        }

        fn refused(&mut self, invalid: InvalidTarget) {
            self.0 = Err(invalid.error);
        }
    }

    // Always replaced: without a `?` a template yields one target.
    let mut link = Link(Err(TargetError::NoLeadingSlash(String::new())));
    write(&mut Targets::new(&mut link));
    let target = link.0?;
    if target.as_str().starts_with("//") {
        return Err(TargetError::Host(shortened(target.as_str())));
    }
    Ok(target)
}
