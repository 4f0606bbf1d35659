//! Forgetting the oldest pages: each is purged, so that none is cached and out of the index.

use crate::base::history::Fired;
use crate::base::log::loudly;
use crate::base::target::Target;
use crate::outbox::connection::Value;
use crate::outbox::payload;
use crate::outbox::store::{Result, Store, list};
use crate::outbox::stored_target::Unreadable;

impl Store {
    /// Puts purges of pages into the outbox.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) async fn put_purges(&mut self, pages: &[Target]) -> Result<()> {
        for pages in pages.chunks(payload::LONGEST) {
            let pages: Vec<_> = pages.iter().map(Fired::unsaid).collect();
            let payload = payload::encode(&pages, false);
            let sql = self.sql("INSERT INTO roan_outbox (payload) VALUES (?)");
            let values = [Value::Text(&payload)];
            self.connection.execute(&sql, &values).await?;
        }
        Ok(())
    }

    /// Takes pages out of the index that are beyond the `keep` that were learned last, up to `limit` of them, and puts a
    /// purge of each into the outbox. Returns the number of pages.
    ///
    /// Both are one transaction: a page that is cached is always either in the index or in the outbox. So a page of a newer
    /// program, which this one cannot purge, stays in the index.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn forget(&mut self, mut keep: usize, limit: usize) -> Result<usize> {
        loop {
            let sql = self.sql(&format!(
                "SELECT id, seen_ms FROM roan_page ORDER BY seen_ms DESC, id DESC LIMIT {limit} OFFSET {keep}"
            ));
            let rows = self.connection.rows(&sql, &[]).await?;
            let Some(newest) = rows.first().map(|row| row.int(1)).transpose()? else {
                return Ok(0);
            };
            let old = rows.iter().map(|row| row.int(0));
            let old = old.collect::<Result<Vec<_>>>()?;
            match self.forget_if_read(&old, newest).await? {
                // Pages of a newer program. Older ones may not be.
                (0, 1..) => keep += limit.max(1),
                (count, _) => return Ok(count),
            }
        }
    }

    /// Of these pages, those that were not learned again after `newest`. Also returns the number of those that stay because
    /// only a newer program can read them.
    async fn forget_if_read(&mut self, pages: &[i64], newest: i64) -> Result<(usize, usize)> {
        self.connection.batch(self.begin().to_owned()).await?;
        // A page that a program learns at this moment is skipped: it would have to be waited for, and is not old.
        let target = self.dialect.bytes("target");
        let sql = self.sql(&format!(
            "SELECT id, {target} FROM roan_page WHERE id IN {} AND seen_ms <= {newest} ORDER BY id {{skip locked}}",
            list(pages.iter().copied())
        ));
        let rows = self.connection.rows_once(&sql).await?;
        let mut ids = Vec::new();
        let mut pages = Vec::new();
        for row in &rows {
            let id = row.int(0)?;
            match super::read(id, &row.shown(1)?) {
                Ok(page) => pages.push(page),
                Err(Unreadable::Newer(_)) => continue,
                Err(Unreadable::Invalid(why)) => loudly(format_args!("{why}")),
            }
            ids.push(id);
        }
        if ids.is_empty() {
            self.roll_back().await?;
            return Ok((0, rows.len()));
        }
        self.put_purges(&pages).await?;
        let greatest = self.dialect.greatest();
        let gone = list(ids.iter().copied());
        let statements = [
            format!("DELETE FROM roan_page_key WHERE page_id IN {gone}"),
            format!("DELETE FROM roan_page WHERE id IN {gone}"),
            // Last, because marks wait for this row.
            format!(
                "UPDATE roan_epoch SET forgets = {greatest}(forgets + 1, {{now}}) WHERE id = 1"
            ),
            "COMMIT".to_owned(),
        ];
        let sql = self.sql(&statements.join(";\n"));
        self.connection.batch(sql).await?;
        Ok((ids.len(), rows.len() - ids.len()))
    }
}
