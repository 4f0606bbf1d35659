//! Triggers come into the database.

use super::drift::{Drift, scripts};
use super::script::Script;
use crate::outbox::store::Store;
use crate::outbox::{Outbox, OutboxError};

impl Outbox {
    /// Makes the triggers that the rules of this program ask for, replaces those that are others,
    /// leaves alone those that are right, and takes away those that write to this outbox for no rule. Several programs may do so at once. The tables must be there:
    /// the models' own, and those of the outbox.
    ///
    /// The user of the database needs the right to make triggers on the tables (on MySQL also to lock them,
    /// and with a binary log `log_bin_trust_function_creators` or the right `SUPER`); those who write to
    /// them afterwards need none on the outbox.
    ///
    /// # Errors
    ///
    /// As [`roan::triggers::sql`](crate::triggers::sql), and when the database cannot be reached or
    /// refuses a statement: a table or a column is not there, or the user may not make triggers.
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

    /// Takes away all triggers that write to this outbox.
    ///
    /// Do so before the outbox's tables are dropped, or no write of those tables succeeds any more.
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

/// Leaves the database with these triggers, and no other that writes to the outbox.
async fn change(store: &mut Store, scripts: &[Script]) -> Result<(), OutboxError> {
    store.begin_change().await?;
    let changed = match store.triggers().await {
        Ok(found) => {
            let statements = Drift::between(scripts, &found).statements;
            store.change_triggers(&statements).await
        }
        Err(error) => Err(OutboxError::of(&error)),
    };
    store.end_change(changed).await
}
