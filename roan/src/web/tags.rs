//! The tags that a page carries for a row, by the rules of its model.

use std::any::type_name;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::base::event::Events;
use crate::base::log::emit;
use crate::base::rule::{Rule, RuleTarget};
use crate::base::target::{Target, TargetError, TargetRef};
use crate::model::{Model, Sink, Targets};
use crate::registry::run_time;

/// The tags of rows, and the first mistake in one.
#[derive(Debug, Default)]
pub(super) struct Tags {
    pub(super) targets: Vec<Target>,
    pub(super) mistake: Option<TargetError>,
}

impl Sink for Tags {
    fn target(&mut self, target: TargetRef<'_>) {
        self.targets.push(target.to_target());
    }

    fn refused(&mut self, error: TargetError) {
        self.mistake.get_or_insert(error);
    }
}

impl Tags {
    /// What a page carries that shows a row: the tags of the row, and those of no row whose rules fire on writes of this row
    /// for which no tag of the row is sure to fire.
    pub(super) fn of_row<M: Model>(row: &M) -> Self {
        let mut tags = Self::default();
        let mut covered = Events::NONE;
        for (number, rule) in M::rules().iter().enumerate() {
            if !matches!(rule.target(), RuleTarget::Tag(template) if has_field(template)) {
                continue;
            }
            let before = tags.targets.len();
            row.targets(number, &mut Targets::all(&mut tags));
            let is_sure = rule.watched().is_empty() && rule.condition().is_none();
            if is_sure && tags.targets.len() > before {
                covered = covered.union(rule.events());
            }
        }
        tags.add_of_model::<M>(covered);
        tags.warn_if_empty::<M>("show");
        tags
    }

    /// What a page carries that shows any rows of a model, perhaps none: the tags without a field.
    pub(super) fn of_model<M: Model>() -> Self {
        let mut tags = Self::default();
        tags.add_of_model::<M>(Events::NONE);
        tags.warn_if_empty::<M>("show_all");
        tags
    }

    fn add_of_model<M: Model>(&mut self, covered: Events) {
        for rule in M::rules() {
            let RuleTarget::Tag(template) = rule.target() else {
                continue;
            };
            if has_field(template) || covered.covers(rule.events()) {
                continue;
            }
            match without_field(rule, template) {
                Ok(target) => self.targets.push(target),
                Err(error) => self.refused(error),
            }
        }
        for (events, tag) in run_time::tags_of(M::type_key()) {
            if !covered.covers(events) {
                self.targets.push(tag);
            }
        }
    }

    /// Such a page is not purged when a row is written, at least not by its tags.
    fn warn_if_empty<M: Model>(&self, function: &'static str) {
        if !self.targets.is_empty() || self.mistake.is_some() {
            return;
        }
        static TOLD: Mutex<Option<HashSet<(&str, &str)>>> = Mutex::new(None);
        let name = type_name::<M>();
        let is_first = TOLD
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_default()
            .insert((name, function));
        if is_first {
            let missing = match function {
                "show" => "a rule with a tag",
                _ => "a rule with a tag without a field, such as `tag = \"posts\"`",
            };
            emit(|| {
                tracing::warn!(
                    target: "roan",
                    "`{function}` of {name} adds no tag to the page: the type does not have {missing}"
                );
            });
        }
    }
}

/// Whether a template has a place for a field.
fn has_field(template: &str) -> bool {
    template.replace("{{", "").contains('{')
}

fn without_field(rule: &Rule, template: &str) -> Result<Target, TargetError> {
    let tag = Target::tag(template.replace("{{", "{").replace("}}", "}"))?;
    Ok(match rule.site() {
        Some(site) => tag.at_site(site),
        None => tag,
    })
}
