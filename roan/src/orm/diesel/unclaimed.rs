//! Writes that went past Roan: to a table with rules, and no purging call has followed.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::script;
use crate::base::log::loudly;
use crate::base::rule::Rule;
use crate::model::Table;
use crate::orm::statement::{Write, last_part, places};

/// The writes of one transaction that nobody has claimed so far.
#[derive(Debug, Default)]
pub(super) struct Unclaimed(Vec<Past>);

#[derive(Debug)]
struct Past {
    table: &'static str,
    rules: Vec<&'static Rule>,
    verb: &'static str,
    /// How many transactions and savepoints were open.
    depth: usize,
}

impl Unclaimed {
    /// Takes note of the statements in a text that write to tables with rules.
    pub(super) fn wrote(&mut self, text: &str, depth: usize) {
        if !Write::can_matter() {
            return;
        }
        for write in writes(text) {
            let rules = write.rules();
            if let (Some(model), false) = (write.models().first(), rules.is_empty()) {
                self.0.push(Past {
                    table: model.table.name,
                    rules,
                    verb: write.verb,
                    depth,
                });
            }
        }
    }

    /// A purging call has followed for the rows of this table.
    pub(super) fn claim(&mut self, table: &Table) {
        self.0.retain(|write| !is_same(write.table, table.name));
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
        self.0.first().map(Past::told)
    }

    /// Says so, once for each table in the life of the program.
    pub(super) fn tell(&mut self) {
        static TOLD: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
        for write in self.0.drain(..) {
            let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
            if told.get_or_insert_default().insert(write.table) {
                drop(told);
                loudly(format_args!("{}", write.told()));
            }
        }
    }
}

impl Past {
    fn told(&self) -> String {
        let (verb, table, rules) = (self.verb, self.table, places(&self.rules));
        format!(
            "{verb} on `{table}`, a table with purge rules ({rules}), and no purging call followed: its pages may be stale. Run the statement with `roan::orm::diesel::PurgingDsl`, or call `.created(conn)`, `.updated(&old, conn)` or `.deleted(conn)` on its rows, in the same transaction"
        )
    }
}

fn is_same(one: &str, other: &str) -> bool {
    last_part(one) == last_part(other)
}

/// The statements in a text that write rows. (MySQL commits a `TRUNCATE` by itself.)
fn writes(text: &str) -> impl Iterator<Item = Write> {
    let sql = script::without_parameters(text);
    let statements = script::statements(sql).into_iter();
    let written = statements.filter_map(|one| Write::of(script::without_comments(one)));
    written.filter(|write| write.verb != "TRUNCATE")
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
                .map(|write| format!("{} {}", write.verb, write.table))
                .collect();
            assert_eq!(found.first().map(String::as_str), wanted, "{text}");
        }
    }
}
