//! Installs and drops triggers.

use super::drift::{Drift, scripts};
use super::script::Script;
use super::{TriggerError, Triggers, columns};
use crate::outbox::store::Store;
use crate::outbox::{Dialect, Outbox, OutboxError};

impl Outbox {
    /// Creates the triggers for the rules of this program. It replaces those that differ or cannot work, and drops those
    /// that write to this outbox but do not belong to any rule: also those that a table has taken along when it was renamed
    /// and a copy took its name. Several programs may do this at the same time. The tables of the models and of the outbox
    /// must exist. It does not change anything if a column is missing.
    ///
    /// The database user needs the privilege to create triggers on the tables (on MySQL also to lock them and, with a
    /// binary log, `log_bin_trust_function_creators` or the privilege `SUPER`). Users that write to the tables later do
    /// not need privileges on the outbox.
    ///
    /// # Errors
    ///
    /// As [`roan::triggers::sql`](crate::triggers::sql), and if the database cannot be reached or refuses a statement, if a
    /// table or column is missing, or if the user lacks a privilege: to create or drop the triggers, or to write to the
    /// outbox.
    pub async fn install_triggers(&self) -> Result<(), OutboxError> {
        self.change_triggers(true).await
    }

    /// As [`install_triggers`](Self::install_triggers), for programs without a runtime.
    ///
    /// # Errors
    ///
    /// As [`install_triggers`](Self::install_triggers).
    pub fn install_triggers_blocking(&self) -> Result<(), OutboxError> {
        Self::block_on(|| self.install_triggers())
    }

    /// Drops all triggers that write to this outbox.
    ///
    /// Call this before you drop the tables of the outbox. Otherwise every write to the triggers' tables fails.
    ///
    /// # Errors
    ///
    /// As [`install_triggers`](Self::install_triggers).
    pub async fn drop_triggers(&self) -> Result<(), OutboxError> {
        self.change_triggers(false).await
    }

    async fn change_triggers(&self, install: bool) -> Result<(), OutboxError> {
        self.check()?;
        let wanted = self.triggers.clone().unwrap_or_default();
        let mut store = self.open().await?;
        let changed = match install {
            true => self.install(&wanted, &mut store).await,
            false => change(self.dialect(), &mut store, &[]).await,
        };
        store.close().await;
        changed
    }

    async fn install(&self, wanted: &Triggers, store: &mut Store) -> Result<(), OutboxError> {
        let (plans, scripts) = scripts(self, wanted, store).await?;
        let found = store.triggers().await.map_err(OutboxError::of)?;
        let missing = columns::missing(store, self.dialect(), &plans, &found).await;
        let missing = missing.map_err(OutboxError::of)?;
        if !missing.is_empty() {
            return Err(TriggerError::Tables(missing).into());
        }
        // Not every database asks for the outbox when a trigger is created: it would fail the program's writes.
        store.check_insert().await?;
        change(self.dialect(), store, &scripts).await
    }
}

/// Makes these the only triggers that write to the outbox.
async fn change(
    dialect: Dialect,
    store: &mut Store,
    scripts: &[Script],
) -> Result<(), OutboxError> {
    store.begin_change().await?;
    let changed = match store.triggers().await {
        Ok(found) => match Drift::between(dialect, scripts, &found) {
            Ok(drift) => store.change_triggers(&drift.statements).await,
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(OutboxError::of(error)),
    };
    store.end_change(changed).await
}
