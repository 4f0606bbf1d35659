//! Leases: the rows of a relay that has died return to the others.
//!
//! Each relay has a row with a beat, which it increases while it holds rows. The others observe the beats by their own
//! clocks. Times of different machines are never compared, so clocks may be wrong or be changed.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::{Result, Store, TAKEN, WAITING, list};

/// The number of rows returned at a time.
const BATCH: usize = 1000;

/// How long each relay's beat has not changed.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: HashMap<i64, (i64, Instant)>,
}

impl Watch {
    /// Records the current beats, and returns the relays whose beat has not changed for `lease`.
    pub(crate) fn look(&mut self, beats: &[(i64, i64)], lease: Duration, now: Instant) -> Vec<i64> {
        self.seen
            .retain(|id, _| beats.iter().any(|(known, _)| known == id));
        let mut still = Vec::new();
        for (id, beat) in beats {
            let (known, since) = self.seen.entry(*id).or_insert((*beat, now));
            if known != beat {
                (*known, *since) = (*beat, now);
            } else if now.saturating_duration_since(*since) >= lease {
                still.push(*id);
            }
        }
        still
    }
}

impl Store {
    /// The number under which this relay takes rows.
    pub(crate) fn relay(&self) -> i64 {
        self.relay
    }

    /// Keeps the number of an earlier connection, for new rows and for those taken before.
    pub(crate) fn go_on_as(&mut self, relay: i64) {
        self.relay = relay;
    }

    /// Increases the beat of this relay.
    pub(crate) async fn beat(&mut self) -> Result<()> {
        let relay = self.relay;
        let sql = self.sql("UPDATE roan_relay SET beat = beat % 1000000000 + 1 WHERE id = ?");
        if self.connection.execute(&sql, &[relay.into()]).await? == 0 {
            // New, or considered dead: then the rows taken under this number belong to others now.
            self.relay = fastrand::i64(1..);
            let sql = self.sql("INSERT INTO roan_relay (id, beat) VALUES (?, 0)");
            self.connection.execute(&sql, &[self.relay.into()]).await?;
        }
        Ok(())
    }

    /// The other relays with their beats.
    pub(crate) async fn others(&mut self) -> Result<Vec<(i64, i64)>> {
        self.beats("SELECT id, beat FROM roan_relay").await
    }

    /// Those that hold rows without a beat: a relay may take rows at the moment at which it is considered dead. On
    /// PostgreSQL this passes the remains of finished rows: see `relay/horizon.rs`.
    pub(crate) async fn strays(&mut self) -> Result<Vec<(i64, i64)>> {
        let sql = format!(
            "SELECT relay, -1 FROM roan_outbox WHERE state = {TAKEN} \
             AND relay NOT IN (SELECT id FROM roan_relay) \
             UNION SELECT relay, -1 FROM roan_delivery WHERE state = {TAKEN} \
             AND relay NOT IN (SELECT id FROM roan_relay)"
        );
        self.beats(&sql).await
    }

    async fn beats(&mut self, sql: &str) -> Result<Vec<(i64, i64)>> {
        let rows = self.connection.rows(&self.sql(sql), &[]).await?;
        let beats = rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?)));
        let beats = beats.collect::<Result<Vec<_>>>()?;
        Ok(beats
            .into_iter()
            .filter(|(id, _)| *id != self.relay)
            .collect())
    }

    /// Returns the rows of a relay to the queue, and deletes the relay.
    pub(crate) async fn release(&mut self, relay: i64) -> Result<()> {
        let statements = [
            format!(
                "UPDATE roan_outbox SET state = {WAITING}, relay = 0, ended_ms = 0 WHERE state = {TAKEN} AND relay = {relay}"
            ),
            format!(
                "UPDATE roan_delivery SET state = {WAITING}, relay = 0 WHERE state = {TAKEN} AND relay = {relay}"
            ),
            format!("DELETE FROM roan_relay WHERE id = {relay}"),
        ];
        let statements = statements.map(|sql| self.sql(&sql));
        self.transaction(&statements).await
    }

    /// Returns the rows to the queue that this relay has taken according to the database, but that are not among these
    /// purges and deliveries. Returns their number.
    ///
    /// Such rows exist if an answer was lost with the connection, or if PostgreSQL crashed and lost the relay's last writes.
    pub(crate) async fn release_but(
        &mut self,
        purges: &HashSet<i64>,
        deliveries: &HashSet<i64>,
    ) -> Result<usize> {
        let relay = self.relay;
        let mut count = 0;
        for (table, held) in [("roan_outbox", purges), ("roan_delivery", deliveries)] {
            let sql = format!("SELECT id FROM {table} WHERE state = {TAKEN} AND relay = {relay}");
            let mut strange = self.ids(&sql, &[]).await?;
            strange.retain(|id| !held.contains(id));
            self.give_back(table, &strange).await?;
            count += strange.len();
        }
        Ok(count)
    }

    /// Returns these purges to the queue.
    pub(crate) async fn release_purges(&mut self, purges: &[i64]) -> Result<()> {
        self.give_back("roan_outbox", purges).await
    }

    async fn give_back(&mut self, table: &str, ids: &[i64]) -> Result<()> {
        let relay = self.relay;
        // A purge may have been left by another version of the program.
        let anew = match table {
            "roan_outbox" => ", ended_ms = 0",
            _ => "",
        };
        for ids in ids.chunks(BATCH) {
            let sql = self.sql(&format!(
                "UPDATE {table} SET state = {WAITING}, relay = 0{anew} \
                 WHERE state = {TAKEN} AND relay = {relay} AND id IN {}",
                list(ids.iter().copied())
            ));
            self.connection.batch(sql).await?;
        }
        Ok(())
    }

    /// Returns all rows that this relay has taken to the queue.
    pub(crate) async fn release_own(&mut self) -> Result<()> {
        self.release(self.relay).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_dead_when_its_beat_stands_still_for_the_lease() {
        let lease = Duration::from_secs(10);
        let start = Instant::now();
        let mut watch = Watch::default();
        let mut look = |beats: &[(i64, i64)], seconds| {
            watch.look(beats, lease, start + Duration::from_secs(seconds))
        };
        assert!(look(&[(1, 5), (2, 7)], 0).is_empty());
        assert!(look(&[(1, 6), (2, 7)], 9).is_empty());
        assert_eq!(look(&[(1, 6), (2, 7)], 10), [2]);
        // Two came back, three is new, one stands still since the ninth second.
        assert!(look(&[(1, 6), (2, 8), (3, 0)], 18).is_empty());
        assert_eq!(look(&[(1, 6), (2, 8), (3, 1)], 19), [1]);
        // Gone and here again is new.
        assert!(look(&[], 20).is_empty());
        assert!(look(&[(1, 6)], 40).is_empty());
    }
}
