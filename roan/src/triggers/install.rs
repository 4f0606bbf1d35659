//! Installs and drops triggers.

use super::drift::{Drift, scripts};
use super::script::Script;
use crate::outbox::store::Store;
use crate::outbox::{Outbox, OutboxError};

impl Outbox {
    /// Creates the triggers for the rules of this program. It replaces those that differ, and drops those that write to
    /// this outbox but do not belong to any rule. Several programs may do this at the same time. The tables of the models
    /// and of the outbox must exist.
    ///
    /// The database user needs the privilege to create triggers on the tables (on MySQL also to lock them and, with a
    /// binary log, `log_bin_trust_function_creators` or the privilege `SUPER`). Users that write to the tables later do
    /// not need privileges on the outbox.
    ///
    /// # Errors
    ///
    /// As [`roan::triggers::sql`](crate::triggers::sql), and if the database cannot be reached or refuses a statement: a
    /// table or column is missing, or the user lacks a privilege.
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
            true => match scripts(self, &wanted, &mut store).await {
                Ok(scripts) => change(&mut store, &scripts).await,
                Err(error) => Err(error),
            },
            false => change(&mut store, &[]).await,
        };
        store.close().await;
        changed
    }
}

/// Makes these the only triggers that write to the outbox.
async fn change(store: &mut Store, scripts: &[Script]) -> Result<(), OutboxError> {
    store.begin_change().await?;
    let changed = match store.triggers().await {
        Ok(found) => {
            let statements = Drift::between(scripts, &found).statements;
            store.change_triggers(&statements).await
        }
        Err(error) => Err(OutboxError::of(error)),
    };
    store.end_change(changed).await
}
