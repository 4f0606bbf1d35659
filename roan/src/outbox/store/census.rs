//! Counts the rows for the metrics.

use std::time::Duration;

use super::{DEAD, LEFT, Result, Store, WAITING};
use crate::outbox::census::{Census, MOST};

/// What is counted: each kind of row that waits, then those that are dead.
const KINDS: [(&str, i64); 5] = [
    ("roan_outbox", WAITING),
    ("roan_outbox", LEFT),
    ("roan_delivery", WAITING),
    ("roan_outbox", DEAD),
    ("roan_delivery", DEAD),
];

impl Store {
    /// Counts what waits and what is dead.
    pub(crate) async fn census(&mut self) -> Result<Census> {
        let counted = KINDS.iter().enumerate().map(|(number, (table, state))| {
            format!(
                "(SELECT count(*) AS amount, min(created_ms) AS oldest FROM \
                 (SELECT created_ms FROM {table} WHERE state = {state} LIMIT {MOST}) some{number}) kind{number}"
            )
        });
        let counted = counted.collect::<Vec<_>>().join(", ");
        let columns = (0..KINDS.len())
            .map(|number| format!("kind{number}.amount, kind{number}.oldest"))
            .collect::<Vec<_>>()
            .join(", ");
        let sql = self.sql(&format!("SELECT {{now}}, {columns} FROM {counted}"));
        let rows = self.connection.rows(&sql, &[]).await?;
        let Some(row) = rows.first() else {
            return Ok(Census::default());
        };
        let now = row.int(0)?;
        let amount = |kind: usize| Ok::<_, sqlx::Error>(row.int(1 + 2 * kind)?.unsigned_abs());
        let mut oldest = None;
        for kind in 0..3 {
            // 0 if there is none.
            let created = Some(row.int(2 + 2 * kind)?).filter(|created| *created > 0);
            oldest = oldest.into_iter().chain(created).min();
        }
        Ok(Census {
            is_up: true,
            purges: amount(0)? + amount(1)?,
            deliveries: amount(2)?,
            dead: amount(3)? + amount(4)?,
            oldest: oldest.map(|created| {
                let age = now.saturating_sub(created).clamp(0, now.max(0));
                Duration::from_millis(age.unsigned_abs())
            }),
        })
    }
}
