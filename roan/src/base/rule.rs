//! Rules: which pages show a model.

use std::fmt;

use crate::base::event::Events;

/// One declaration of `#[purge_on]`: the events of a model, and what they make stale.
///
/// A rule is static data. Every rule of the binary is in [`rules()`](crate::rules).
// The fields are for generated code, which calls no constructor: a user's compiler would have to check
// and to evaluate the call for each rule, which is a twentieth of all that the attribute costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// What a rule makes targets from, as written in the attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleTarget {
    /// `url = "/posts/{slug}"`
    Url(&'static str),
    /// `urls = Self::archive_pages`: the path of the function.
    Urls(&'static str),
    /// `tag = "author-{id}"`
    Tag(&'static str),
    /// `related(author_id -> author::Model)`: what the rules of a related row yield for `save`.
    Related(&'static str),
}

impl fmt::Display for RuleTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(template) => write!(f, "url = {template:?}"),
            Self::Urls(path) => write!(f, "urls = {path}"),
            Self::Tag(template) => write!(f, "tag = {template:?}"),
            Self::Related(related) => write!(f, "related({related})"),
        }
    }
}

impl Rule {
    /// The name of the model's type, without its module.
    #[must_use]
    pub const fn model(&self) -> &'static str {
        self.model
    }

    /// The module that the model is declared in.
    #[must_use]
    pub const fn module(&self) -> &'static str {
        self.module
    }

    /// The events on which the rule fires.
    #[must_use]
    pub const fn events(&self) -> Events {
        self.events
    }

    /// The fields of `update(field, ...)`: an update fires the rule only when one of them changed.
    /// Empty when any update does.
    #[must_use]
    pub const fn watched(&self) -> &'static [&'static str] {
        self.watched
    }

    /// What the rule makes its targets from.
    #[must_use]
    pub const fn target(&self) -> RuleTarget {
        self.target
    }

    /// The text of `when = ...`.
    #[must_use]
    pub const fn condition(&self) -> Option<&'static str> {
        self.condition
    }

    /// The name of the site whose pages are meant; `None` is the default site.
    #[must_use]
    pub const fn site(&self) -> Option<&'static str> {
        self.site
    }

    /// The source file of the attribute, as the compiler names it.
    #[must_use]
    pub const fn file(&self) -> &'static str {
        self.file
    }

    /// The line of the attribute, from 1.
    #[must_use]
    pub const fn line(&self) -> u32 {
        self.line
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
