//! What a hook would purge, and why: which rules fire, which targets they yield, and which caches purge them.
//!
//! Write `explain::` before the hook: [`created`], [`updated`], [`saved`] and [`deleted`] take the rows that the hooks of
//! these names take, and purge nothing. [`roan::explain`](crate::explain()) is [`updated`]. They evaluate the rules with the
//! hooks' own code.
//!
//! ```
//! use roan::purge_on;
//!
//! #[purge_on(save, delete, url = "/posts/{slug}")]
//! #[purge_on(update(title), url = "/feed")]
//! #[purge_on(save, tag = "author-{author?}")]
//! struct Post { slug: &'static str, title: &'static str, author: Option<u32> }
//!
//! let old = Post { slug: "hello", title: "Hello", author: None };
//! let new = Post { slug: "moved", title: "Hello", author: Some(3) };
//! let why = roan::explain(&old, &new);
//! println!("{why}");
//! # let lines: Vec<_> = why.to_string().lines().map(|line| line.split(" at ").next().unwrap().to_owned()).collect();
//! # let shown = ["update of Post: 2 of 3 rules fire", "  the old row: /posts/hello", "  none of its fields has changed: title",
//! #     "  the old row: nothing, because `author` is absent"];
//! # for line in shown { assert!(lines.iter().any(|known| known == line), "{line}\n{why}"); }
//! assert_eq!(why.targets().len(), 3);
//! ```
//!
//! It prints this, with the file and line of each rule:
//!
//! ```text
//! update of Post: 2 of 3 rules fire
//!
//! + save, delete: url = "/posts/{slug}" at src/models.rs:3
//!   the old row: /posts/hello
//!   the new row: /posts/moved
//! - update(title): url = "/feed" at src/models.rs:4
//!   none of its fields has changed: title
//! + save: tag = "author-{author?}" at src/models.rs:5
//!   the old row: nothing, because `author` is absent
//!   the new row: tag author-3
//!
//! The targets:
//!   /posts/hello
//!   /posts/moved
//!   tag author-3
//!
//! No dispatcher is installed in this process, so the caches that purge them are not known.
//! ```
//!
//! In a program with [`RoanBuilder::install`](crate::RoanBuilder::install) each target has a line for each cache, in place of
//! the last one. For another dispatcher there is [`Explanation::by`]. With the feature `serde` an explanation can be
//! serialized, so that `serde_json::to_string(&why)` makes JSON of it.

#[cfg(feature = "serde")]
mod serialize;
mod text;
mod trace;

use std::sync::Arc;

use self::trace::Trace;
use super::apply::apply;
use crate::app::{Roan, installed};
use crate::base::event::Events;
use crate::base::history::RunTimeRule;
use crate::base::outcome::Refusal;
use crate::base::rule::Rule;
use crate::base::target::{Target, TargetError, TargetKind};
use crate::model::Model;

pub use crate::dispatcher::Way;

/// Says what [`roan::created`](crate::created) would purge for a new row, and why.
pub fn created<M: Model>(model: &M) -> Explanation {
    explain(Events::CREATE, &[(Which::Only, model)], |_| true)
}

/// Says what [`roan::updated`](crate::updated) would purge for a changed row, and why.
pub fn updated<M: Model>(old: &M, new: &M) -> Explanation {
    explain(
        Events::UPDATE,
        &[(Which::Old, old), (Which::New, new)],
        |rule| M::watched_changed(old, new, rule),
    )
}

/// Says what [`roan::saved`](crate::saved) would purge for a new or changed row, and why.
pub fn saved<M: Model>(model: &M) -> Explanation {
    explain(Events::SAVE, &[(Which::Only, model)], |_| true)
}

/// Says what [`roan::deleted`](crate::deleted) would purge for a deleted row, and why.
pub fn deleted<M: Model>(model: &M) -> Explanation {
    explain(Events::DELETE, &[(Which::Only, model)], |_| true)
}

fn explain<M: Model>(
    events: Events,
    rows: &[(Which, &M)],
    changed: impl Fn(usize) -> bool,
) -> Explanation {
    let (which, rows): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
    let mut trace = Trace::new(which);
    apply(events, &rows, changed, &mut trace);
    let name = M::rules()
        .first()
        .map_or(std::any::type_name::<M>(), Rule::model);
    Explanation::new(name, events, trace.end())
}

/// What a hook would purge, and why. [`Display`](std::fmt::Display) writes all of it as text.
#[derive(Debug, Clone)]
#[must_use = "an explanation does not purge anything: print it"]
pub struct Explanation {
    model: &'static str,
    events: Events,
    rules: Vec<RuleTrace>,
    targets: Vec<Purged>,
    has_dispatcher: bool,
}

impl Explanation {
    fn new(model: &'static str, events: Events, rules: Vec<RuleTrace>) -> Self {
        let yielded = rules.iter().flat_map(RuleTrace::yielded);
        let targets = yielded.filter_map(|(_, yielded)| match yielded {
            Yielded::Target(target) => Some(target.clone()),
            _ => None,
        });
        let mut targets: Vec<_> = targets.collect();
        targets.sort_by(|a, b| place(a).cmp(&place(b)));
        targets.dedup();
        let explanation = Self {
            model,
            events,
            rules,
            targets: targets.into_iter().map(Purged::new).collect(),
            has_dispatcher: false,
        };
        match installed() {
            Some(roan) => explanation.by(roan),
            None => explanation,
        }
    }

