//! The tags that a page carries for a row, by the rules of its model.

use std::any::type_name;
use std::collections::HashSet;

use super::tag_set::TagSet;
use crate::base::event::Events;
use crate::base::history::Because;
use crate::base::lock::Mutex;
use crate::base::log::warn_loudly;
use crate::base::rule::{Rule, RuleTarget};
use crate::base::target::{Target, TargetError, TargetRef};
use crate::model::{InvalidTarget, Model, Sink, Targets};
use crate::registry::run_time;

/// Adds the tags of rows to those of a page.
#[derive(Debug, Default)]
pub(super) struct Tags {
    pub(super) set: TagSet,
    /// The number of tags that were added, those that were there included.
    added: usize,
    /// The first mistake in one.
    pub(super) mistake: Option<InvalidTarget>,
}

impl Sink for Tags {
    fn target(&mut self, target: TargetRef<'_>, _: Because<'_>) {
        self.added += 1;
        self.set.insert(target);
    }

    fn refused(&mut self, invalid: InvalidTarget) {
        self.mistake.get_or_insert(invalid);
    }
}

impl Tags {
    pub(super) fn new(set: TagSet) -> Self {
        Self {
            set,
            ..Self::default()
        }
    }

    /// What a page carries that shows a row: the tags of the row, and those of no row whose rules fire on writes of this row
    /// for which no tag of the row is sure to fire.
    pub(super) fn add_row<M: Model>(&mut self, row: &M) {
        let mut covered = Events::NONE;
        for (number, rule) in M::rules().iter().enumerate() {
            if !matches!(rule.target(), RuleTarget::Tag(template) if has_field(template)) {
                continue;
            }
            let before = self.added;
            row.targets(number, &mut Targets::all(self, rule));
            let is_sure = rule.watched().is_empty() && rule.condition().is_none();
            if is_sure && self.added > before {
                covered = covered.union(rule.events());
            }
        }
        self.add_of_model::<M>(covered);
        self.warn_if_empty::<M>("show");
    }

    /// What a page carries that shows any rows of a model, perhaps none: the tags without a field.
    pub(super) fn add_model<M: Model>(&mut self) {
        self.add_of_model::<M>(Events::NONE);
        self.warn_if_empty::<M>("show_all");
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
                Ok(target) => self.target(TargetRef::from(&target), Because::Unsaid),
                Err(error) => self.refused(InvalidTarget {
                    rule: Some(rule),
                    error,
                }),
            }
        }
        for (events, tag) in run_time::tags_of(M::type_key()) {
            if !covered.covers(events) {
                self.target(TargetRef::from(&tag), Because::Unsaid);
            }
        }
    }

    /// Such a page is not purged when a row is written, at least not by its tags.
    fn warn_if_empty<M: Model>(&self, function: &'static str) {
        if self.added > 0 || self.mistake.is_some() {
            return;
        }
        static TOLD: Mutex<Option<HashSet<(&str, &str)>>> = Mutex::new(None);
        let name = type_name::<M>();
        let is_first = TOLD.lock().get_or_insert_default().insert((name, function));
        if is_first {
            let missing = match function {
                "show" => "a rule with a tag",
                _ => "a rule with a tag without a field, such as `tag = \"posts\"`",
            };
            warn_loudly(format_args!(
                "`{function}` of {name} adds no tag to the page: the type does not have {missing}"
            ));
        }
    }
}

/// Whether a template has a place for a field.
fn has_field(template: &str) -> bool {
    let mut letters = template.bytes();
    // Two braces are a brace.
    while let Some(letter) = letters.next() {
        if letter == b'{' && letters.next() != Some(b'{') {
            return true;
        }
    }
    false
}

fn without_field(rule: &Rule, template: &str) -> Result<Target, TargetError> {
    let tag = Target::tag(template.replace("{{", "{").replace("}}", "}"))?;
    Ok(match rule.site() {
        Some(site) => tag.at_site(site),
        None => tag,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_braces_are_not_a_field() {
        for template in ["a-{id}", "{0}", "{{{a}", "{{}}{b}"] {
            assert!(has_field(template), "{template}");
        }
        for template in ["", "a", "{{a}}", "{{{{", "}}"] {
            assert!(!has_field(template), "{template}");
        }
    }
}
