//! Rows that the database deletes or changes by itself, by foreign keys, and that no hook and no trigger sees.

use crate::base::event::Event;
use crate::base::log::loudly;
use crate::outbox::store::{ForeignKey, Store};
use crate::outbox::{Outbox, OutboxError};
use crate::registry::{TableEntry, run_time};

/// At the start: logs the rules that those rows do not fire.
pub(crate) async fn check(outbox: &Outbox, store: &mut Store) -> Result<(), OutboxError> {
    let entries = TableEntry::all();
    if entries.is_empty() {
        return Ok(());
    }
    let keys = store.foreign_keys().await.map_err(OutboxError::of)?;
    let told: String = keys
        .iter()
        .filter_map(|key| unseen(outbox, &entries, key))
        .map(|unseen| format!("\n  - {unseen}"))
        .collect();
    if !told.is_empty() {
        loudly(format_args!(
            "the database itself deletes or changes rows, which no hook sees: their pages stay in the cache. Let \
             triggers see them (`Outbox::triggers`, `install_triggers`); or, with SeaORM, write `#[purge_on(delete, \
             related(child::Model))]` on the model of the parent; or delete those rows by a statement of their own \
             first, and write `Outbox::accept_cascades(\"child\")`:{told}"
        ));
    }
    Ok(())
}

/// The rules that one foreign key leaves out, in words.
fn unseen(outbox: &Outbox, entries: &[TableEntry], key: &ForeignKey) -> Option<String> {
    let mut accepted = outbox.known_cascades.iter();
    if accepted.any(|table| key.is_of(table)) {
        return None;
    }
    let mut parents = entries.iter();
    let is_followed = parents.any(|parent| {
        let children = (parent.deleted_with)();
        key.refers_to(parent.table.name) && children.iter().any(|table| key.is_of(table.name))
    });
    let on_delete = match &*key.on_delete {
        "CASCADE" => Some(Event::Delete),
        "SET NULL" | "SET DEFAULT" => Some(Event::Update),
        _ => None,
    };
    let mut actions = Vec::new();
    let mut rules = Vec::new();
    let children = entries.iter();
    for entry in children.filter(|entry| key.is_of(entry.table.name)) {
        let is_named = entry
            .table
            .columns
            .iter()
            .any(|column| key.has(column.name));
        let on_update =
            ["CASCADE", "SET NULL", "SET DEFAULT"].contains(&&*key.on_update) && is_named;
        let changes = [
            ("DELETE", &key.on_delete, on_delete.filter(|_| !is_followed)),
            ("UPDATE", &key.on_update, on_update.then_some(Event::Update)),
        ];
        for (change, action, event) in changes {
            let Some(event) = event else { continue };
            let fired = fired(outbox, key, entry, event);
            if !fired.is_empty() {
                actions.push(format!("ON {change} {action}"));
                rules.extend(fired);
            }
        }
    }
    if rules.is_empty() {
        return None;
    }
    rules.sort_unstable();
    rules.dedup();
    actions.dedup();
    let columns: Vec<_> = key.columns.iter().map(|(child, _)| &**child).collect();
    Some(format!(
        "rows of {:?} by their foreign key ({}) to {:?}, {}: {}",
        key.child,
        columns.join(", "),
        key.parent,
        actions.join(" and "),
        rules.join("; ")
    ))
}

/// The rules of a model that should fire on that event, and that no trigger serves.
fn fired(outbox: &Outbox, key: &ForeignKey, entry: &TableEntry, event: Event) -> Vec<String> {
    let name = entry.table.name;
    let triggers = outbox.triggers.as_ref();
    let has_triggers =
        triggers.is_some_and(|triggers| !triggers.without.iter().any(|out| out == name));
    let rules = entry.rules.iter().enumerate().filter(|(number, rule)| {
        let mut watched = entry.watched(*number).peekable();
        let is_changed = event != Event::Update
            || watched.peek().is_none()
            || watched.any(|column| key.has(column.name));
        rule.events().contains(event)
            && is_changed
            && !(has_triggers && entry.way(*number).is_some())
    });
    let mut rules: Vec<_> = rules.map(|(_, rule)| rule.to_string()).collect();
    if !has_triggers && run_time::events_of((entry.model)()).contains(event) {
        rules.push("rules made at run time".to_owned());
    }
    rules
}

impl ForeignKey {
    fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|(child, _)| child == column)
    }
}
