//! Writes that went past Roan: to a table with rules, and no purging call has followed.

use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::script;
use crate::announce::loudly;
use crate::event::Events;
use crate::model::{Table, TableEntry};

/// The writes of one transaction that nobody has claimed so far.
#[derive(Debug, Default)]
pub(super) struct Unclaimed(Vec<Write>);

#[derive(Debug)]
struct Write {
    table: &'static TableEntry,
    verb: &'static str,
    /// How many transactions and savepoints were open.
    depth: usize,
}

impl Unclaimed {
    /// Takes note of the statements in a text that write to tables with rules.
    pub(super) fn wrote(&mut self, text: &str, depth: usize) {
        if RULED.is_empty() {
            return;
        }
        for (verb, events, name) in writes(text) {
            let fires = |entry: &&&TableEntry| {
                entry
                    .rules
                    .iter()
                    .any(|rule| rule.events().intersects(events))
            };
            if let Some(table) = entries(&name).iter().find(fires) {
                self.0.push(Write { table, verb, depth });
            }
        }
    }

    /// A purging call has followed for the rows of this table.
    pub(super) fn claim(&mut self, table: &Table) {
        self.0
            .retain(|write| !is_same(write.table.table.name, table.name));
    }

    pub(super) fn claim_all(&mut self) {
        self.0.clear();
    }

    /// After a rollback: what is deeper than `depth` never happened.
    pub(super) fn rolled_back(&mut self, depth: usize) {
        self.0.retain(|write| write.depth < depth);
    }

    /// After the release of a savepoint.
    pub(super) fn released(&mut self, depth: usize) {
        for write in &mut self.0 {
            write.depth = write.depth.min(depth);
        }
    }

    /// What to do about it; `None` when there is nothing.
    pub(super) fn told(&self) -> Option<String> {
        self.0.first().map(Write::told)
    }

    /// Says so, once for each table in the life of the program.
    pub(super) fn tell(&mut self) {
        static TOLD: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
        for write in self.0.drain(..) {
            let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
            if told.get_or_insert_default().insert(write.table.table.name) {
                drop(told);
                loudly(format_args!("{}", write.told()));
            }
        }
    }
}

impl Write {
    fn told(&self) -> String {
        let table = self.table.table.name;
        let verb = self.verb;
        let rule = self
            .table
            .rules
            .first()
            .map(|rule| format!(" ({} at {}:{})", rule.model(), rule.file(), rule.line()))
            .unwrap_or_default();
        format!(
            "{verb} on `{table}`, a table with purge rules{rule}, and no purging call followed: its pages may be stale. Run the statement with `roan::orm::diesel::PurgingDsl`, or call `.created(conn)`, `.updated(&old, conn)` or `.deleted(conn)` on its rows, in the same transaction"
        )
    }
}

/// The tables of the binary that have rules, by the last part of their names.
static RULED: LazyLock<HashMap<String, Vec<&'static TableEntry>>> = LazyLock::new(|| {
    let mut ruled: HashMap<String, Vec<&TableEntry>> = HashMap::new();
    for entry in inventory::iter::<TableEntry> {
        ruled
            .entry(last_part(entry.table.name))
            .or_default()
            .push(entry);
    }
    ruled
});

fn entries(name: &str) -> &'static [&'static TableEntry] {
    RULED.get(&last_part(name)).map_or(&[], Vec::as_slice)
}

fn is_same(one: &str, other: &str) -> bool {
    last_part(one) == last_part(other)
}

fn last_part(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.trim_matches(['"', '`', '[', ']']).to_ascii_lowercase()
}

/// Verb, events and table of each statement in a text that writes.
fn writes(text: &str) -> Vec<(&'static str, Events, String)> {
    let sql = script::without_parameters(text);
    script::statements(sql)
        .into_iter()
        .filter_map(|one| write_of(script::without_comments(one)))
        .collect()
}

fn write_of(statement: &str) -> Option<(&'static str, Events, String)> {
    let mut words = statement.split_whitespace();
    let mut word = words.next()?.to_ascii_lowercase();
    if word == "with" {
        word = words
            .by_ref()
            .map(|word| word.trim_start_matches('(').to_ascii_lowercase())
            .find(|word| matches!(word.as_str(), "insert" | "update" | "delete"))?;
    }
    let (verb, events) = match word.as_str() {
        "insert" => ("INSERT", Events::CREATE),
        "replace" => ("REPLACE", Events::SAVE),
        "update" => ("UPDATE", Events::UPDATE),
        "delete" => ("DELETE", Events::DELETE),
        _ => return None,
    };
    let is_name = |word: &&str| {
        let modifiers = [
            "into",
            "from",
            "only",
            "or",
            "ignore",
            "replace",
            "abort",
            "fail",
            "rollback",
            "low_priority",
            "high_priority",
            "delayed",
            "quick",
        ];
        !modifiers.contains(&word.to_ascii_lowercase().as_str())
    };
    let name = words.find(is_name)?;
    let name = name.split(['(', ';']).next().unwrap_or(name);
    Some((verb, events, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_statement_is_found() {
        let cases = [
            (
                "INSERT INTO \"posts\" (\"id\") VALUES ($1)",
                Some("INSERT posts"),
            ),
            (
                "insert or ignore into `blog`.`posts`(id) values (1)",
                Some("INSERT posts"),
            ),
            ("REPLACE INTO posts VALUES (1)", Some("REPLACE posts")),
            ("UPDATE ONLY posts SET id = 1", Some("UPDATE posts")),
            ("DELETE  FROM `posts` WHERE id = 1", Some("DELETE posts")),
            (
                "WITH gone AS (DELETE FROM posts RETURNING id) SELECT id FROM gone",
                Some("DELETE posts"),
            ),
            ("SELECT * FROM posts FOR UPDATE", None),
            ("TRUNCATE posts", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            let found: Vec<_> = writes(text)
                .into_iter()
                .map(|(verb, _, name)| format!("{verb} {}", last_part(&name)))
                .collect();
            assert_eq!(found.first().map(String::as_str), wanted, "{text}");
        }
    }
}
