//! The triggers of the database, from its catalog.

use std::collections::HashMap;

use super::definer::{Account, quoted};
use super::{Result, Store};
use crate::base::cause::Cause;
use crate::outbox::connection::Value;
use crate::outbox::dialect::Dialect;
use crate::outbox::error::OutboxError;
use crate::outbox::trigger_settings::TriggerError;

/// A trigger that writes to this outbox, or that has a name as those do.
#[derive(Debug)]
pub(crate) struct FoundTrigger {
    schema: String,
    /// Whether this is the schema of tables that are named without one.
    is_current_schema: bool,
    table: String,
    pub(crate) name: String,
    /// When it fires: `AFTER INSERT ...`. Empty if the body contains it.
    pub(crate) fires: String,
    /// The text of the trigger, or of its function. It distinguishes triggers of the same name.
    pub(crate) body: String,
    /// Whether it has Roan's mark and writes to this outbox.
    pub(crate) is_own: bool,
    /// What makes it, or every write to its table, fail.
    pub(crate) fault: Option<String>,
    /// The account whose rights it has, if this user cannot see whether it exists.
    pub(crate) unseen_definer: Option<String>,
    /// The statement that drops it.
    pub(crate) drop: String,
    /// The statement that drops its function.
    pub(crate) drop_function: Option<String>,
    /// The statement by which somebody lets it fire on a replica, too. One that replaces it begins without.
    pub(crate) fire_always: Option<String>,
}

impl FoundTrigger {
    /// Whether it belongs to this table, whose name may include a schema.
    pub(crate) fn is_on(&self, table: &str) -> bool {
        let (_, bare) = table.split_once('.').unwrap_or(("", table));
        self.is_in_schema_of(table) && bare == self.table
    }

    /// Whether this table, whose name may include a schema, is in the same schema.
    pub(crate) fn is_in_schema_of(&self, table: &str) -> bool {
        match table.split_once('.') {
            Some((schema, _)) => schema == self.schema,
            None => self.is_current_schema,
        }
    }

