//! Hooks: what a program calls when a row was written.

use crate::dispatcher::{Roan, given_or_global};
use crate::event::{Event, Events};
use crate::model::{Model, Sink, Targets};
use crate::registration;
#[cfg(any(feature = "diesel", feature = "sea-orm", feature = "sql"))]
use crate::scope::Recording;
use crate::scope::Scope;
#[cfg(any(feature = "diesel", feature = "sea-orm", feature = "sql"))]
use crate::target::TargetKind;
use crate::target::{Target, TargetError, TargetRef};

/// Purges what shows a new row.
///
/// Returns at once: the purge is sent from another thread, and whether it succeeds is no concern of
/// the write. Inside a [`scope`](crate::scope) it waits until the work is over.
///
/// Call it after the write has committed, or inside a scope around the transaction.
///
/// ```
/// # use roan::purge_on;
/// #[purge_on(save, delete, url = "/posts")]
/// struct Post;
///
/// # roan::testing::record_blocking(|| {
/// // ... insert the row, then:
/// roan::created(&Post);
/// # });
/// ```
pub fn created<M: Model>(model: &M) {
    fire_created(None, model);
}

/// Purges what shows a changed row: the targets of the old row and those of the new one, so that
/// both URLs of a row that moved are fresh. Rules with `update(field, ...)` fire only when one of
/// their fields differs. Otherwise as [`created`].
pub fn updated<M: Model>(old: &M, new: &M) {
    fire_updated(None, old, new);
}

/// Purges what shows a row that is new or changed, where the old row is not at hand: rules fire for
/// `create` and for `update`, whatever fields they watch. Otherwise as [`created`].
///
/// The old row's own URL is not purged. Where it may change, use [`updated`].
pub fn saved<M: Model>(model: &M) {
    fire_saved(None, model);
}

/// Purges what showed a row that is gone. Otherwise as [`created`].
pub fn deleted<M: Model>(model: &M) {
    fire_deleted(None, model);
}

pub(crate) fn fire_created<M: Model>(roan: Option<&Roan>, model: &M) {
    fire(roan, Events::CREATE, &[model], |_| true);
}

pub(crate) fn fire_updated<M: Model>(roan: Option<&Roan>, old: &M, new: &M) {
    fire(roan, Events::UPDATE, &[old, new], |rule| {
        M::watched_changed(old, new, rule)
    });
}

pub(crate) fn fire_saved<M: Model>(roan: Option<&Roan>, model: &M) {
    fire(roan, Events::SAVE, &[model], |_| true);
}

pub(crate) fn fire_deleted<M: Model>(roan: Option<&Roan>, model: &M) {
    fire(roan, Event::Delete.into(), &[model], |_| true);
}

/// Purges one target without a model.
pub(crate) fn purge(roan: Option<&Roan>, target: &Target) {
    with_sink(roan, |sink| sink.target(TargetRef::from(target)));
}

/// The targets of these hooks, in order, in place of purging them. What cannot be a target is told.
#[cfg(any(feature = "diesel", feature = "sea-orm", feature = "sql"))]
pub(crate) fn recorded(roan: &Roan, hooks: impl FnOnce()) -> Vec<Target> {
    let recording = Recording::new();
    recording.run_blocking(hooks);
    let (targets, refused) = recording.end();
    for error in &refused {
        roan.engine().invalid(error);
    }
    in_order(targets)
}

/// Each target once. One write makes one payload, however its hooks were hashed.
#[cfg(any(feature = "diesel", feature = "sea-orm", feature = "sql"))]
pub(crate) fn in_order(mut targets: Vec<Target>) -> Vec<Target> {
    fn place(target: &Target) -> (&str, Option<&str>, bool) {
        let is_tag = target.kind() == TargetKind::Tag;
        (target.as_str(), target.site(), is_tag)
    }
    targets.sort_unstable_by(|a, b| place(a).cmp(&place(b)));
    targets.dedup();
    targets
}

fn fire<M: Model>(
    roan: Option<&Roan>,
    events: Events,
    rows: &[&M],
    changed: impl Fn(usize) -> bool,
) {
    with_sink(roan, |sink| {
        for (number, rule) in M::rules().iter().enumerate() {
            if rule.events().intersects(events) && changed(number) {
                for row in rows {
                    row.targets(number, &mut Targets::new(sink));
                }
            }
        }
        registration::fire::<M>(events, sink);
    });
}

/// The scope that is current, else the dispatcher.
fn with_sink(roan: Option<&Roan>, yields: impl FnOnce(&mut dyn Sink)) {
    if let Some(scope) = Scope::current() {
        yields(&mut Held {
            scope: &scope,
            roan,
        });
    } else if let Some(roan) = given_or_global(roan) {
        yields(&mut Sent(roan));
    }
}

struct Held<'a> {
    scope: &'a Scope,
    roan: Option<&'a Roan>,
}

impl Sink for Held<'_> {
    fn target(&mut self, target: TargetRef<'_>) {
        self.scope.hold(self.roan, target);
    }

    fn refused(&mut self, error: TargetError) {
        self.scope.refused(self.roan, error);
    }
}

struct Sent<'a>(&'a Roan);

impl Sink for Sent<'_> {
    fn target(&mut self, target: TargetRef<'_>) {
        self.0.engine().put(target);
    }

    fn refused(&mut self, error: TargetError) {
        self.0.engine().invalid(&error);
    }
}
