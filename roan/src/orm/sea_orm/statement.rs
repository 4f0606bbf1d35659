//! What a statement writes, as far as its text says.

use crate::event::Events;

/// A statement that writes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) verb: &'static str,
    pub(super) events: Events,
    /// Without its schema and in small letters.
    pub(super) table: String,
}

impl Write {
    /// `None` when the text begins with none.
    pub(super) fn of(sql: &str) -> Option<Self> {
        let mut words = sql.split_whitespace();
        let verb = words.next()?;
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
            let word = word.to_ascii_uppercase();
            let before_names = [
                "INTO", "FROM", "ONLY", "TABLE", "OR", "IGNORE", "REPLACE", "ABORT", "FAIL",
                "ROLLBACK",
            ];
            !before_names.contains(&word.as_str())
        };
        let name = words.find(is_name)?;
        let name = name.split(['(', ';', ',']).next().unwrap_or(name);
        Some(Self {
            verb,
            events,
            table: last_part(name),
        })
    }
}

/// `posts` of `"blog"."Posts"`.
pub(super) fn last_part(name: &str) -> String {
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
