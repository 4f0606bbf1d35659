//! The writer to which generated code passes the values of a row.

use std::cell::Cell;
use std::fmt::{Display, Write};
use std::mem;

use super::value::{OptionalUrlValue, Pages, UrlValue};
use crate::base::encode::{Encoder, Place};
use crate::base::history::{Because, By};
#[cfg(feature = "_sql")]
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
    /// Takes the reason why a rule could not yield a target.
    fn refused(&mut self, error: TargetError);
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
    by: By,
    /// The site of the next target; empty for the default one.
    site: &'static str,
    kind: TargetKind,
    /// The site and the target, as far as they have been written.
    text: String,
    site_len: usize,
    state: State,
    /// Whether rules yield targets whatever their conditions are.
    unconditional: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// A `{field?}` was `None`: the rule yields nothing.
    Void,
    /// A value of a prefix is empty, which makes it another prefix.
    Empty,
    /// A `Display` failed.
    Failed,
}

impl<'a> Targets<'a> {
    pub(crate) fn new(sink: &'a mut dyn Sink) -> Self {
        Self {
            sink,
            by: By::Unknown,
            site: "",
            kind: TargetKind::Url,
            text: String::new(),
            site_len: 0,
            state: State::Whole,
            unconditional: false,
        }
    }

    /// Every target that the rules can yield for the row, whatever their conditions are.
    #[cfg(feature = "web")]
    pub(crate) fn all(sink: &'a mut dyn Sink) -> Self {
        Self {
            unconditional: true,
            ..Self::new(sink)
        }
    }

    /// The targets from here on are of this rule.
    pub(crate) fn by(&mut self, by: By) -> &mut Self {
        self.by = by;
        self
    }

    /// The targets from here on are of this rule, on the same events.
    #[cfg(feature = "_sql")]
    pub(crate) fn of_rule(&mut self, rule: &'static Rule) {
        if let By::Rule(_, events) = self.by {
            self.by = By::Rule(rule, events);
        }
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
            self.sink.target(url, Because::Of(self.by));
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
        let because = Because::Of(self.by);
        for target in pages.pages_of(model) {
            match target {
                Ok(target) if target.kind() == TargetKind::Everything => {
                    self.sink.refused(TargetError::Everything);
                }
                Ok(target) if !site.is_empty() && target.site().is_none() => {
                    let target = target.at_site(site);
                    self.sink.target(TargetRef::from(&target), because);
                }
                Ok(target) => self.sink.target(TargetRef::from(&target), because),
                Err(error) => self.sink.refused(error),
            }
        }
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
        self.push(value.as_display(), Place::Value)
    }

    /// `{field?}`
    #[doc(hidden)]
    pub fn value_if<V: OptionalUrlValue>(&mut self, value: &V) -> &mut Self {
        self.push_option(value.as_option(), Place::Value)
    }

    /// `{field*}`: several path segments.
    #[doc(hidden)]
    pub fn path<V: UrlValue>(&mut self, value: &V) -> &mut Self {
        self.push(value.as_display(), Place::Path)
    }

    /// `{field*?}`
    #[doc(hidden)]
    pub fn path_if<V: OptionalUrlValue>(&mut self, value: &V) -> &mut Self {
        self.push_option(value.as_option(), Place::Path)
    }

    fn push_option(&mut self, value: Option<&dyn Display>, place: Place) -> &mut Self {
        match value {
            Some(value) => self.push(value, place),
            None => {
                self.state = State::Void;
                self
            }
        }
    }

    fn push(&mut self, value: &dyn Display, place: Place) -> &mut Self {
        let before = self.text.len();
        if write!(Encoder::new(&mut self.text, place), "{value}").is_err() {
            self.state = State::Failed;
        } else if self.kind == TargetKind::Prefix
            && self.text.len() == before
            && self.state == State::Whole
        {
            self.state = State::Empty;
        }
        self
    }

    /// Yields the target.
    #[doc(hidden)]
    pub fn end(&mut self) {
        let target = &self.text[self.site_len..];
        let checked = match (self.state, self.kind) {
            (State::Whole, TargetKind::Url) => check_rendered_url(target),
            (State::Whole, TargetKind::Tag) => check_tag(target),
            (State::Whole, TargetKind::Prefix) => check_prefix(target),
            (State::Whole, TargetKind::Host | TargetKind::Everything) => Ok(()),
            (State::Empty, _) => Err(TargetError::Prefix {
                prefix: shortened(target),
                problem: "has an empty value, so that it would mean another prefix: write a `when` that leaves such rows out",
            }),
            (State::Failed, _) => Err(TargetError::Display(shortened(target))),
            (State::Void, _) => return self.keep_buffer(),
        };
        match checked {
            Ok(()) => {
                let target = TargetRef::new(self.kind, &self.text, self.site_len);
                self.sink.target(target, Because::Of(self.by));
            }
            Err(error) => self.sink.refused(error),
        }
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

        fn refused(&mut self, error: TargetError) {
            self.0 = Err(error);
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
