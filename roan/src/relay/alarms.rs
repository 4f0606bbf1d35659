//! What the relay reports beside purges: triggers that do not match the rules, and a backlog.

use super::{Relay, Result};
use crate::base::log::emit;
use crate::outbox::store::Store;
use crate::outbox::{Backlog, BacklogAlarm};
use crate::triggers::Change;

impl Relay {
    /// Returns whether to look again soon.
    pub(super) async fn look_at_triggers(&mut self, store: &mut Store) -> Result<bool> {
        let Some(triggers) = &mut self.triggers else {
            return Ok(false);
        };
        match triggers.look(store).await {
            Ok(Change::Confirmed) => self.link.set_trigger_errors(triggers.errors()),
            Ok(change) => return Ok(change == Change::Unconfirmed),
            // It is about the catalog, and not about the outbox: purges go on.
            Err(error) if error.as_database_error().is_some() => {
                emit(|| tracing::warn!(target: "roan", %error, "cannot look at the triggers"));
            }
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    pub(super) async fn watch_backlog(&mut self, store: &mut Store) -> Result<()> {
        let Some((threshold, alarm)) = &self.outbox.alarm else {
            return Ok(());
        };
        let limit = usize::try_from(threshold.saturating_add(1)).unwrap_or(usize::MAX);
        let backlog = store.backlog(limit.min(1_000_000_000), &[]).await?;
        let Backlog { purges, deliveries } = backlog;
        let over = purges + deliveries > *threshold;
        if over == self.alarmed {
            return Ok(());
        }
        self.alarmed = over;
        if over {
            emit(
                || tracing::error!(target: "roan", purges, deliveries, threshold, "the outbox's backlog exceeds the threshold"),
            );
        } else {
            emit(
                || tracing::info!(target: "roan", purges, deliveries, threshold, "the outbox's backlog is below the threshold again"),
            );
        }
        alarm(if over {
            BacklogAlarm::Raised(backlog)
        } else {
            BacklogAlarm::Cleared(backlog)
        });
        Ok(())
    }
}
