//! Checks the triggers of the database, at the start and while the program runs.

use super::TriggerError;
use super::columns;
use super::drift::{Drift, has_other_version, scripts};
use super::plan::Plan;
use super::script::Script;
use crate::base::log::{emit, loudly};
use crate::outbox::store::{FoundTrigger, Store};
use crate::outbox::{Dialect, Outbox, OutboxError};

/// The triggers that the database should have, and what was wrong with those that it has.
#[derive(Debug)]
pub(crate) struct TriggerCheck {
    dialect: Dialect,
    plans: Vec<Plan>,
    scripts: Vec<Script>,
    /// The result of the last look.
    errors: Vec<TriggerError>,
}

impl TriggerCheck {
    /// The check at the start: an error in strict mode, else a warning. `None` if the program does not use triggers.
    pub(crate) async fn start(
        outbox: &Outbox,
        store: &mut Store,
    ) -> Result<Option<Self>, OutboxError> {
        let Some(wanted) = &outbox.triggers else {
            return Ok(None);
        };
        let planned = match scripts(outbox, wanted, store).await {
            Ok(scripts) => Plan::all(wanted).map(|plans| (plans, scripts)),
            Err(OutboxError::Triggers(error)) => Err(error),
            Err(other) => return Err(other),
        };
        let mut check = Self {
            dialect: outbox.dialect(),
            plans: Vec::new(),
            scripts: Vec::new(),
            errors: Vec::new(),
        };
        match planned {
            Ok((plans, scripts)) => {
                (check.plans, check.scripts) = (plans, scripts);
                let errors = check.differences(store, false).await;
                check.errors = errors.map_err(OutboxError::of)?;
            }
            Err(error) => check.errors.push(error),
        }
        for error in &check.errors {
            if wanted.strict {
                return Err(error.clone().into());
            }
            loudly(format_args!("{error}"));
        }
        Ok(Some(check))
    }

    /// The result of the last look.
    pub(crate) fn errors(&self) -> &[TriggerError] {
        &self.errors
    }

    /// A look while the program runs. It logs what has changed since the last one, and returns whether anything has.
    pub(crate) async fn look(&mut self, store: &mut Store) -> sqlx::Result<bool> {
        if self.scripts.is_empty() {
            return Ok(false); // the rules themselves are refused
        }
        let errors = self.differences(store, true).await?;
        if errors == self.errors {
            return Ok(false);
        }
        for error in errors.iter().filter(|error| !self.errors.contains(error)) {
            loudly(format_args!("the triggers have changed: {error}"));
        }
        self.errors = errors;
        if self.errors.is_empty() {
            emit(|| tracing::info!(target: "roan", "the triggers match the rules again"));
        }
        Ok(true)
    }

    /// What is wrong. While the program runs, another version of it may install its own triggers: that is a deploy.
    async fn differences(
        &self,
        store: &mut Store,
        is_running: bool,
    ) -> sqlx::Result<Vec<TriggerError>> {
        let mut errors = Vec::new();
        let missing = columns::missing(store, self.dialect, &self.plans).await?;
        if !missing.is_empty() {
            errors.push(TriggerError::Tables(missing));
        }
        let found = store.triggers().await?;
        if !is_running {
            warn_of_unseen(&found);
        }
        match Drift::between(self.dialect, &self.scripts, &found) {
            Ok(mut drift) => {
                let tables: Vec<_> = self.plans.iter().map(|plan| plan.table).collect();
                let hidden = store.tables_with_hidden_triggers(&tables).await?;
                drift.leave_out(&hidden);
                if !hidden.is_empty() {
                    errors.push(TriggerError::Hidden(hidden));
                }
                let is_deploy = is_running && has_other_version(&self.scripts, &found);
                let told = if is_deploy {
                    drift.unexplained()
                } else {
                    drift.told()
                };
                if !told.is_empty() {
                    errors.push(TriggerError::Drift(told));
                }
            }
            Err(error) => errors.push(error),
        }
        let mut own = found.iter().filter(|known| known.is_own);
        let fires_always = |known: &FoundTrigger| known.fire_always.is_some();
        if own.any(|known| !fires_always(known)) && store.is_replica_session().await? {
            errors.push(TriggerError::Replica);
        }
        Ok(errors)
    }
}

/// Triggers fail when their definer does not exist, and this user cannot see whether it does.
fn warn_of_unseen(found: &[FoundTrigger]) {
    let mut accounts: Vec<_> = found
        .iter()
        .filter_map(|known| known.unseen_definer.as_deref())
        .collect();
    accounts.sort_unstable();
    accounts.dedup();
    for account in accounts {
        emit(
            || tracing::warn!(target: "roan", account, "the triggers run as this account, and fail every write if it is dropped; this user cannot see whether it exists: grant it SELECT on `mysql`.*, or install the triggers as this user"),
        );
    }
}