    /// The same with the caches of this dispatcher, in place of those of the installed one.
    pub fn by(mut self, roan: &Roan) -> Self {
        self.has_dispatcher = true;
        for purged in &mut self.targets {
            purged.plan(roan);
        }
        self
    }

    /// The name of the model's type.
    #[must_use]
    pub fn model(&self) -> &'static str {
        self.model
    }

    /// The event. [`saved`] stands for two: `create` and `update`.
    #[must_use]
    pub fn events(&self) -> Events {
        self.events
    }

    /// Every rule of the model in the order of the source, then those that were made at run time.
    #[must_use]
    pub fn rules(&self) -> &[RuleTrace] {
        &self.rules
    }

    /// The targets that the hook would purge, each once, sorted by site and text.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let targets = self.targets.iter();
        targets.map(|purged| purged.target.clone()).collect()
    }

    /// The same targets, each with the caches that purge it.
    #[must_use]
    pub fn purged(&self) -> &[Purged] {
        &self.targets
    }
}

fn place(target: &Target) -> (Option<&str>, &str, TargetKind) {
    (target.site(), target.as_str(), target.kind())
}

/// One rule, and what it did.
#[derive(Debug, Clone)]
pub struct RuleTrace {
    source: Source,
    verdict: Verdict,
}

#[derive(Debug, Clone)]
enum Source {
    Attribute(&'static Rule),
    RunTime(&'static RunTimeRule, Events, Target),
}

impl RuleTrace {
    /// The source file and line of the rule: of its attribute, or of the call that made it at run time.
    #[must_use]
    pub fn place(&self) -> (&'static str, u32) {
        match &self.source {
            Source::Attribute(rule) => (rule.file(), rule.line()),
            Source::RunTime(rule, ..) => (rule.place.file(), rule.place.line()),
        }
    }

    /// The rule of the attribute. `None` for one that [`roan::purge`](crate::purge()) made at run time.
    #[must_use]
    pub fn rule(&self) -> Option<&'static Rule> {
        match &self.source {
            Source::Attribute(rule) => Some(rule),
            Source::RunTime(..) => None,
        }
    }

    /// Whether the rule fired, and for which reason it did not.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether the rule yielded a target.
    #[must_use]
    pub fn has_fired(&self) -> bool {
        self.yielded()
            .iter()
            .any(|(_, yielded)| matches!(yielded, Yielded::Target(_)))
    }

    fn yielded(&self) -> &[(Which, Yielded)] {
        match &self.verdict {
            Verdict::Evaluated(yielded) => yielded,
            _ => &[],
        }
    }
}

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The rule is not for this event.
    OtherEvent,
    /// None of the fields of its `update(...)` differs between the two rows: see [`Rule::watched`].
    NothingChanged,
    /// `related(...)`: the targets are those of other rows. SeaORM's hooks read them from the database; explain them on their
    /// own, as saved.
    Related,
    /// The rule was evaluated for each row, with these results in order. It has fired if one of them is a target.
    Evaluated(Vec<(Which, Yielded)>),
}

/// Which row of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Which {
    /// The row before an update.
    Old,
    /// The row after an update.
    New,
    /// The row of a write that has one, or none for a rule that was made at run time.
    Only,
}

/// What a rule yielded for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Yielded {
    /// This target.
    Target(Target),
    /// A value of the row makes the target invalid. A hook logs and counts this error, and purges nothing.
    Invalid(TargetError),
    /// Nothing: the condition, `when = ...`, is false for this row.
    ConditionIsFalse,
    /// Nothing: this optional value of the template, as in `{subtitle?}`, is `None`, or an empty text that would leave a segment
    /// empty.
    Absent(String),
    /// Nothing: its function returned no pages.
    NoPages,
}

/// A target, and what the dispatcher would do with it.
#[derive(Debug, Clone)]
pub struct Purged {
    target: Target,
    site: Option<String>,
    refusal: Option<Refusal>,
    caches: Vec<(Arc<str>, Way)>,
    spellings: Vec<Target>,
    learns_spellings: bool,
}

impl Purged {
    fn new(target: Target) -> Self {
        Self {
            target,
            site: None,
            refusal: None,
            caches: Vec::new(),
            spellings: Vec::new(),
            learns_spellings: false,
        }
    }

    fn plan(&mut self, roan: &Roan) {
        let plan = roan.engine().plan(&self.target);
        self.site = plan.site;
        self.refusal = plan.refusal;
        self.caches = plan.caches;
        self.spellings = plan.spellings;
        self.learns_spellings = plan.learns_spellings;
    }

    /// The target. Its site is that of the rule.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The address of the site, such as `https://www.example.org`, if it is configured.
    #[must_use]
    pub fn site(&self) -> Option<&str> {
        self.site.as_deref()
    }

    /// Why the dispatcher refuses the target for all caches, if it does.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Each cache in the order of purging, and how it gets rid of the pages. Empty without a dispatcher.
    pub fn caches(&self) -> impl Iterator<Item = (&str, Way)> {
        self.caches.iter().map(|(cache, way)| (&**cache, *way))
    }

    /// The other [spellings](crate::RoanBuilder::spellings) of the URL, which are purged with it.
    #[must_use]
    pub fn spellings(&self) -> &[Target] {
        &self.spellings
    }
}
