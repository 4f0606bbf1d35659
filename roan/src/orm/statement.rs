//! What a statement writes, as far as its text says, and whose rules that concerns.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::base::event::Events;
use crate::base::rule::Rule;
use crate::registry::TableEntry;

/// The tables of the binary that have rules, by the last part of their names. A linker has no order:
/// they are sorted.
static RULED: LazyLock<HashMap<String, Vec<TableEntry>>> = LazyLock::new(|| {
    let mut ruled: HashMap<String, Vec<TableEntry>> = HashMap::new();
    for entry in TableEntry::all() {
        let name = last_part(entry.table.name);
        ruled.entry(name).or_default().push(entry);
    }
    ruled
});

/// A statement that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::orm) struct Write {
    pub(in crate::orm) verb: &'static str,
    pub(in crate::orm) events: Events,
    /// Without its schema and in small letters.
    pub(in crate::orm) table: String,
}

/// What may stand between the verb and the name of the table.
const BEFORE_NAMES: [&str; 14] = [
    "ABORT",
    "DELAYED",
    "FAIL",
    "FROM",
    "HIGH_PRIORITY",
    "IGNORE",
    "INTO",
    "LOW_PRIORITY",
    "ONLY",
    "OR",
    "QUICK",
    "REPLACE",
    "ROLLBACK",
    "TABLE",
];

impl Write {
    /// `None` when the text begins with no verb that writes, nor a common table expression does.
    pub(in crate::orm) fn of(statement: &str) -> Option<Self> {
        let mut words = statement.split_whitespace();
        let mut verb = words.next()?;
        if verb.eq_ignore_ascii_case("with") {
            let writes = |word: &&str| {
                let is_it = |verb: &&str| verb.eq_ignore_ascii_case(word);
                ["INSERT", "UPDATE", "DELETE"].iter().any(is_it)
            };
            let mut bare = words.by_ref().map(|word| word.trim_start_matches('('));
            verb = bare.find(writes)?;
        }
        let (verb, events) = [
            ("INSERT", Events::CREATE),
            ("REPLACE", Events::SAVE),
            ("UPDATE", Events::UPDATE),
            ("DELETE", Events::DELETE),
            ("TRUNCATE", Events::DELETE),
        ]
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(verb))?;
        let is_name = |word: &&str| {
            let is_it = |known: &&str| known.eq_ignore_ascii_case(word);
            !BEFORE_NAMES.iter().any(is_it)
        };
        let name = words.find(is_name)?;
        let name = name.split(['(', ';', ',']).next().unwrap_or(name);
        Some(Self {
            verb,
            events,
            table: last_part(name),
        })
    }

    /// Whether a statement can concern anybody's rules: else it need not be read.
    pub(in crate::orm) fn can_matter() -> bool {
        !RULED.is_empty()
    }

    /// The models of the table; mostly it is one, or none.
    pub(in crate::orm) fn models(&self) -> &'static [TableEntry] {
        RULED.get(&self.table).map_or(&[], Vec::as_slice)
    }

    /// The first rule of each model that fires for the statement.
    pub(in crate::orm) fn rules(&self) -> Vec<&'static Rule> {
        let fires = |rule: &&Rule| rule.events().intersects(self.events);
        let models = self.models().iter();
        models
            .filter_map(|model| model.rules.iter().find(fires))
            .collect()
    }
}

/// `Post at src/post.rs:7`
pub(in crate::orm) fn places(rules: &[&Rule]) -> String {
    let place = |rule: &&Rule| format!("{} at {}:{}", rule.model(), rule.file(), rule.line());
    rules.iter().map(place).collect::<Vec<_>>().join(", ")
}

/// `posts` of `"blog"."Posts"`.
pub(in crate::orm) fn last_part(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.trim_matches(['"', '`', '[', ']']).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_statement_is_found() {
        let cases = [
            (r#"INSERT INTO "posts" ("id") VALUES ($1)"#, "INSERT"),
            (
                "insert or ignore into `blog`.`Posts`(id) values (1)",
                "INSERT",
            ),
            ("UPDATE ONLY posts SET id = 1", "UPDATE"),
            ("DELETE  FROM `posts` WHERE id = 1", "DELETE"),
            ("TRUNCATE TABLE posts;", "TRUNCATE"),
            (
                "WITH gone AS (delete from posts RETURNING *) SELECT * FROM gone",
                "DELETE",
            ),
        ];
        for (sql, verb) in cases {
            let write = Write::of(sql).unwrap();
            assert_eq!((write.verb, &*write.table), (verb, "posts"), "{sql}");
        }
        for sql in ["SELECT * FROM posts FOR UPDATE", "BEGIN", ""] {
            assert_eq!(Write::of(sql), None, "{sql}");
        }
    }
}