    /// Whether it belongs to a table of this name in another schema.
    pub(crate) fn is_on_namesake(&self, table: &str) -> bool {
        let (_, bare) = table.split_once('.').unwrap_or(("", table));
        bare == self.table && !self.is_in_schema_of(table)
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

/// A column whose text in MySQL is not its value. The table has the name that rules use.
#[derive(Debug)]
pub(crate) struct FoundColumn {
    pub(crate) table: String,
    pub(crate) name: String,
    pub(crate) is_timestamp: bool,
}

impl Store {
    /// The columns of MySQL whose texts depend on the session's time zone (`TIMESTAMP`) or lack digits (`FLOAT`).
    pub(crate) async fn column_types(&mut self) -> Result<Vec<FoundColumn>> {
        if self.dialect != Dialect::MySql {
            return Ok(Vec::new());
        }
        let sql = "SELECT IF(table_schema = DATABASE(), table_name, CONCAT(table_schema, '.', table_name)), \
                 column_name, data_type = 'timestamp' \
             FROM information_schema.columns WHERE data_type IN ('timestamp', 'float')";
        let rows = self.connection.rows(sql, &[]).await?;
        let found = rows.iter().map(|row| {
            Ok(FoundColumn {
                table: row.shown(0)?,
                name: row.shown(1)?,
                is_timestamp: row.int(2)? != 0,
            })
        });
        found.collect()
    }

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

    /// The triggers that write to this outbox, and others whose names begin with its prefix.
    pub(crate) async fn triggers(&mut self) -> Result<Vec<FoundTrigger>> {
        let outbox = format!("{}outbox", self.prefix);
        let (schema, bare) = match outbox.split_once('.') {
            Some((schema, bare)) => (Some(schema), bare),
            None => (None, &*outbox),
        };
        let begins = |name: &str| {
            let prefix = &bare[..bare.len() - "outbox".len()];
            format!("substr({name}, 1, {}) = '{prefix}'", prefix.len())
        };
        let sql = match self.dialect {
            // The `search_path` of the function names the schema of the outbox.
            Dialect::Postgres => POSTGRES.replace("{named}", &begins("t.tgname::text")),
            Dialect::MySql => {
                let of_schema = match schema {
                    Some(_) => "",
                    // A constant: the server need not open the tables of other schemas.
                    None => " AND event_object_schema = DATABASE()",
                };
                MYSQL.replace("{named}", &begins("trigger_name")) + of_schema
            }
            Dialect::Sqlite => SQLITE.replace("{named}", &begins("name")),
        };
        let marked = match (self.dialect, schema) {
            (Dialect::Postgres, _) => outbox.clone(),
            (Dialect::Sqlite, _) => format!("INTO {bare} "),
            (Dialect::MySql, Some(schema)) => format!("INTO `{schema}`.`{bare}` "),
            (Dialect::MySql, None) => format!("INTO `{bare}` "),
        };
        let rows = self.connection.rows(&sql, &[Value::Text(&marked)]).await?;
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let mut found = Vec::new();
        let mut accounts = HashMap::new();
        for row in &rows {
            let definer = row.shown(9)?;
            let mut trigger = FoundTrigger {
                schema: row.shown(0)?,
                is_current_schema: row.int(1)? != 0,
                table: row.shown(2)?,
                name: row.shown(3)?,
                fires: row.shown(4)?,
                body: row.shown(5)?,
                is_own: row.int(6)? != 0,
                fault: some(row.shown(7)?),
                unseen_definer: None,
                drop: row.shown(8)?,
                drop_function: None,
                fire_always: some(row.shown(10)?),
            };
            match self.dialect {
                Dialect::Postgres => trigger.drop_function = some(definer),
                Dialect::MySql if trigger.is_own => {
                    if !accounts.contains_key(&definer) {
                        let account = self.account(&definer).await?;
                        accounts.insert(definer.clone(), account);
                    }
                    let account = &accounts[&definer];
                    let outbox = (schema.unwrap_or(&trigger.schema), bare);
                    let table = (&*trigger.schema, &*trigger.table);
                    trigger.fault = account.fault(&definer, table, outbox);
                    if matches!(account, Account::Unseen) {
                        trigger.unseen_definer = Some(quoted(&definer));
                    }
                }
                Dialect::MySql | Dialect::Sqlite => {}
            }
            found.push(trigger);
        }
        Ok(found)
    }

    /// Whether PostgreSQL fires only those triggers for this user that fire always.
    pub(crate) async fn is_replica_session(&mut self) -> Result<bool> {
        if self.dialect != Dialect::Postgres {
            return Ok(false);
        }
        let sql = "SELECT (current_setting('session_replication_role') = 'replica')::int::bigint";
        Ok(self.connection.int(sql, &[]).await? == Some(1))
    }

    /// The columns of these tables, each with the name of its table as given. A table without columns does not exist.
    pub(crate) async fn columns(&mut self, tables: &[&str]) -> Result<Vec<(String, String)>> {
        let mut columns = Vec::new();
        for tables in tables.chunks(100) {
            let selects: Vec<_> = tables.iter().map(|table| self.columns_of(table)).collect();
            let sql = selects.join(" UNION ALL ");
            for row in self.connection.rows(&sql, &[]).await? {
                columns.push((row.shown(0)?, row.shown(1)?));
            }
        }
        Ok(columns)
    }

    /// The names of tables do not contain quotes or backslashes.
    fn columns_of(&self, name: &str) -> String {
        let (schema, table) = match name.split_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, name),
        };
        match self.dialect {
            Dialect::Postgres => {
                let schema = schema.map_or_else(String::new, |schema| format!("\"{schema}\"."));
                format!(
                    "SELECT '{name}', attname::text FROM pg_attribute \
                     WHERE attrelid = to_regclass('{schema}\"{table}\"') AND NOT attisdropped"
                )
            }
            Dialect::MySql => {
                let schema =
                    schema.map_or_else(|| "DATABASE()".to_owned(), |schema| format!("'{schema}'"));
                format!(
                    "SELECT '{name}', column_name FROM information_schema.columns \
                     WHERE table_schema = {schema} AND table_name = '{table}'"
                )
            }
            Dialect::Sqlite => {
                let Some(schema) = schema else {
                    return format!("SELECT '{name}', name FROM pragma_table_xinfo('{table}')");
                };
                // To ask for the columns in a schema that is not attached would be an error.
                format!(
                    "SELECT '{name}', c.name FROM pragma_table_list AS t \
                     JOIN pragma_table_xinfo(t.name, t.schema) AS c \
                     WHERE t.schema = '{schema}' AND t.name = '{table}' COLLATE NOCASE"
                )
            }
        }
    }

    /// Checks that this user may write to the outbox, as the triggers that it creates will do.
    pub(crate) async fn check_insert(&mut self) -> std::result::Result<(), OutboxError> {
        let statements = [
            self.begin(),
            "INSERT INTO roan_outbox (payload) VALUES ('')",
            "ROLLBACK",
        ];
        let sql = self.sql(&statements.join("; "));
        self.connection.batch(sql).await.map_err(OutboxError::of)
    }

