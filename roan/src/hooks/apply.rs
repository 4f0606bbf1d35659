//! The way from a write to its targets, for hooks and for explanations of them: one code, so that they agree.

use crate::base::event::Events;
use crate::base::history::{Because, By, RunTimeRule};
use crate::base::rule::Rule;
use crate::base::target::{Target, TargetRef};
use crate::model::{Model, Sink, Targets};
use crate::registry::run_time;

/// Whether a rule fires for a write, before it has seen a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fires {
    Yes,
    /// It is not for this event.
    NotOnThis,
    /// None of the fields of its `update(...)` has changed.
    NothingChanged,
}

/// What follows the way. A hook wants the targets alone, and costs nothing more for what it ignores.
pub(super) trait Follow {
    fn sink(&mut self) -> &mut dyn Sink;

    /// The next rule; its rows come next if it fires.
    fn rule(&mut self, _rule: &'static Rule, _fires: Fires) {}

    /// The next row of the rule: what the sink gets now comes from it.
    fn row(&mut self, _number: usize) {}

    /// A rule that was made at run time.
    fn run_time(
        &mut self,
        _rule: &'static RunTimeRule,
        _events: Events,
        _target: &Target,
        _fires: bool,
    ) {
    }

    /// The type does not have any rule.
    fn no_rule<M: Model>(&mut self) {}
}

/// Of a hook.
pub(super) struct Plain<'a>(pub(super) &'a mut dyn Sink);

impl Follow for Plain<'_> {
    fn sink(&mut self) -> &mut dyn Sink {
        self.0
    }

    fn no_rule<M: Model>(&mut self) {
        run_time::warn_of_no_rule::<M>();
    }
}

/// Applies the rules of a model to the rows of one write.
pub(super) fn apply<M: Model>(
    events: Events,
    rows: &[&M],
    changed: impl Fn(usize) -> bool,
    follow: &mut impl Follow,
) {
    for (number, rule) in M::rules().iter().enumerate() {
        let fires = if !rule.events().intersects(events) {
            Fires::NotOnThis
        } else if changed(number) {
            Fires::Yes
        } else {
            Fires::NothingChanged
        };
        follow.rule(rule, fires);
        if fires == Fires::Yes {
            for (place, row) in rows.iter().enumerate() {
                follow.row(place);
                let mut targets = Targets::of(follow.sink(), rule);
                row.targets(number, targets.on(events));
            }
        }
    }
    let is_any = run_time::each(M::type_key(), &mut |on, target, rule| {
        let fires = on.intersects(events);
        follow.run_time(rule, on, target, fires);
        if fires {
            let by = By::RunTime(rule, events);
            follow
                .sink()
                .target(TargetRef::from(target), Because::Of(by));
        }
    });
    if !is_any && M::rules().is_empty() {
        follow.no_rule::<M>();
    }
}
