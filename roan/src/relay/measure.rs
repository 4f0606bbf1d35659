//! Counts what is in the outbox, for the metrics.

use std::time::Instant;

use super::{Relay, Result};
use crate::outbox::store::Store;

/// Counting takes at most one part of so many of the time.
const PARTS: u32 = 100;

impl Relay {
    /// Counts, unless the last time was so long that it is too early.
    pub(super) async fn measure(&mut self, store: &mut Store) -> Result<()> {
        let began = Instant::now();
        if began < self.measure_at {
            return Ok(());
        }
        let census = store.census().await?;
        self.engine.note_census(Some(census));
        self.measure_at = Instant::now() + began.elapsed() * PARTS;
        Ok(())
    }
}
