//! The triggers of the database, from its catalog.

use super::{Result, Store};
use crate::outbox::connection::Value;
use crate::outbox::dialect::Dialect;
use crate::outbox::error::OutboxError;

/// A trigger that writes to this outbox.
#[derive(Debug)]
pub(crate) struct FoundTrigger {
    schema: String,
    /// Whether this is the schema of tables that are named without one.
    is_current_schema: bool,
    table: String,
    pub(crate) name: String,
    /// The text of the trigger, or of its function. It distinguishes triggers of the same name.
    pub(crate) body: String,
    pub(crate) is_enabled: bool,
    /// The statements that drop it.
    pub(crate) drop: Vec<String>,
}

impl FoundTrigger {
    /// Whether it belongs to this table, whose name may include a schema.
    pub(crate) fn is_on(&self, table: &str) -> bool {
        match table.split_once('.') {
            Some((schema, table)) => schema == self.schema && table == self.table,
            None => self.is_current_schema && table == self.table,
        }
    }

    pub(crate) fn table(&self) -> String {
        if self.is_current_schema {
            self.table.clone()
        } else {
            format!("{}.{}", self.schema, self.table)
        }
    }
}

/// A foreign key by which the database itself changes rows. Tables have the names that rules use.
#[derive(Debug)]
pub(crate) struct ForeignKey {
    pub(crate) name: String,
    pub(crate) child: String,
    pub(crate) parent: String,
    /// The tables with their schemas.
    full_child: String,
    full_parent: String,
    /// The columns of the child and of the parent.
    pub(crate) columns: Vec<(String, String)>,
    /// `CASCADE`, `SET NULL`, ...
    pub(crate) on_delete: String,
    pub(crate) on_update: String,
}

impl ForeignKey {
    /// Whether this name of a table, with or without its schema, is that of the child.
    pub(crate) fn is_of(&self, table: &str) -> bool {
        table == self.child || table == self.full_child
    }

    pub(crate) fn refers_to(&self, table: &str) -> bool {
        table == self.parent || table == self.full_parent
    }
}

impl Store {
    /// The foreign keys.
    pub(crate) async fn foreign_keys(&mut self) -> Result<Vec<ForeignKey>> {
        let sql = match self.dialect {
            Dialect::Postgres => {
                let table = |name: &str| {
                    format!(
                        "CASE WHEN pg_table_is_visible({name}.oid) THEN {name}.relname::text \
                         ELSE {name}n.nspname || '.' || {name}.relname END"
                    )
                };
                let action = |column: &str| {
                    format!(
                        "CASE {column} WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' \
                         WHEN 'd' THEN 'SET DEFAULT' ELSE 'NO ACTION' END"
                    )
                };
                format!(
                    "SELECT f.conname::text, {}, {}, ca.attname::text, pa.attname::text, {}, {}, \
                         cn.nspname || '.' || c.relname, pn.nspname || '.' || p.relname \
                     FROM pg_constraint AS f \
                     JOIN pg_class AS c ON c.oid = f.conrelid \
                     JOIN pg_namespace AS cn ON cn.oid = c.relnamespace \
                     JOIN pg_class AS p ON p.oid = f.confrelid \
                     JOIN pg_namespace AS pn ON pn.oid = p.relnamespace \
                     CROSS JOIN LATERAL unnest(f.conkey, f.confkey) \
                         WITH ORDINALITY AS k (child, parent, number) \
                     JOIN pg_attribute AS ca ON ca.attrelid = c.oid AND ca.attnum = k.child \
                     JOIN pg_attribute AS pa ON pa.attrelid = p.oid AND pa.attnum = k.parent \
                     WHERE f.contype = 'f' AND f.conparentid = 0 \
                     ORDER BY c.oid, f.conname, k.number",
                    table("c"),
                    table("p"),
                    action("f.confdeltype"),
                    action("f.confupdtype"),
                )
            }
            Dialect::MySql => {
                let table = |schema: &str, table: &str| {
                    format!("IF({schema} = DATABASE(), {table}, CONCAT({schema}, '.', {table}))")
                };
                let child = table("k.table_schema", "k.table_name");
                let parent = table("k.referenced_table_schema", "k.referenced_table_name");
                format!(
                    "SELECT k.constraint_name, {child}, {parent}, k.column_name, \
                         k.referenced_column_name, r.delete_rule, r.update_rule, \
                         CONCAT(k.table_schema, '.', k.table_name), \
                         CONCAT(k.referenced_table_schema, '.', k.referenced_table_name) \
                     FROM information_schema.key_column_usage AS k \
                     JOIN information_schema.referential_constraints AS r \
                         ON r.constraint_schema = k.constraint_schema \
                         AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name \
                     WHERE k.referenced_table_name IS NOT NULL \
                     ORDER BY k.table_schema, k.table_name, k.constraint_name, k.ordinal_position"
                )
            }
            // A column of the parent that is not named is its primary key.
            Dialect::Sqlite => {
                "SELECT CAST(f.id AS text), c.name, f.\"table\", f.\"from\", f.\"to\", \
                     f.on_delete, f.on_update, 'main.' || c.name, 'main.' || f.\"table\" \
                 FROM sqlite_schema AS c JOIN pragma_foreign_key_list(c.name) AS f \
                 WHERE c.type = 'table' ORDER BY c.name, f.id, f.seq"
                    .to_owned()
            }
        };
        let mut keys: Vec<ForeignKey> = Vec::new();
        for row in self.connection.rows(&sql, &[]).await? {
            let (name, child) = (row.shown(0)?, row.shown(1)?);
            let columns = (row.shown(3)?, row.shown(4)?);
            match keys.last_mut() {
                Some(key) if key.name == name && key.child == child => key.columns.push(columns),
                _ => keys.push(ForeignKey {
                    name,
                    child,
                    parent: row.shown(2)?,
                    columns: vec![columns],
                    on_delete: row.shown(5)?,
                    on_update: row.shown(6)?,
                    full_child: row.shown(7)?,
                    full_parent: row.shown(8)?,
                }),
            }
        }
        Ok(keys)
    }

