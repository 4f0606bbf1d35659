//! Tables and columns that the rules name and the database does not have. A trigger that names such a column makes every
//! write to its table fail.

use std::collections::{HashMap, HashSet};

use super::plan::Plan;
use crate::base::rule::Rule;
use crate::outbox::Dialect;
use crate::outbox::store::{FoundTrigger, Store};
use crate::registry::{TableEntry, Way};

/// The columns that a table of SQLite has without listing them.
const ROW_ID: [&str; 3] = ["rowid", "oid", "_rowid_"];

/// Each missing table, and each rule with a missing column, in words.
pub(super) async fn missing(
    store: &mut Store,
    dialect: Dialect,
    plans: &[Plan],
    triggers: &[FoundTrigger],
) -> sqlx::Result<Vec<String>> {
    let tables: Vec<_> = plans.iter().map(|plan| plan.table).collect();
    let mut found: HashMap<String, HashSet<String>> = HashMap::new();
    for (table, column) in store.columns(&tables).await? {
        let column = folded(dialect, &column);
        found.entry(table).or_default().insert(column);
    }
    let mut missing = Vec::new();
    for plan in plans {
        let entries = TableEntry::of_table(plan.table);
        let Some(columns) = found.get(plan.table) else {
            missing.push(no_table(dialect, plan.table, &entries, triggers));
            continue;
        };
        let mut needed = plan.columns();
        needed.extend(&plan.key);
        needed.sort_unstable();
        needed.dedup();
        needed.retain(|column| {
            let column = folded(dialect, column);
            let is_row_id = dialect == Dialect::Sqlite && ROW_ID.contains(&&*column);
            !columns.contains(&column) && !is_row_id
        });
        for column in needed {
            let told = format!("table {:?} does not have the column {column:?}", plan.table);
            let rules = entries.iter().flat_map(|entry| readers(entry, column));
            let mut rules: Vec<_> = rules.collect();
            rules.sort_by_key(|(_, rule)| (rule.file(), rule.line()));
            missing.extend(
                rules.iter().map(|(field, rule)| {
                    format!("{told} of the field `{field}`, in the rule {rule}")
                }),
            );
            if rules.is_empty() {
                // The key.
                missing.push(format!("{told}{}", model(&entries)));
            }
        }
    }
    Ok(missing)
}

/// The rules that name the column, each with its field.
fn readers<'a>(
    entry: &'a TableEntry,
    name: &'a str,
) -> impl Iterator<Item = (&'static str, &'static Rule)> + 'a {
    let columns = entry.table.columns;
    let rules = entry.rules.iter().enumerate();
    rules.filter_map(move |(number, rule)| {
        let filling: Vec<_> = match entry.way(number)? {
            Way::Pieces(pieces) => {
                let filling = pieces.iter().filter_map(|piece| piece.column());
                filling.map(|column| &columns[column]).collect()
            }
            // The value needs all of them.
            Way::Value(row) => row.columns.iter().collect(),
        };
        let mut named = filling.into_iter().chain(entry.watched(number));
        let column = named.find(|column| column.name == name)?;
        Some((column.field, rule))
    })
}

fn no_table(
    dialect: Dialect,
    table: &str,
    entries: &[TableEntry],
    triggers: &[FoundTrigger],
) -> String {
    let unseen = match dialect {
        Dialect::MySql => " (or this user does not have any privilege on it)",
        Dialect::Postgres | Dialect::Sqlite => "",
    };
    let model = model(entries);
    let mut own = triggers.iter().filter(|known| known.is_own);
    if let Some(moved) = own.find(|known| known.is_on_namesake(table)) {
        let moved = moved.table();
        return format!(
            "table {table:?}{model} does not exist, but {moved:?} has triggers of it, which fire: if the table was moved, write `table = {moved:?}`"
        );
    }
    format!(
        "table {table:?}{model} does not exist{unseen}: create it, name another with `table = \"...\"`, or leave it out with `Triggers::without({table:?})`"
    )
}

/// ` of the model Post (src/post.rs:7)`
fn model(entries: &[TableEntry]) -> String {
    let rules = entries.iter().filter_map(|entry| entry.rules.first());
    let first = rules.min_by_key(|rule| (rule.file(), rule.line()));
    first.map_or_else(String::new, |rule| {
        format!(
            " of the model {} ({}:{})",
            rule.model(),
            rule.file(),
            rule.line()
        )
    })
}

/// Two spellings of the same column have the same result.
fn folded(dialect: Dialect, column: &str) -> String {
    match dialect {
        Dialect::Postgres => column.to_owned(),
        Dialect::MySql | Dialect::Sqlite => column.to_lowercase(),
    }
}
