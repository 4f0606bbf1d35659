//! Compares the triggers of the database with the rules of this program.

use super::cascade;
use super::plan::Plan;
use super::script::Script;
use super::{TriggerError, Triggers};
use crate::base::log::loudly;
use crate::outbox::store::{FoundTrigger, Store};
use crate::outbox::{Outbox, OutboxError};

/// At the start: an error in strict mode, else a warning.
pub(crate) async fn check(outbox: &Outbox, store: &mut Store) -> Result<(), OutboxError> {
    let Some(wanted) = &outbox.triggers else {
        return Ok(());
    };
    let scripts = scripts(outbox, wanted, store).await;
    let error = match scripts {
        Err(OutboxError::Triggers(error)) => error,
        Err(other) => return Err(other),
        Ok(scripts) => {
            let found = store.triggers().await;
            let found = found.map_err(OutboxError::of)?;
            let drift = Drift::between(&scripts, &found);
            if drift.told.is_empty() {
                return Ok(());
            }
            TriggerError::Drift(drift.told)
        }
    };
    if wanted.strict {
        return Err(error.into());
    }
    loudly(format_args!("{error}"));
    Ok(())
}

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
    let keys = store.foreign_keys().await;
    let keys = keys.map_err(OutboxError::of)?;
    if !keys.is_empty() {
        scripts.extend(cascade::scripts(&plans, &wanted.prefix, &keys));
    }
    Ok(scripts)
}

/// The differences between the triggers that the database has and those that it should have.
#[derive(Debug, Default)]
pub(super) struct Drift {
    /// The differences in words.
    pub(super) told: Vec<String>,
    /// The statements that correct the differences.
    pub(super) statements: Vec<String>,
}

impl Drift {
    pub(super) fn between(scripts: &[Script], found: &[FoundTrigger]) -> Self {
        let mut drift = Self::default();
        for script in scripts {
            let mut is_guarded = false;
            for trigger in &script.triggers {
                let (table, name) = (&trigger.table, &trigger.name);
                let known = found
                    .iter()
                    .find(|known| known.name == *name && known.is_on(table));
                let told = match known {
                    None => format!("trigger {name:?} on table {table:?} is missing"),
                    Some(known) if !same(&trigger.body, &known.body) => {
                        format!("trigger {name:?} on table {table:?} differs from the rules")
                    }
                    Some(known) if !known.is_enabled => {
                        format!("trigger {name:?} on table {table:?} is disabled")
                    }
                    Some(_) => continue,
                };
                drift.told.push(told);
                if !std::mem::replace(&mut is_guarded, true) {
                    drift.statements.push(script.guard.clone());
                }
                drift.statements.extend(trigger.install.iter().cloned());
            }
        }
        let is_wanted = |known: &&FoundTrigger| {
            let mut triggers = scripts.iter().flat_map(|script| &script.triggers);
            triggers.any(|trigger| trigger.name == known.name && known.is_on(&trigger.table))
        };
        for known in found.iter().filter(|known| !is_wanted(known)) {
            let (table, name) = (known.table(), &known.name);
            let told = format!("trigger {name:?} on table {table:?} no longer belongs to any rule");
            drift.told.push(told);
            drift.statements.extend(known.drop.iter().cloned());
        }
        drift
    }
}

/// Whether two texts are the same statement.
fn same(one: &str, other: &str) -> bool {
    // SQLite replaces the words before the name, and some clients change the white space.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (one, other) = (words(one), words(other));
    other.ends_with(&one)
}
