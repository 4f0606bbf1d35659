//! SQLite: triggers for each row.

use super::plan::{Columns, Plan, Stored, Update};
use super::script::{
    Script, Trigger, bytes_key, guard, head, key, pairs, quoted, split, stamped, trigger_name,
};
use crate::model::ColumnKind;
use crate::outbox::Dialect;

pub(super) fn script(plan: &Plan, prefix: &str) -> Script {
    let new = |columns: &Columns| row("NEW", columns);
    let old = |columns: &Columns| row("OLD", columns);
    let mut triggers = Vec::new();
    let mut add = |when: &str, event: &str, condition: &str, values: String| {
        triggers.push(trigger(plan, prefix, (when, event, condition), &values));
    };
    if let Some(columns) = &plan.create {
        let payload = payload(plan, "create", "", &[new(columns)]);
        add("AFTER INSERT", "insert", "", format!("VALUES ({payload})"));
    }
    if let Some(update) = &plan.update {
        let (columns, changed) = (&update.columns, changed(update));
        let payload = payload(plan, "update", &changed, &[old(columns), new(columns)]);
        let condition = condition(update);
        add(
            "AFTER UPDATE",
            "update",
            &condition,
            format!("VALUES ({payload})"),
        );
    }
    if let Some(columns) = &plan.delete {
        let payload = payload(plan, "delete", "", &[old(columns)]);
        add("AFTER DELETE", "delete", "", format!("VALUES ({payload})"));
    }
    if let Some(columns) = plan.replace.as_ref().filter(|_| !plan.key.is_empty()) {
        // REPLACE deletes rows without firing triggers, unless the connection has the pragma
        // `recursive_triggers`.
        let payload = payload(plan, "replace", "", &[row("t", columns)]);
        let table = quoted(Dialect::Sqlite, split(plan.table).1);
        let same = plan.key.iter().map(|name| {
            let name = quoted(Dialect::Sqlite, name);
            format!("t.{name} = NEW.{name}")
        });
        let same = same.collect::<Vec<_>>().join(" AND ");
        let select = format!("SELECT {payload} FROM {table} AS t WHERE {same}");
        add("BEFORE INSERT", "replace", "", select);
    }
    let mut columns = plan.columns();
    columns.extend(&plan.key);
    Script {
        guard: guard(Dialect::Sqlite, plan.table, &columns),
        triggers,
    }
}

fn trigger(
    plan: &Plan,
    prefix: &str,
    (when, event, condition): (&str, &str, &str),
    values: &str,
) -> Trigger {
    let (database, table) = split(plan.table);
    let database = database.map(|name| quoted(Dialect::Sqlite, name) + ".");
    let database = database.unwrap_or_default();
    // A trigger can only write to its own database, and must not name it.
    let (_, prefix) = split(prefix);
    let name = trigger_name(prefix, plan.table, event);
    let quoted_table = quoted(Dialect::Sqlite, table);
    // The catalog keeps the text without the name of the database.
    let body = stamped(&format!(
        "\"{name}\" {when} ON {quoted_table} FOR EACH ROW{condition}\nBEGIN /* {{stamp}} */\n    INSERT INTO {prefix}outbox (payload)\n    {values};\nEND"
    ));
    let drop = format!("DROP TRIGGER IF EXISTS {database}\"{name}\"");
    Trigger {
        table: plan.table.to_owned(),
        fires: String::new(),
        drop: vec![drop.clone()],
        install: vec![drop, format!("CREATE TRIGGER {database}{body}")],
        name,
        body,
    }
}

fn payload(plan: &Plan, event: &str, changed: &str, rows: &[String]) -> String {
    let head = head(plan, event);
    let rows = rows.join(" || ',' || ");
    format!("'{head}{changed}\"rows\":[' || {rows} || ']}}'")
}

fn row(of: &str, columns: &Columns) -> String {
    let pairs = pairs(columns, |name, Stored { kind, .. }| {
        let column = format!("{of}.{}", quoted(Dialect::Sqlite, name));
        let (name, bytes) = (key(name), bytes_key(name));
        let (key, of_blob, of_real) = match kind {
            ColumnKind::Uuid | ColumnKind::SimpleUuid => {
                (name, format!("hex({column})"), String::new())
            }
            ColumnKind::Other => (
                format!("CASE typeof({column}) WHEN 'blob' THEN {bytes} ELSE {name} END"),
                format!("hex({column})"),
                // All digits: a cast writes 15.
                format!("WHEN 'real' THEN printf('%!.17g', {column}) "),
            ),
            // Not a text; the relay reports it. `json_object` itself would make the write fail.
            _ => (name, "json_array()".to_owned(), String::new()),
        };
        let value = format!(
            "CASE typeof({column}) WHEN 'null' THEN NULL WHEN 'blob' THEN {of_blob} {of_real}ELSE CAST({column} AS text) END"
        );
        (key, value)
    });
    format!("json_object({pairs})")
}

fn differs(name: &str) -> String {
    // Not by the collation of the column, which may consider different texts equal.
    let name = quoted(Dialect::Sqlite, name);
    format!("OLD.{name} COLLATE BINARY IS NOT NEW.{name}")
}

/// `"changed":{"title":true},`
fn changed(update: &Update) -> String {
    if update.watched.is_empty() {
        return String::new();
    }
    let changed = update.watched.iter().map(|name| {
        let differs = differs(name);
        format!("\"{name}\":' || CASE WHEN {differs} THEN 'true' ELSE 'false' END || '")
    });
    format!("\"changed\":{{{}}},", changed.collect::<Vec<_>>().join(","))
}

fn condition(update: &Update) -> String {
    if !update.only_watched {
        return String::new();
    }
    let differ = update.watched.iter().map(|name| differs(name));
    format!("\nWHEN {}", differ.collect::<Vec<_>>().join(" OR "))
}
