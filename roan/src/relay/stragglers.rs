//! Pages that this process has released, and that were purged, by whichever process, while they may have been on their way
//! into a cache: their purges and the rebounds may have come before them.

use std::time::Instant;

use super::{Relay, Result};
use crate::base::target::TargetKind;
use crate::dispatcher::Onward;
use crate::outbox::store::Store;

impl Relay {
    /// Looks which pages those are, and purges them once more when they must have arrived.
    pub(super) async fn look_for_stragglers(&mut self, store: &mut Store) -> Result<()> {
        let Some((released, number)) = self.engine.known.released() else {
            return Ok(());
        };
        let began = Instant::now();
        let Some(since) = released.unchecked(number, began) else {
            return Ok(());
        };
        let checked = store.all_purged_since(since).await?;
        let stragglers = released.checked(&checked, began);
        let all_know_tags = self.engine.cache_without(TargetKind::Tag).is_none();
        // Together, so that a cache behind another one is asked for a tag a few times, and not once for each page.
        let due = stragglers.iter().map(|straggler| straggler.due).max();
        let due = due.unwrap_or(began);
        for straggler in stragglers {
            // Behind another cache a tag reaches more than the URL.
            for tag in &straggler.tags {
                let once_more = tag.clone();
                self.engine
                    .purge_once_more(once_more, Onward::default(), due);
            }
            if !(straggler.is_by_tags && all_know_tags) {
                let onward = Onward::from_parts(!straggler.is_by_tags, straggler.tags);
                self.engine.purge_once_more(straggler.url, onward, due);
            }
        }
        Ok(())
    }
}
