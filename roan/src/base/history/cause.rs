//! Who has asked for a purge, in words.

use std::borrow::Cow;
use std::fmt;

use super::trace::Trace;
use crate::base::event::Events;
use crate::base::rule::Rule;

/// Why a page was purged: the rule that fired on a write, or the line of the program that called for it.
///
/// It does not contain any value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeCause {
    kind: CauseKind,
    rule: Option<&'static Rule>,
    model: Option<Cow<'static, str>>,
    table: Option<Cow<'static, str>>,
    file: Cow<'static, str>,
    line: u32,
    events: Option<Events>,
    trace: Option<Trace>,
    targets: Vec<usize>,
}

/// The kinds of a [`PurgeCause`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CauseKind {
    /// A rule of `#[purge_on]`, which a hook or a database trigger fired.
    Rule,
    /// A rule that was made at run time, by [`purge`](crate::purge).
    RunTimeRule,
    /// A call such as [`Roan::purge`](crate::Roan::purge).
    Call,
    /// It is not known: Roan has purged the page itself, or a program without Roan has written the row.
    Unknown,
}

impl CauseKind {
    /// The kind in one word, as in JSON: `rule`, `run-time-rule`, `call` or `unknown`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::RunTimeRule => "run-time-rule",
            Self::Call => "call",
            Self::Unknown => "unknown",
        }
    }
}

impl PurgeCause {
    pub(crate) fn new(
        kind: CauseKind,
        model: Option<&'static str>,
        file: &'static str,
        line: u32,
        events: Option<Events>,
    ) -> Self {
        Self {
            kind,
            rule: None,
            model: model.map(Cow::Borrowed),
            table: None,
            file: Cow::Borrowed(file),
            line,
            events,
            trace: None,
            targets: Vec::new(),
        }
    }

    pub(crate) fn of_rule(rule: &'static Rule, events: Events) -> Self {
        Self {
            rule: Some(rule),
            ..Self::new(
                CauseKind::Rule,
                Some(rule.model()),
                rule.file(),
                rule.line(),
                Some(events),
            )
        }
    }

    pub(crate) fn unknown() -> Self {
        Self::new(CauseKind::Unknown, None, "", 0, None)
    }

    pub(crate) fn with_trace(mut self, trace: Option<Trace>) -> Self {
        self.trace = trace;
        self
    }

    /// As a row of the outbox names it.
    #[cfg(feature = "_sql")]
    pub(crate) fn stored(kind: CauseKind, file: String, line: u32) -> Self {
        Self {
            file: Cow::Owned(file),
            line,
            ..Self::new(kind, None, "", 0, None)
        }
    }

    #[cfg(feature = "_sql")]
    pub(crate) fn with_event(mut self, model: Option<String>, events: Option<Events>) -> Self {
        self.model = model.map(Cow::Owned);
        self.events = events;
        self
    }

    #[cfg(feature = "_sql")]
    pub(crate) fn with_table(mut self, table: Option<String>) -> Self {
        self.table = table.map(Cow::Owned);
        self
    }

    #[cfg(feature = "_sql")]
    pub(crate) fn with_targets(mut self, targets: Vec<usize>) -> Self {
        self.targets = targets;
        self
    }

    /// What kind of cause it is.
    #[must_use]
    pub fn kind(&self) -> CauseKind {
        self.kind
    }

    /// The rule, if this program has made the purge. A purge that was read from the outbox names its rule by model, file and
    /// line alone: it may be of another version of the program.
    #[must_use]
    pub fn rule(&self) -> Option<&'static Rule> {
        self.rule
    }

    /// The name of the model's type. `None` if the purge was called for without a model.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The table whose trigger wrote the row. `None` if a hook did.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// The source file of the rule or the call. Empty if it is not known.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line of the rule or the call, counted from 1. 0 if it is not known.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// What happened to the row: one event, or two for [`saved`](crate::saved), which does not know which. `None` if the
    /// purge was called for without a model.
    #[must_use]
    pub fn events(&self) -> Option<Events> {
        self.events
    }

    /// The trace of the request that wrote.
    #[must_use]
    pub fn trace(&self) -> Option<Trace> {
        self.trace
    }

    /// The places in [`PurgeRecord::targets`](super::PurgeRecord::targets) of the targets that it yielded. Empty for all of
    /// them.
    #[must_use]
    pub fn targets(&self) -> &[usize] {
        &self.targets
    }
}

impl fmt::Display for PurgeCause {
    /// Such as `update of Post, by the rule at src/models.rs:12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(events) = self.events {
            write!(f, "{events}")?;
            match (&self.table, &self.model) {
                (Some(table), _) => write!(f, " in the table {table}, ")?,
                (None, Some(model)) => write!(f, " of {model}, ")?,
                (None, None) => f.write_str(", ")?,
            }
        }
        match self.kind {
            CauseKind::Rule if self.table.is_some() => {
                let model = self.model().unwrap_or_default();
                write!(f, "by the rule of {model} at {}:{}", self.file, self.line)
            }
            CauseKind::Rule => write!(f, "by the rule at {}:{}", self.file, self.line),
            CauseKind::RunTimeRule => {
                write!(f, "by the run-time rule at {}:{}", self.file, self.line)
            }
            CauseKind::Call => write!(f, "called at {}:{}", self.file, self.line),
            CauseKind::Unknown => f.write_str("the cause is not known"),
        }
    }
}
