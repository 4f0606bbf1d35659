//! Follows the rules of a model, and notes what each does.

use super::{RuleTrace, Source, Verdict, Which, Yielded};
use crate::base::event::Events;
use crate::base::history::{Because, RunTimeRule};
use crate::base::rule::{Rule, RuleTarget};
use crate::base::target::{Target, TargetRef};
use crate::hooks::apply::{Fires, Follow};
use crate::model::{InvalidTarget, Nothing, Sink};

pub(super) struct Trace {
    rows: Vec<Which>,
    rules: Vec<RuleTrace>,
    /// The row that the current rule reads.
    row: Option<Which>,
    /// What it has yielded for that row.
    of_row: Vec<Yielded>,
    /// Where the targets of run-time rules go: they are noted before.
    is_run_time: bool,
}

impl Trace {
    pub(super) fn new(rows: Vec<Which>) -> Self {
        Self {
            rows,
            rules: Vec::new(),
            row: None,
            of_row: Vec::new(),
            is_run_time: false,
        }
    }

    pub(super) fn end(mut self) -> Vec<RuleTrace> {
        self.end_row();
        self.rules
    }

    /// Gives what the row has yielded to its rule.
    fn end_row(&mut self) {
        let (Some(row), Some(trace)) = (self.row.take(), self.rules.last_mut()) else {
            return;
        };
        let Verdict::Evaluated(yielded) = &mut trace.verdict else {
            return;
        };
        if self.of_row.is_empty() {
            // A rule whose condition holds says so when it yields nothing.
            self.of_row.push(Yielded::ConditionIsFalse);
        }
        yielded.extend(self.of_row.drain(..).map(|what| (row, what)));
    }
}

impl Follow for Trace {
    fn sink(&mut self) -> &mut dyn Sink {
        self
    }

    fn rule(&mut self, rule: &'static Rule, fires: Fires) {
        self.end_row();
        let verdict = match fires {
            Fires::NotOnThis => Verdict::OtherEvent,
            Fires::NothingChanged => Verdict::NothingChanged,
            Fires::Yes if matches!(rule.target(), RuleTarget::Related(_)) => Verdict::Related,
            Fires::Yes => Verdict::Evaluated(Vec::new()),
        };
        self.rules.push(RuleTrace {
            source: Source::Attribute(rule),
            verdict,
        });
    }

    fn row(&mut self, number: usize) {
        self.end_row();
        self.row = self.rows.get(number).copied();
    }

    fn run_time(
        &mut self,
        rule: &'static RunTimeRule,
        events: Events,
        target: &Target,
        fires: bool,
    ) {
        self.end_row();
        self.is_run_time = true;
        let verdict = if fires {
            Verdict::Evaluated(vec![(Which::Only, Yielded::Target(target.clone()))])
        } else {
            Verdict::OtherEvent
        };
        self.rules.push(RuleTrace {
            source: Source::RunTime(rule, events, target.clone()),
            verdict,
        });
    }
}

impl Sink for Trace {
    fn target(&mut self, target: TargetRef<'_>, _because: Because<'_>) {
        if !self.is_run_time {
            self.of_row.push(Yielded::Target(target.to_target()));
        }
    }

    fn refused(&mut self, invalid: InvalidTarget) {
        self.of_row.push(Yielded::Invalid(invalid.error));
    }

    fn nothing(&mut self, why: Nothing) {
        let why = match why {
            Nothing::NoPages => Yielded::NoPages,
            Nothing::Absent(number) => Yielded::Absent(self.optional(number)),
        };
        self.of_row.push(why);
    }
}

impl Trace {
    /// The text of the optional value of this number in the template of the current rule.
    fn optional(&self, number: usize) -> String {
        let target = self
            .rules
            .last()
            .and_then(RuleTrace::rule)
            .map(Rule::target);
        let (RuleTarget::Url(template) | RuleTarget::Tag(template) | RuleTarget::Prefix(template)) =
            target.unwrap_or(RuleTarget::Host)
        else {
            return String::new();
        };
        let mut captures = template.split('{').skip(1).filter_map(|rest| {
            let (capture, _) = rest.split_once('}')?;
            capture.contains('?').then_some(capture)
        });
        let capture = captures.nth(number.saturating_sub(1));
        let capture = capture.unwrap_or_default();
        capture.trim_end_matches(['*', '?']).to_owned()
    }
}
