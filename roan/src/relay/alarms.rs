//! What the relay reports beside purges: triggers that do not match the rules, and a backlog.

use super::{Relay, Result};
use crate::base::counted::counted;
use crate::base::log::{emit, end_loudly, loudly};
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
            Ok(change) => {
                self.failed_looks = 0;
                if change == Change::Confirmed {
                    self.link.set_trigger_errors(triggers.errors());
                }
                Ok(change == Change::Unconfirmed)
            }
            // It is about the catalog, and not about the outbox: purges go on.
            Err(error) if error.as_database_error().is_some() => {
                self.failed_looks += 1;
                self.tell_failed_look(&error);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// One failure may pass. The second in a row is probably a missing privilege.
    fn tell_failed_look(&self, error: &sqlx::Error) {
        if self.failed_looks == 2 {
            loudly(format_args!(
                "cannot look at the triggers, so that it is not known whether they match the rules: {error}"
            ));
        } else {
            emit(|| tracing::warn!(target: "roan", %error, "cannot look at the triggers"));
        }
    }

    pub(super) async fn watch_backlog(&mut self, store: &mut Store) -> Result<()> {
        let Some((threshold, alarm)) = &self.outbox.alarm else {
            return Ok(());
        };
        let limit = usize::try_from(threshold.saturating_add(1)).unwrap_or(usize::MAX);
        let backlog = store.backlog(limit.min(1_000_000_000), &[], None).await?;
        let Backlog { purges, deliveries } = backlog;
        let over = purges + deliveries > *threshold;
        if over == self.alarmed {
            return Ok(());
        }
        self.alarmed = over;
        if over {
            loudly(format_args!(
                "the outbox's backlog of {} and {} exceeds the threshold of {threshold}",
                counted(purges, "purge"),
                counted(deliveries, "delivery")
            ));
        } else {
            end_loudly(
                format_args!("the outbox's backlog is below the threshold of {threshold} again"),
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
