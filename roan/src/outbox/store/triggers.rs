//! The triggers of the database, as its catalog shows them.

use super::{Result, Store};
use crate::outbox::dialect::Dialect;
use crate::outbox::error::OutboxError;

/// A trigger that writes to this outbox.
#[derive(Debug)]
pub(crate) struct FoundTrigger {
    /// As it is called, perhaps with its schema.
    pub(crate) table: String,
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) is_enabled: bool,
}

impl Store {
    /// Those whose text has the mark of Roan and the name of this outbox.
    pub(crate) async fn triggers(&mut self) -> Result<Vec<FoundTrigger>> {
        let columns = match self.dialect {
            Dialect::Postgres => {
                "CASE WHEN n.nspname = ANY(current_schemas(false)) THEN c.relname ELSE n.nspname || '.' || c.relname END, \
                 t.tgname::text, p.prosrc, (t.tgenabled <> 'D')::int::bigint \
                 FROM pg_trigger AS t \
                 JOIN pg_class AS c ON c.oid = t.tgrelid \
                 JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                 JOIN pg_proc AS p ON p.oid = t.tgfoid \
                 WHERE NOT t.tgisinternal AND p.prosrc"
            }
            Dialect::MySql => {
                "CASE WHEN event_object_schema = DATABASE() THEN event_object_table \
                 ELSE CONCAT(event_object_schema, '.', event_object_table) END, \
                 trigger_name, action_statement, 1 \
                 FROM information_schema.triggers WHERE action_statement"
            }
            Dialect::Sqlite => {
                "tbl_name, name, sql, 1 FROM sqlite_schema WHERE type = 'trigger' AND sql"
            }
        };
        let sql = format!("SELECT {columns} LIKE '%/* roan triggers %'");
        let rows = self.connection.rows(&sql, &[]).await?;
        let found = rows.iter().map(|row| {
            Ok(FoundTrigger {
                table: row.text(0)?,
                name: row.text(1)?,
                body: row.text(2)?,
                is_enabled: row.int(3)? != 0,
            })
        });
        let mut found = found.collect::<Result<Vec<_>>>()?;
        let outbox = self.sql("roan_outbox");
        let (_, outbox) = outbox.rsplit_once('.').unwrap_or(("", &outbox));
        found.retain(|trigger| {
            let mut words = trigger
                .body
                .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            words.any(|word| word == outbox)
        });
        Ok(found)
    }

    /// Runs the statements for all triggers, all of them or none; but for MySQL, which has no
    /// transactions for them.
    pub(crate) async fn change_triggers(
        &mut self,
        statements: &[String],
    ) -> std::result::Result<(), OutboxError> {
        let of = |error| OutboxError::of(&error);
        if self.dialect == Dialect::MySql {
            for statement in statements {
                self.connection.batch(statement.clone()).await.map_err(of)?;
            }
            return Ok(());
        }
        self.transaction(statements).await.map_err(of)
    }

    /// Lets one program at a time look at the triggers and change them.
    pub(crate) async fn lock_triggers(
        &mut self,
        lock: bool,
    ) -> std::result::Result<(), OutboxError> {
        let locked = self.lock_migration(lock).await;
        locked.map_err(|error| OutboxError::of(&error))
    }
}
