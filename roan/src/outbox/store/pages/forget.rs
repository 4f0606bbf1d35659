//! Forgetting the oldest pages: each is purged, so that none is cached and out of the index.

use super::unreadable;
use crate::base::history::Fired;
use crate::base::target::Target;
use crate::outbox::connection::Value;
use crate::outbox::payload;
use crate::outbox::store::{Result, Store, list};

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
    /// Both are one transaction: a page that is cached is always either in the index or in the outbox.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn forget(&mut self, keep: usize, limit: usize) -> Result<usize> {
        let sql = self.sql(&format!(
            "SELECT id, seen_ms FROM roan_page ORDER BY seen_ms DESC, id DESC LIMIT {limit} OFFSET {keep}"
        ));
        let rows = self.connection.rows(&sql, &[]).await?;
        let Some(newest) = rows.first().map(|row| row.int(1)).transpose()? else {
            return Ok(0);
        };
        let old = rows.iter().map(|row| row.int(0));
        let old = old.collect::<Result<Vec<_>>>()?;
        self.connection.batch(self.begin().to_owned()).await?;
        // A page that a program learns at this moment is skipped: it would have to be waited for, and is not old.
        let target = self.dialect.bytes("target");
        let sql = self.sql(&format!(
            "SELECT id, {target} FROM roan_page WHERE id IN {} AND seen_ms <= {newest} ORDER BY id {{skip locked}}",
            list(old)
        ));
        let rows = self.connection.rows_once(&sql).await?;
        let mut ids = Vec::new();
        let mut pages = Vec::new();
        for row in &rows {
            ids.push(row.int(0)?);
            match payload::read_target(&row.shown(1)?) {
                Ok(page) => pages.push(page),
                Err(error) => unreadable(row.int(0)?, &error),
            }
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
        Ok(ids.len())
    }
}