    /// Runs the statements for all triggers, as part of a change of the schema.
    pub(crate) async fn change_triggers(
        &mut self,
        statements: &[String],
    ) -> std::result::Result<(), OutboxError> {
        for statement in statements {
            let changed = self.connection.batch(statement.clone()).await;
            changed.map_err(|error| {
                if error.as_database_error().is_none() || Self::is_conflict(&error) {
                    return self.change_error(error);
                }
                let statement = statement.lines().next().unwrap_or_default().to_owned();
                let cause = Cause::new(error);
                OutboxError::Triggers(TriggerError::Refused { statement, cause })
            })?;
        }
        Ok(())
    }
}

// Each with the columns: schema, whether it is the current one, table, name, when it fires, text, whether it is Roan's,
// what is wrong with it, the statement that drops it, (PostgreSQL) the one for its function or (MySQL) its definer, and
// the one by which it fires always.

const POSTGRES: &str = "
    SELECT n.nspname::text, pg_table_is_visible(c.oid)::int::bigint, c.relname::text, t.tgname::text,
        coalesce(substring(d.text FROM '^CREATE TRIGGER .* (AFTER [A-Z]+) ON ') || ' '
            || substring(d.text FROM ' ((REFERENCING [^()]*)?FOR EACH [A-Z]+) EXECUTE '), d.text),
        p.prosrc, i.is_own::int::bigint,
        CASE WHEN NOT i.is_own THEN ''
            WHEN t.tgenabled = 'D' THEN 'is disabled'
            WHEN t.tgenabled = 'R' THEN 'fires only for a replica (`ENABLE REPLICA TRIGGER`)'
            WHEN NOT p.prosecdef
                THEN 'runs with the privileges of each writer (its function is not `SECURITY DEFINER`)'
            WHEN NOT has_schema_privilege(p.proowner, s.oid, 'USAGE')
                THEN format('fails, and every write with it: its owner lacks a privilege (`GRANT USAGE ON SCHEMA %I TO %I`)',
                    s.nspname, pg_get_userbyid(p.proowner))
            WHEN NOT has_table_privilege(p.proowner, o.oid, 'INSERT')
                AND NOT has_column_privilege(p.proowner, o.oid, 'payload', 'INSERT')
                THEN format('fails, and every write with it: its owner lacks a privilege (`GRANT INSERT ON %I.%I TO %I`)',
                    s.nspname, o.relname, pg_get_userbyid(p.proowner))
            ELSE '' END,
        format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname),
        format('DROP FUNCTION %s', p.oid::regprocedure),
        CASE t.tgenabled WHEN 'A'
            THEN format('ALTER TABLE %I.%I ENABLE ALWAYS TRIGGER %I', n.nspname, c.relname, t.tgname) ELSE '' END
    FROM pg_trigger AS t
    JOIN pg_class AS c ON c.oid = t.tgrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_proc AS p ON p.oid = t.tgfoid
    JOIN pg_class AS o ON o.oid = to_regclass($1)
    JOIN pg_namespace AS s ON s.oid = o.relnamespace
    -- It is called once: it does not see a trigger that is dropped meanwhile.
    CROSS JOIN LATERAL (SELECT pg_get_triggerdef(t.oid) OFFSET 0) AS d (text)
    CROSS JOIN LATERAL (SELECT coalesce(
        p.prosrc LIKE '%/* roan triggers %INTO \"' || o.relname || '\" %'
        AND 'search_path=pg_catalog, ' || quote_ident(s.nspname) || ', pg_temp' = ANY(p.proconfig), false
    )) AS i (is_own)
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND (i.is_own OR {named}) AND d.text IS NOT NULL";

const MYSQL: &str = "
    SELECT event_object_schema, event_object_schema = DATABASE(), event_object_table, trigger_name,
        CONCAT(action_timing, ' ', event_manipulation), action_statement,
        action_statement LIKE '%roan triggers %' AND INSTR(action_statement, ?) > 0 AS is_own, '',
        CONCAT('DROP TRIGGER `', event_object_schema, '`.`', REPLACE(trigger_name, '`', '``'), '`'), definer, ''
    FROM information_schema.triggers
    WHERE (action_statement LIKE '%roan triggers %' OR {named})";

const SQLITE: &str = "
    SELECT 'main', 1, tbl_name, name, '', sql,
        sql LIKE '%/* roan triggers %' AND instr(sql, ?) > 0, '',
        'DROP TRIGGER \"' || replace(name, '\"', '\"\"') || '\"', '', ''
    FROM sqlite_schema
    WHERE type = 'trigger' AND (sql LIKE '%/* roan triggers %' OR {named})";