    pub(crate) async fn triggers(&mut self) -> Result<Vec<FoundTrigger>> {
        let outbox = format!("{}outbox", self.prefix);
        let sql = match self.dialect {
            // The `search_path` of the function names the schema of the outbox.
            Dialect::Postgres => {
                "SELECT n.nspname::text, pg_table_is_visible(c.oid)::int::bigint, c.relname::text, \
                     t.tgname::text, p.prosrc, (t.tgenabled <> 'D')::int::bigint, \
                     format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname), \
                     format('DROP FUNCTION %s', p.oid::regprocedure) \
                 FROM pg_trigger AS t \
                 JOIN pg_class AS c ON c.oid = t.tgrelid \
                 JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                 JOIN pg_proc AS p ON p.oid = t.tgfoid \
                 JOIN pg_class AS o ON o.oid = to_regclass($1) \
                 JOIN pg_namespace AS s ON s.oid = o.relnamespace \
                 WHERE NOT t.tgisinternal AND t.tgparentid = 0 \
                     AND p.prosrc LIKE '%/* roan triggers %INTO \"' || o.relname || '\" %' \
                     AND 'search_path=pg_catalog, ' || quote_ident(s.nspname) || ', pg_temp' \
                         = ANY(p.proconfig)"
            }
            Dialect::MySql => {
                "SELECT event_object_schema, event_object_schema = DATABASE(), event_object_table, \
                     trigger_name, action_statement, 1, \
                     CONCAT('DROP TRIGGER `', event_object_schema, '`.`', trigger_name, '`'), NULL \
                 FROM information_schema.triggers \
                 WHERE action_statement LIKE '%roan triggers %' \
                     AND INSTR(action_statement, ?) > 0 \
                     AND (? OR event_object_schema = DATABASE())"
            }
            Dialect::Sqlite => {
                "SELECT 'main', 1, tbl_name, name, sql, 1, 'DROP TRIGGER \"' || name || '\"', NULL \
                 FROM sqlite_schema \
                 WHERE type = 'trigger' AND sql LIKE '%/* roan triggers %' AND instr(sql, ?) > 0"
            }
        };
        let marked = match (self.dialect, outbox.split_once('.')) {
            (Dialect::Postgres, _) => outbox.clone(),
            (Dialect::Sqlite, Some((_, outbox))) => format!("INTO {outbox} "),
            (Dialect::Sqlite, None) => format!("INTO {outbox} "),
            (Dialect::MySql, Some((schema, outbox))) => format!("INTO `{schema}`.`{outbox}` "),
            (Dialect::MySql, None) => format!("INTO `{outbox}` "),
        };
        let has_schema = i64::from(outbox.contains('.'));
        let mut values = vec![Value::Text(&marked)];
        if self.dialect == Dialect::MySql {
            values.push(Value::Int(has_schema));
        }
        let rows = self.connection.rows(sql, &values).await?;
        let found = rows.iter().map(|row| {
            Ok(FoundTrigger {
                schema: row.shown(0)?,
                is_current_schema: row.int(1)? != 0,
                table: row.shown(2)?,
                name: row.shown(3)?,
                body: row.shown(4)?,
                is_enabled: row.int(5)? != 0,
                drop: [row.shown(6)?, row.shown(7)?]
                    .into_iter()
                    .filter(|statement| !statement.is_empty())
                    .collect(),
            })
        });
        found.collect()
    }

    /// Runs the statements for all triggers, as part of a change of the schema.
    pub(crate) async fn change_triggers(
        &mut self,
        statements: &[String],
    ) -> std::result::Result<(), OutboxError> {
        for statement in statements {
            let changed = self.connection.batch(statement.clone()).await;
            changed.map_err(OutboxError::of)?;
        }
        Ok(())
    }
}
