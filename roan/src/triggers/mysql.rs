//! MySQL and MariaDB: triggers for each row, with one statement, so that clients do not need `DELIMITER`.

use super::apply::long_name;
use super::plan::{Columns, Plan, TextOf, Update};
use super::script::{
    Script, Trigger, bytes_key, guard, head, key, pairs, quoted, quoted_name, split, stamped,
    trigger_name,
};
use crate::model::ColumnKind;
use crate::outbox::Dialect;

pub(super) fn script(plan: &Plan, prefix: &str) -> Script {
    let mut triggers = Vec::new();
    let mut add = |event: &str, payload: String, condition: &str| {
        triggers.push(trigger(plan, prefix, event, &payload, condition));
    };
    if let Some(columns) = &plan.create {
        add("insert", payload(plan, "create", "", columns, &[&new]), "");
    }
    if let Some(update) = &plan.update {
        let (columns, changed) = (&update.columns, changed(update));
        let payload = payload(plan, "update", &changed, columns, &[&old, &new]);
        add("update", payload, &condition(update));
    }
    if let Some(columns) = &plan.delete {
        add("delete", payload(plan, "delete", "", columns, &[&old]), "");
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

/// The expressions of a row's columns, by their names.
pub(super) type Row<'a> = &'a dyn Fn(&str) -> String;

pub(super) fn payload(
    plan: &Plan,
    event: &str,
    changed: &str,
    columns: &Columns,
    rows: &[Row<'_>],
) -> String {
    let head = head(plan, event);
    let payload = |columns: &Columns, long: bool| {
        let rows = rows.iter().map(|row| row_of(columns, row, long));
        let rows = rows.collect::<Vec<_>>().join(", ',', ");
        format!("CONCAT('{head}{changed}\"rows\":[', {rows}, ']}}')")
    };
    if columns.values().all(|stored| stored.fills) {
        return payload(columns, false);
    }
    // A payload that does not fit would make the write fail. Then the relay says that the other columns are missing. JSON
    // writes some characters with six bytes.
    let lengths = rows.iter().flat_map(|row| {
        let names = columns.keys();
        names.map(move |name| format!("IFNULL(LENGTH({}), 0)", row(name)))
    });
    let lengths = lengths.collect::<Vec<_>>().join(" + ");
    let mut filling = columns.clone();
    filling.retain(|_, stored| stored.fills);
    format!(
        "IF({lengths} > LEAST({LARGEST}, @@max_allowed_packet - 65536) / 6, {}, {})",
        payload(&filling, false),
        payload(columns, true)
    )
}

/// More than a URL may have.
const TOO_LONG: u32 = 60_000;

/// The column `payload` is a `mediumtext`.
const LARGEST: u32 = 16_000_000;

fn old(name: &str) -> String {
    format!("OLD.{}", quoted(Dialect::MySql, name))
}

fn new(name: &str) -> String {
    format!("NEW.{}", quoted(Dialect::MySql, name))
}

/// The row with these expressions for its columns. Unless it may be `long`, the texts that are too long for a URL have
/// another key, and are not stored.
fn row_of(columns: &Columns, column: Row<'_>, long: bool) -> String {
    let pairs = pairs(columns, |bare, stored| {
        let (kind, column) = (stored.kind, column(bare));
        let (name, bytes) = (key(bare), bytes_key(bare));
        // One collation for all: otherwise they could not be concatenated.
        let text = |value: &str| format!("CONVERT({value} USING utf8mb4) COLLATE utf8mb4_bin");
        match kind {
            ColumnKind::Uuid | ColumnKind::SimpleUuid => {
                let hex = text(&format!("HEX({column})"));
                let value = format!("IF(LENGTH({column}) = 16, {hex}, {})", text(&column));
                (name, value)
            }
            ColumnKind::Other => {
                // Numbers and times have this character set, too, but are less coercible.
                let is_bytes =
                    format!("CHARSET({column}) = 'binary' AND COERCIBILITY({column}) = 2");
                // MariaDB would insert the JSON of a column as such, and not as a text.
                let of_text = |value: &str| format!("CONCAT(CONVERT({value} USING utf8mb4), '')");
                let value = match stored.text {
                    TextOf::Value => format!("IF({is_bytes}, HEX({column}), {})", of_text(&column)),
                    TextOf::Float => of_text(&format!("{column} + 0E0")),
                    // The year 0 stays as it is: it is not a time.
                    TextOf::Timestamp => format!(
                        "IF(UNIX_TIMESTAMP({column}) = 0, {}, CONCAT('1970-01-01 00:00:00' + INTERVAL UNIX_TIMESTAMP({column}) SECOND, ''))",
                        of_text(&column)
                    ),
                };
                (format!("IF({is_bytes}, {bytes}, {name})"), text(&value))
            }
            ColumnKind::Text if !long => {
                let is_long = format!("LENGTH({column}) > {TOO_LONG}");
                let key = format!("IF({is_long}, {}, {name})", key(&long_name(bare)));
                (key, text(&format!("IF({is_long}, '', {column})")))
            }
            _ => (name, text(&column)),
        }
    });
    format!("JSON_OBJECT({pairs})")
}

pub(super) fn differs(name: &str) -> String {
    // Compares bytes: the collation of the column may consider different texts equal. And values: the text of a `FLOAT` lacks
    // digits.
    let name = quoted(Dialect::MySql, name);
    format!(
        "NOT (CAST(OLD.{name} AS BINARY) <=> CAST(NEW.{name} AS BINARY) AND OLD.{name} <=> NEW.{name})"
    )
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
