//! Compares the triggers of the database with the rules of this program.

use std::collections::BTreeSet;

use super::cascade;
use super::plan::{self, Plan};
use super::script::{Script, Trigger, is_unchanged};
use super::{TriggerError, Triggers};
use crate::outbox::store::{FoundTrigger, Store};
use crate::outbox::{Dialect, Outbox, OutboxError};

/// The triggers that the database should have, with the prefix of the outbox.
pub(super) async fn scripts(
    outbox: &Outbox,
    wanted: &Triggers,
    store: &mut Store,
) -> Result<Vec<Script>, OutboxError> {
    let wanted = wanted.clone().prefix(&outbox.prefix);
    let mut plans = Plan::all(&wanted)?;
    if plans.iter().any(Plan::stores_values) {
        let types = store.column_types().await.map_err(OutboxError::of)?;
        plans.iter_mut().for_each(|plan| plan.learn(&types));
    }
    let mut scripts = wanted.scripts_of(&plans, outbox.dialect());
    // The other databases fire triggers for the rows that a foreign key changes.
    if outbox.dialect() == Dialect::MySql {
        let keys = store.foreign_keys().await;
        let keys = keys.map_err(OutboxError::of)?;
        scripts.extend(cascade::scripts(&plans, &wanted.prefix, &keys));
    }
    Ok(scripts)
}

/// The differences between the triggers that the database has and those that it should have.
#[derive(Debug, Default)]
pub(super) struct Drift {
    differences: Vec<Difference>,
    /// The statements that correct the differences.
    pub(super) statements: Vec<String>,
}

#[derive(Debug)]
struct Difference {
    table: String,
    /// Whether the triggers of another version of the program would differ so.
    may_be_of_version: bool,
    /// In words.
    told: String,
}

impl Drift {
    /// # Errors
    ///
    /// If a trigger that is not Roan's has the name of one that is to be created on another table.
    pub(super) fn between(
        dialect: Dialect,
        scripts: &[Script],
        found: &[FoundTrigger],
    ) -> Result<Self, TriggerError> {
        let mut drift = Self::default();
        let mut dropped = Vec::new();
        let mut installed = Vec::new();
        let wanted: Vec<_> = scripts.iter().flat_map(|script| &script.triggers).collect();
        for trigger in &wanted {
            let mut of_name = found.iter().filter(|known| known.name == trigger.name);
            let known = of_name.clone().find(|known| known.is_on(&trigger.table));
            let (may_be_of_version, told) = match known {
                None => {
                    let elsewhere =
                        of_name.find(|known| known.is_own || dialect != Dialect::Postgres);
                    if elsewhere.is_some_and(|known| !known.is_own) {
                        return Err(TriggerError::Name {
                            name: trigger.name.clone(),
                            problem: "a trigger of another table, which is not Roan's, has it: rename or drop that one",
                        });
                    }
                    let moved = elsewhere.map(FoundTrigger::table).map(|table| {
                        format!(": it is on table {table:?}, as if that had had the name and another had taken its place")
                    });
                    (
                        moved.is_none(),
                        format!("is missing{}", moved.unwrap_or_default()),
                    )
                }
                Some(known) if known.fault.is_some() => {
                    dropped.push(known);
                    (false, known.fault.clone().unwrap_or_default())
                }
                Some(known) if is_same(trigger, known) => continue,
                Some(known)
                    if known.is_own
                        && is_unchanged(&known.body)
                        && trigger.fires == known.fires =>
                {
                    (true, "differs from the rules".to_owned())
                }
                Some(_) => (
                    false,
                    "differs from the rules: it was changed by hand".to_owned(),
                ),
            };
            let told = format!(
                "trigger {:?} on table {:?} {told}",
                trigger.name, trigger.table
            );
            drift.differences.push(Difference {
                table: trigger.table.clone(),
                may_be_of_version,
                told,
            });
            installed.extend(trigger.install.iter().cloned());
            installed.extend(known.and_then(|known| known.fire_always.clone()));
        }
        let is_wanted = |known: &FoundTrigger| {
            let mut wanted = wanted.iter();
            wanted.any(|trigger| trigger.name == known.name && known.is_on(&trigger.table))
        };
        for known in found
            .iter()
            .filter(|known| known.is_own && !is_wanted(known))
        {
            let told = format!(
                "trigger {:?} on table {:?} no longer belongs to any rule",
                known.name,
                known.table()
            );
            // It harms nothing: the relay leaves its rows to the version that has the rules.
            drift.differences.push(Difference {
                table: known.table(),
                may_be_of_version: true,
                told,
            });
            dropped.push(known);
        }
        // First, because a table that was renamed has taken its triggers along, and their names.
        let (mut dropping, functions) = drops(&dropped, found);
        dropping.extend(functions);
        dropping.extend(installed);
        drift.statements = dropping;
        Ok(drift)
    }

    /// Leaves out what is told of these tables.
    pub(super) fn leave_out(&mut self, tables: &[String]) {
        let differences = &mut self.differences;
        differences.retain(|difference| !tables.contains(&difference.table));
    }

    /// The differences in words.
    pub(super) fn told(&self) -> Vec<String> {
        let told = self.differences.iter();
        told.map(|difference| difference.told.clone()).collect()
    }

    /// The differences that another version of the program, whose triggers these are, does not explain.
    pub(super) fn unexplained(&self) -> Vec<String> {
        let differences = self.differences.iter();
        let harmful = differences.filter(|difference| !difference.may_be_of_version);
        harmful.map(|difference| difference.told.clone()).collect()
    }
}

/// The statements that drop these triggers, and those for the functions that no other trigger uses.
fn drops(dropped: &[&FoundTrigger], found: &[FoundTrigger]) -> (Vec<String>, BTreeSet<String>) {
    let triggers = dropped.iter().map(|known| known.drop.clone()).collect();
    let is_dropped = |known: &&FoundTrigger| dropped.iter().any(|one| std::ptr::eq(*one, *known));
    let kept = found.iter().filter(|known| !is_dropped(known));
    let used: Vec<_> = kept
        .filter_map(|known| known.drop_function.as_ref())
        .collect();
    let functions = dropped
        .iter()
        .filter_map(|known| known.drop_function.clone());
    let unused = functions.filter(|function| !used.contains(&function));
    (triggers, unused.collect())
}

/// Whether triggers were made by another version of the program.
pub(super) fn has_other_version(scripts: &[Script], found: &[FoundTrigger]) -> bool {
    let mine = plan::fingerprints();
    let mut own = found
        .iter()
        .filter(|known| known.is_own && is_unchanged(&known.body));
    own.any(|known| {
        let mut wanted = scripts.iter().flat_map(|script| &script.triggers);
        let of_name = wanted.find(|trigger| trigger.name == known.name);
        match of_name {
            Some(trigger) => !is_same_text(&trigger.body, &known.body),
            None => !mine.iter().any(|fingerprint| {
                let (table, rules) = fingerprint.rsplit_once(' ').unwrap_or_default();
                let head = format!(r#""rules":"{rules}","table":"{table}""#);
                known.body.contains(&head)
            }),
        }
    })
}

fn is_same(trigger: &Trigger, known: &FoundTrigger) -> bool {
    known.is_own && trigger.fires == known.fires && is_same_text(&trigger.body, &known.body)
}

/// Whether two texts are the same statement.
fn is_same_text(one: &str, other: &str) -> bool {
    // SQLite replaces the words before the name, and some clients change the white space.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (one, other) = (words(one), words(other));
    other.ends_with(&one)
}
