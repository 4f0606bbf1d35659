//! Dead deliveries that a person drops. The purge keeps that they were.

use std::collections::BTreeMap;
use std::time::Instant;

use super::finish::TEXTS;
use super::{DEAD, Result, Store, list};
use crate::base::history::{AnswerKind, NodeAnswer};
use crate::base::target_json::encode_target;
use crate::outbox::connection::{Row, Value};
use crate::outbox::{history, stored_target};

/// The number of deliveries that are dropped at a time.
const BATCH: usize = 500;

impl Store {
    /// Deletes those of these deliveries that are dead, and returns their number.
    pub(super) async fn drop_deliveries(&mut self, ids: &[i64]) -> Result<u64> {
        let mut count = 0;
        for ids in ids.chunks(BATCH) {
            let begun = Instant::now();
            count += self.drop_some(ids).await?;
            self.let_others_write(begun).await;
        }
        Ok(count)
    }

    async fn drop_some(&mut self, ids: &[i64]) -> Result<u64> {
        let [cache, node, target, error] =
            ["cache", "node", "target", "error"].map(|column| self.dialect.bytes(column));
        self.connection.batch(self.begin().to_owned()).await?;
        let sql = self.sql(&format!(
            "SELECT id, purge_id, {cache}, {node}, {target}, attempts, {error} FROM roan_delivery \
             WHERE state = {DEAD} AND id IN {} ORDER BY id {{skip locked}}",
            list(ids.iter().copied())
        ));
        let rows = self.connection.rows(&sql, &[]).await?;
        let mut dropped = Vec::new();
        let mut lines: BTreeMap<i64, String> = BTreeMap::new();
        for row in &rows {
            dropped.push(row.int(0)?);
            *lines.entry(row.int(1)?).or_default() += &line(row)?;
        }
        let mut texts: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (purge, text) in lines {
            texts.entry(text).or_default().push(purge);
        }
        let texts: Vec<_> = texts.iter().collect();
        for texts in texts.chunks(TEXTS) {
            let (lines, values) = self.by_texts(texts, true);
            let purges = texts.iter().flat_map(|(_, purges)| purges.iter().copied());
            let sql = self.sql(&format!(
                "UPDATE roan_outbox SET ended_ms = {{now}}, history = {lines} WHERE id IN {}",
                list(purges)
            ));
            self.connection.execute(&sql, &values).await?;
        }
        let sql = self.sql(&format!(
            "DELETE FROM roan_delivery WHERE id IN {}",
            list(dropped)
        ));
        let values: [Value<'_>; 0] = [];
        let count = self.connection.execute(&sql, &values).await?;
        self.commit_durably().await?;
        Ok(count)
    }
}

/// The line for the history of a purge.
fn line(row: &Row) -> Result<String> {
    let (cache, node, error) = (row.shown(2)?, row.shown(3)?, row.shown(6)?);
    let target = stored_target::read_delivery(&row.shown(4)?).ok();
    let target = target.map(|(target, _)| encode_target(&target));
    let answer = NodeAnswer {
        error: Some(match &*error {
            "" => "by hand".to_owned(),
            error => format!("by hand ({error})"),
        }),
        attempts: u32::try_from(row.int(5)?).unwrap_or(0),
        other_urls: target.is_none(),
        ..NodeAnswer::of(&cache.into(), &node.into(), AnswerKind::Dropped)
    };
    Ok(history::answer_lines(&[answer], 1, target.as_deref()))
}
