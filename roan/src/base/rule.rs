//! Rules: which pages show a model.

use std::fmt;

use crate::base::event::{Event, Events};
use crate::base::target::TargetKind;

/// One rule of `#[purge_on]`: the events of a model, and the target that they make stale.
///
/// A rule is static data. Every rule of the binary is in [`rules()`](crate::rules).
// Generated code fills the fields instead of calling a constructor: the user's compiler would check and evaluate
// that call for each rule, which is a twentieth of the attribute's compile time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rule {
    #[doc(hidden)]
    pub model: &'static str,
    #[doc(hidden)]
    pub module: &'static str,
    #[doc(hidden)]
    pub events: Events,
    #[doc(hidden)]
    pub watched: &'static [&'static str],
    #[doc(hidden)]
    pub target: RuleTarget,
    #[doc(hidden)]
    pub condition: Option<&'static str>,
    #[doc(hidden)]
    pub site: Option<&'static str>,
    #[doc(hidden)]
    pub file: &'static str,
    #[doc(hidden)]
    pub line: u32,
}

/// The target of a rule, as written in the attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleTarget {
    /// `url = "/posts/{slug}"`
    Url(&'static str),
    /// `urls = Self::archive_pages`: the path of a function that returns targets.
    Urls(&'static str),
    /// `tag = "author-{id}"`
    Tag(&'static str),
    /// `prefix = "/docs/{version}/"`
    Prefix(&'static str),
    /// `host`: all pages of the site.
    Host,
    /// `everything`: all pages of all sites.
    Everything,
    /// `related(author_id -> author::Model)`, `related(tag::Model)`: the targets of related rows, as if they had been
    /// saved.
    Related(&'static str),
}

impl fmt::Display for RuleTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(template) => write!(f, "url = {template:?}"),
            Self::Urls(path) => write!(f, "urls = {path}"),
            Self::Tag(template) => write!(f, "tag = {template:?}"),
            Self::Prefix(template) => write!(f, "prefix = {template:?}"),
            Self::Host => f.write_str("host"),
            Self::Everything => f.write_str("everything"),
            Self::Related(related) => write!(f, "related({related})"),
        }
    }
}

impl RuleTarget {
    /// The kind of all targets of the rule. `None` if only a row can show it: a function may return targets of several
    /// kinds, and a related row has rules of its own.
    #[must_use]
    pub const fn kind(&self) -> Option<TargetKind> {
        match self {
            Self::Url(_) => Some(TargetKind::Url),
            Self::Tag(_) => Some(TargetKind::Tag),
            Self::Prefix(_) => Some(TargetKind::Prefix),
            Self::Host => Some(TargetKind::Host),
            Self::Everything => Some(TargetKind::Everything),
            Self::Urls(_) | Self::Related(_) => None,
        }
    }
}

impl Rule {
    /// The name of the model's type, without its module.
    #[must_use]
    pub const fn model(&self) -> &'static str {
        self.model
    }

    /// The module that declares the model.
    #[must_use]
    pub const fn module(&self) -> &'static str {
        self.module
    }

    /// The events on which the rule fires.
    #[must_use]
    pub const fn events(&self) -> Events {
        self.events
    }

    /// The fields of `update(field, ...)`: an update fires the rule only if one of them changed.
    /// Empty if every update does.
    #[must_use]
    pub const fn watched(&self) -> &'static [&'static str] {
        self.watched
    }

    /// The target of the rule.
    #[must_use]
    pub const fn target(&self) -> RuleTarget {
        self.target
    }

    /// The text of `when = ...`.
    #[must_use]
    pub const fn condition(&self) -> Option<&'static str> {
        self.condition
    }

    /// The name of the site that the pages belong to. `None` is the default site.
    #[must_use]
    pub const fn site(&self) -> Option<&'static str> {
        self.site
    }

    /// The source file of the attribute, as `file!()` writes it.
    #[must_use]
    pub const fn file(&self) -> &'static str {
        self.file
    }

    /// The line of the attribute, counted from 1.
    #[must_use]
    pub const fn line(&self) -> u32 {
        self.line
    }
}

impl Rule {
    /// The events as the attribute has them: with the fields of `update(...)`.
    pub(crate) fn events_in_words(&self) -> String {
        if self.watched.is_empty() {
            return self.events.to_string();
        }
        let of = |event: Event| self.events.contains(event).then(|| event.to_string());
        let update = format!("update({})", self.watched.join(", "));
        let words = [of(Event::Create), Some(update), of(Event::Delete)];
        let words: Vec<_> = words.into_iter().flatten().collect();
        words.join(", ")
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.model, self.events, self.target)?;
        if let Some(condition) = self.condition {
            write!(f, ", when = {condition}")?;
        }
        if let Some(site) = self.site {
            write!(f, ", site = {site:?}")?;
        }
        write!(f, " at {}:{}", self.file, self.line)
    }
}
