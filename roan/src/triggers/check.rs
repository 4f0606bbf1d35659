//! Checks the triggers of the database, at the start and while the program runs.

use super::drift::{Drift, has_other_version, scripts, scripts_of};
use super::plan::Plan;
use super::script::Script;
use super::{TriggerError, Triggers, columns};
use crate::base::log::{emit, loudly, warn_loudly};
use crate::outbox::store::{FoundTrigger, Store};
use crate::outbox::{Dialect, Outbox, OutboxError};

/// The triggers that the database should have, and what was wrong with those that it has.
#[derive(Debug)]
pub(crate) struct TriggerCheck {
    dialect: Dialect,
    /// With the prefix of the outbox.
    wanted: Triggers,
    plans: Vec<Plan>,
    scripts: Vec<Script>,
    errors: Vec<TriggerError>,
    /// The result of the last look, which a further one has to confirm.
    seen: Vec<TriggerError>,
}

/// Whether a look has found something else than the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// Look again soon.
    Unconfirmed,
    Confirmed,
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
            Ok(planned) => Ok(planned),
            Err(OutboxError::Triggers(error)) => Err(error),
            Err(other) => return Err(other),
        };
        let mut check = Self {
            dialect: outbox.dialect(),
            wanted: wanted.clone().prefix(&outbox.prefix),
            plans: Vec::new(),
            scripts: Vec::new(),
            errors: Vec::new(),
            seen: Vec::new(),
        };
        match planned {
            Ok((plans, scripts)) => {
                (check.plans, check.scripts) = (plans, scripts);
                let errors = check.differences(store, false).await;
                check.errors = errors.map_err(OutboxError::of)?;
            }
            Err(error) => check.errors.push(error),
        }
        check.seen.clone_from(&check.errors);
        for error in &check.errors {
            if wanted.strict {
                return Err(error.clone().into());
            }
            loudly(format_args!("{error}"));
        }
        Ok(Some(check))
    }

    /// What is wrong, as far as it was logged.
    pub(crate) fn errors(&self) -> &[TriggerError] {
        &self.errors
    }

    /// A look while the program runs. A change counts when a second look finds it, too: while triggers are being replaced,
    /// there are none for a moment. Then it is logged.
    pub(crate) async fn look(&mut self, store: &mut Store) -> sqlx::Result<Change> {
        if self.scripts.is_empty() {
            return Ok(Change::None); // the rules themselves are refused
        }
        if self.dialect == Dialect::MySql {
            // Its triggers depend on foreign keys and types of columns, which a migration may have changed.
            self.scripts = scripts_of(self.dialect, &self.wanted, &self.plans, store).await?;
        }
        let errors = self.differences(store, true).await?;
        let before = std::mem::replace(&mut self.seen, errors);
        if self.seen == self.errors {
            return Ok(Change::None);
        }
        if self.seen != before {
            return Ok(Change::Unconfirmed);
        }
        let known = std::mem::replace(&mut self.errors, self.seen.clone());
        for error in self.errors.iter().filter(|error| !known.contains(error)) {
            loudly(format_args!("the triggers have changed: {error}"));
        }
        if self.errors.is_empty() {
            emit(|| tracing::info!(target: "roan", "the triggers match the rules again"));
        }
        Ok(Change::Confirmed)
    }

    /// What is wrong. While the program runs, another version of it may install its own triggers: that is a deploy.
    async fn differences(
        &self,
        store: &mut Store,
        is_running: bool,
    ) -> sqlx::Result<Vec<TriggerError>> {
        let mut errors = Vec::new();
        let found = store.triggers().await?;
        let missing = columns::missing(store, self.dialect, &self.plans, &found).await?;
        if !missing.is_empty() {
            errors.push(TriggerError::Tables(missing));
        }
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
        warn_loudly(format_args!(
            "the triggers run as the account {account}, and fail every write if it is dropped; this user cannot see whether it \
             exists: grant it SELECT on `mysql`.*, or install the triggers as this user"
        ));
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::super::script::Trigger;
    use super::*;

    #[test]
    fn a_change_counts_when_it_is_found_twice() {
        let file = std::env::temp_dir().join(format!("roan-check-{}.db", std::process::id()));
        let outbox = Outbox::at(&format!("sqlite://{}?mode=rwc", file.display()));
        let outbox = outbox.expect("a URL");
        let trigger = Trigger {
            table: "posts".to_owned(),
            name: "roan_posts_insert".to_owned(),
            install: Vec::new(),
            drop: Vec::new(),
            fires: String::new(),
            body: String::new(),
        };
        let scripts = vec![Script {
            guard: String::new(),
            triggers: vec![trigger],
        }];
        let mut check = TriggerCheck {
            dialect: Dialect::Sqlite,
            wanted: Triggers::new(),
            plans: Vec::new(),
            scripts,
            errors: Vec::new(),
            seen: Vec::new(),
        };
        let looked = Outbox::block_on(|| async {
            let mut store = outbox.open().await?;
            let mut look = async || check.look(&mut store).await.map_err(OutboxError::of);
            assert_eq!(look().await?, Change::Unconfirmed);
            assert_eq!(look().await?, Change::Confirmed);
            assert_eq!(look().await?, Change::None);
            // As after an installation that the last look has fallen into.
            check.errors.clear();
            check.seen.clear();
            assert_eq!(
                check.look(&mut store).await.map_err(OutboxError::of)?,
                Change::Unconfirmed
            );
            check.scripts[0].triggers.clear();
            assert_eq!(
                check.look(&mut store).await.map_err(OutboxError::of)?,
                Change::None
            );
            assert_eq!(check.errors(), []);
            Ok(())
        });
        drop(std::fs::remove_file(file));
        assert_eq!(looked, Ok(()));
    }
}
