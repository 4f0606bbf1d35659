//! MySQL and MariaDB do not fire triggers for rows that a foreign key deletes or changes. So the triggers of the *parent*
//! write its children to the outbox, before the change.

use super::mysql::{Row, differs, on_each_row, payload};
use super::plan::Plan;
use super::script::{Script, Trigger, guard, quoted, quoted_name, split, stamped, trigger_name};
use crate::outbox::Dialect;
use crate::outbox::store::ForeignKey;

/// The database does not go further either.
const DEEPEST: usize = 15;

pub(super) fn scripts(plans: &[Plan], prefix: &str, keys: &[ForeignKey]) -> Vec<Script> {
    let mut scripts = Vec::new();
    for plan in plans {
        let mut triggers = Vec::new();
        for key in keys.iter().filter(|key| key.child == plan.table) {
            paths(plan, prefix, keys, &mut vec![key], &mut triggers);
            triggers.extend(moved(plan, prefix, key));
        }
        if !triggers.is_empty() {
            let guard = guard(Dialect::MySql, plan.table, &[]);
            scripts.push(Script { guard, triggers });
        }
    }
    scripts
}

/// The path from the affected rows to the parent, the parent of that, and so on.
fn paths<'a>(
    plan: &Plan,
    prefix: &str,
    keys: &'a [ForeignKey],
    path: &mut Vec<&'a ForeignKey>,
    triggers: &mut Vec<Trigger>,
) {
    let parent = path[path.len() - 1];
    triggers.extend(deleted(plan, prefix, path));
    let above = keys.iter().filter(|key| key.child == parent.parent);
    for key in above.filter(|key| key.on_delete == "CASCADE") {
        let is_new = path.iter().all(|known| !std::ptr::eq(*known, key));
        if is_new && path.len() < DEEPEST {
            path.push(key);
            paths(plan, prefix, keys, path, triggers);
            path.pop();
        }
    }
}

fn deleted(plan: &Plan, prefix: &str, path: &[&ForeignKey]) -> Option<Trigger> {
    let row: Row<'_> = &|name| format!("c0.{}", quoted(Dialect::MySql, name));
    let payload = match (&*path[0].on_delete, &plan.delete, &plan.update) {
        ("CASCADE", Some(columns), _) => payload(plan, "delete", "", columns, &[row]),
        ("SET NULL", _, Some(update)) => {
            let changed = changed(plan, path[0]);
            payload(plan, "update", &changed, &update.columns, &[row])
        }
        _ => return None,
    };
    let mut from = format!("{} AS c0", quoted_name(Dialect::MySql, plan.table));
    for (number, key) in path.iter().enumerate().take(path.len() - 1) {
        let parent = format!("c{}", number + 1);
        let table = quoted_name(Dialect::MySql, &key.parent);
        let on = joined(key, &format!("c{number}"), &parent);
        from.push_str(&format!("\n    JOIN {table} AS {parent} ON {on}"));
    }
    let last = path.len() - 1;
    let same = joined(path[last], &format!("c{last}"), "OLD");
    let select = format!("SELECT {payload}\n    FROM {from}\n    WHERE {same}");
    Some(trigger(plan, prefix, path, "delete", &select))
}

/// The key of the parent changes, and so its children.
fn moved(plan: &Plan, prefix: &str, key: &ForeignKey) -> Option<Trigger> {
    let update = plan.update.as_ref()?;
    if !["CASCADE", "SET NULL"].contains(&&*key.on_update) {
        return None;
    }
    let old = |name: &str| format!("c0.{}", quoted(Dialect::MySql, name));
    let new = |name: &str| {
        let moved = key.columns.iter().find(|(child, _)| child == name);
        match moved {
            Some(_) if key.on_update == "SET NULL" => "NULL".to_owned(),
            Some((_, parent)) => format!("NEW.{}", quoted(Dialect::MySql, parent)),
            None => old(name),
        }
    };
    let changed = changed(plan, key);
    let payload = payload(plan, "update", &changed, &update.columns, &[&old, &new]);
    let table = quoted_name(Dialect::MySql, plan.table);
    let same = joined(key, "c0", "OLD");
    let differ = key.columns.iter().map(|(_, parent)| differs(parent));
    let differ = differ.collect::<Vec<_>>().join(" OR ");
    let select =
        format!("SELECT {payload}\n    FROM {table} AS c0\n    WHERE {same} AND ({differ})");
    Some(trigger(plan, prefix, &[key], "update", &select))
}

/// Of the watched columns, only those of the key change.
fn changed(plan: &Plan, key: &ForeignKey) -> String {
    let watched = plan.update.iter().flat_map(|update| &update.watched);
    let pairs: Vec<_> = watched
        .map(|name| {
            let is_moved = key.columns.iter().any(|(child, _)| child == name);
            format!("\"{name}\":{is_moved}")
        })
        .collect();
    if pairs.is_empty() {
        return String::new();
    }
    format!("\"changed\":{{{}}},", pairs.join(","))
}

fn joined(key: &ForeignKey, child: &str, parent: &str) -> String {
    let quoted = |name: &str| quoted(Dialect::MySql, name);
    let pairs = key.columns.iter().map(|(of_child, of_parent)| {
        format!(
            "{child}.{} = {parent}.{}",
            quoted(of_child),
            quoted(of_parent)
        )
    });
    pairs.collect::<Vec<_>>().join(" AND ")
}

fn trigger(plan: &Plan, prefix: &str, path: &[&ForeignKey], event: &str, select: &str) -> Trigger {
    // Not a plain table name, so that a hash becomes part of the name.
    let keys: Vec<_> = path.iter().map(|key| &*key.name).collect();
    let told = format!("{} by {}", plan.table, keys.join(" by "));
    let name = trigger_name(split(prefix).1, &told, event);
    let outbox = quoted_name(Dialect::MySql, &format!("{prefix}outbox"));
    let body = stamped(&format!(
        "INSERT INTO {outbox} (payload)\n    {select} AND '{{stamp}}' <> ''"
    ));
    on_each_row(&path[path.len() - 1].parent, name, "BEFORE", event, body)
}
