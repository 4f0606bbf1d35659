//! MySQL and MariaDB: triggers for each row, with one statement, so that clients do not need `DELIMITER`.

use super::plan::{Columns, Plan, Update};
use super::script::{
    Script, Trigger, guard, head, pairs, quoted, quoted_name, split, stamped, trigger_name,
};
use crate::model::ColumnKind;
use crate::outbox::Dialect;

pub(super) fn script(plan: &Plan, prefix: &str) -> Script {
    let mut triggers = Vec::new();
    let mut add = |event: &str, payload: String, condition: &str| {
        triggers.push(trigger(plan, prefix, event, &payload, condition));
    };
    if let Some(columns) = &plan.create {
        add(
            "insert",
            payload(plan, "create", "", &[row("NEW", columns)]),
            "",
        );
    }
    if let Some(update) = &plan.update {
        let rows = [row("OLD", &update.columns), row("NEW", &update.columns)];
        let payload = payload(plan, "update", &changed(update), &rows);
        add("update", payload, &condition(update));
    }
    if let Some(columns) = &plan.delete {
        add(
            "delete",
            payload(plan, "delete", "", &[row("OLD", columns)]),
            "",
        );
    }
    Script {
        guard: guard(Dialect::MySql, plan.table, &plan.columns()),
        triggers,
    }
}

fn trigger(plan: &Plan, prefix: &str, event: &str, payload: &str, condition: &str) -> Trigger {
    let outbox = quoted_name(Dialect::MySql, &format!("{prefix}outbox"));
    let name = trigger_name(split(prefix).1, plan.table, event);
    // MySQL's own client removes comments, so the version is not a comment.
    let body = stamped(&format!(
        "INSERT INTO {outbox} (payload)\n    SELECT {payload}\n    FROM DUAL WHERE '{{stamp}}' <> ''{condition}"
    ));
    on_each_row(plan.table, name, "AFTER", event, body)
}

/// A trigger belongs to the database of its table.
pub(super) fn on_each_row(
    table: &str,
    name: String,
    time: &str,
    event: &str,
    body: String,
) -> Trigger {
    let (database, _) = split(table);
    let database = database.map(|name| quoted(Dialect::MySql, name) + ".");
    let place = format!("{}`{name}`", database.unwrap_or_default());
    let drop = format!("DROP TRIGGER IF EXISTS {place}");
    let event = event.to_ascii_uppercase();
    let quoted_table = quoted_name(Dialect::MySql, table);
    Trigger {
        table: table.to_owned(),
        fires: format!("{time} {event}"),
        drop: vec![drop.clone()],
        install: vec![
            // So that no write between the two is missed.
            format!("LOCK TABLES {quoted_table} WRITE"),
            drop,
            format!("CREATE TRIGGER {place} {time} {event} ON {quoted_table} FOR EACH ROW\n{body}"),
            "UNLOCK TABLES".to_owned(),
        ],
        name,
        body,
    }
}

pub(super) fn payload(plan: &Plan, event: &str, changed: &str, rows: &[String]) -> String {
    let head = head(plan, event);
    let rows = rows.join(", ',', ");
    format!("CONCAT('{head}{changed}\"rows\":[', {rows}, ']}}')")
}

fn row(of: &str, columns: &Columns) -> String {
    row_of(columns, |name| {
        format!("{of}.{}", quoted(Dialect::MySql, name))
    })
}

/// The row with these expressions for its columns.
pub(super) fn row_of(columns: &Columns, column: impl Fn(&str) -> String) -> String {
    let pairs = pairs(columns, |name, kind| {
        let column = column(name);
        // One collation for all: otherwise they could not be concatenated.
        let text = |value: &str| format!("CONVERT({value} USING utf8mb4) COLLATE utf8mb4_bin");
        match kind {
            ColumnKind::Uuid => {
                let hex = text(&format!("HEX({column})"));
                format!("IF(LENGTH({column}) = 16, {hex}, {})", text(&column))
            }
            _ => text(&column),
        }
    });
    format!("JSON_OBJECT({pairs})")
}

pub(super) fn differs(name: &str) -> String {
    // Compares bytes: the collation of the column may consider different texts equal.
    let name = quoted(Dialect::MySql, name);
    format!("NOT (CAST(OLD.{name} AS BINARY) <=> CAST(NEW.{name} AS BINARY))")
}

/// `"changed":{"title":true},`
fn changed(update: &Update) -> String {
    if update.watched.is_empty() {
        return String::new();
    }
    let changed = update.watched.iter().map(|name| {
        let differs = differs(name);
        format!("\"{name}\":', IF({differs}, 'true', 'false'), '")
    });
    format!("\"changed\":{{{}}},", changed.collect::<Vec<_>>().join(","))
}

fn condition(update: &Update) -> String {
    if !update.only_watched {
        return String::new();
    }
    let differ = update.watched.iter().map(|name| differs(name));
    format!(" AND ({})", differ.collect::<Vec<_>>().join(" OR "))
}
