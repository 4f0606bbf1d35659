//! Compares the triggers of the database with the rules of this program.

use std::collections::BTreeSet;

use super::cascade;
use super::plan::{self, Plan};
use super::script::{Script, Trigger, is_unchanged};
use super::{TriggerError, Triggers};
use crate::outbox::store::{FoundTrigger, Store};
use crate::outbox::{Dialect, Outbox, OutboxError};

/// The plans of the rules, and the triggers that the database should have, with the prefix of the outbox.
pub(super) async fn scripts(
    outbox: &Outbox,
    wanted: &Triggers,
    store: &mut Store,
) -> Result<(Vec<Plan>, Vec<Script>), OutboxError> {
    let plans = Plan::all(wanted)?;
    let wanted = wanted.clone().prefix(&outbox.prefix);
    let scripts = scripts_of(outbox.dialect(), &wanted, &plans, store).await;
    Ok((plans, scripts.map_err(OutboxError::of)?))
}

/// The same for these plans, by the columns and foreign keys that the database has now.
pub(super) async fn scripts_of(
    dialect: Dialect,
    wanted: &Triggers,
    plans: &[Plan],
    store: &mut Store,
) -> sqlx::Result<Vec<Script>> {
    let mut plans = plans.to_vec();
    if plans.iter().any(Plan::stores_values) {
        let types = store.column_types().await?;
        plans.iter_mut().for_each(|plan| plan.learn(&types));
    }
    let mut scripts = wanted.scripts_of(&plans, dialect);
    // The other databases fire triggers for the rows that a foreign key changes.
    if dialect == Dialect::MySql {
        let keys = store.foreign_keys().await?;
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

impl Difference {
    fn new(trigger: &Trigger, may_be_of_version: bool, what: &str) -> Self {
        Self {
            table: trigger.table.clone(),
            may_be_of_version,
            told: format!(
                "trigger {:?} on table {:?} {what}",
                trigger.name, trigger.table
            ),
        }
    }

    fn of(trigger: &Trigger, known: &FoundTrigger) -> Option<Self> {
        let is_same = known.is_own && trigger.fires == known.fires;
        if let Some(fault) = &known.fault {
            return Some(Self::new(trigger, false, fault));
        }
        if is_same && is_same_text(&trigger.body, &known.body) {
            return None;
        }
        if is_same && is_unchanged(&known.body) {
            return Some(Self::new(trigger, true, "differs from the rules"));
        }
        let by_hand = "differs from the rules: it was changed by hand";
        Some(Self::new(trigger, false, by_hand))
    }

    fn missing(
        dialect: Dialect,
        trigger: &Trigger,
        found: &[FoundTrigger],
    ) -> Result<Self, TriggerError> {
        let mut elsewhere = found
            .iter()
            .filter(|known| known.name == trigger.name && known.is_in_schema_of(&trigger.table));
        // In PostgreSQL, triggers of several tables may have one name.
        match elsewhere.find(|known| known.is_own || dialect != Dialect::Postgres) {
            None => Ok(Self::new(trigger, true, "is missing")),
            Some(known) if known.is_own => {
                let table = known.table();
                let what = format!("is missing: it is on table {table:?}, which was renamed");
                Ok(Self::new(trigger, false, &what))
            }
            Some(_) => Err(TriggerError::Name {
                name: trigger.name.clone(),
                problem: "a trigger of another table, which is not Roan's, has it: rename or drop that one",
            }),
        }
    }
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
            let known = of_name.find(|known| known.is_on(&trigger.table));
            let difference = match known {
                Some(known) => Difference::of(trigger, known),
                None => Some(Difference::missing(dialect, trigger, found)?),
            };
            let Some(difference) = difference else {
                continue;
            };
            drift.differences.push(difference);
            dropped.extend(known.filter(|known| known.fault.is_some()));
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
        drift.statements = drops(&dropped, found);
        drift.statements.extend(installed);
        Ok(drift)
    }

    /// Leaves out the differences of these tables.
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
fn drops(dropped: &[&FoundTrigger], found: &[FoundTrigger]) -> Vec<String> {
    let triggers = dropped.iter().map(|known| known.drop.clone());
    let is_dropped = |known: &&FoundTrigger| dropped.iter().any(|one| std::ptr::eq(*one, *known));
    let kept = found.iter().filter(|known| !is_dropped(known));
    let used: Vec<_> = kept
        .filter_map(|known| known.drop_function.as_ref())
        .collect();
    let functions = dropped
        .iter()
        .filter_map(|known| known.drop_function.clone());
    let unused: BTreeSet<_> = functions
        .filter(|function| !used.contains(&function))
        .collect();
    triggers.chain(unused).collect()
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

/// Whether two texts are the same statement.
fn is_same_text(one: &str, other: &str) -> bool {
    // SQLite replaces the words before the name, and some clients change the white space.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (one, other) = (words(one), words(other));
    other.ends_with(&one)
}
