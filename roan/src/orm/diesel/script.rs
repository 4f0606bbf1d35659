//! What a text of SQL does to the transaction it runs in.

use std::num::NonZeroU32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Begin,
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    Commit,
    Rollback,
    /// MySQL commits before statements that change the schema.
    CommitsByItself,
}

impl Change {
    pub(super) fn begin(depth: NonZeroU32) -> Self {
        diesel_savepoint(depth).map_or(Self::Begin, Self::Savepoint)
    }

    pub(super) fn commit(depth: NonZeroU32) -> Self {
        diesel_savepoint(depth).map_or(Self::Commit, Self::Release)
    }

    pub(super) fn rollback(depth: NonZeroU32) -> Self {
        diesel_savepoint(depth).map_or(Self::Rollback, Self::RollbackTo)
    }
}

fn diesel_savepoint(depth: NonZeroU32) -> Option<String> {
    let outer = depth.get() - 1;
    (outer > 0).then(|| format!("diesel_savepoint_{outer}"))
}

/// The changes that a text makes, one statement after the other.
pub(super) fn changes(text: &str) -> Vec<Change> {
    let statements = statements(without_parameters(text));
    statements.into_iter().flat_map(of_statement).collect()
}

/// Diesel shows the parameters behind the statement.
pub(super) fn without_parameters(text: &str) -> &str {
    text.split_once(" -- binds: ").map_or(text, |(sql, _)| sql)
}

/// Cuts at each `;` outside of quotes.
pub(super) fn statements(sql: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut start = 0;
    let mut quote = None;
    for (place, letter) in sql.char_indices() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(letter),
            (None, ';') => {
                statements.push(&sql[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    statements.push(&sql[start..]);
    statements
}

fn of_statement(sql: &str) -> Vec<Change> {
    let mut words = without_comments(sql)
        .split_whitespace()
        .take(6)
        .map(|word| word.to_ascii_lowercase());
    let first = words.next().unwrap_or_default();
    let rest: Vec<String> = words
        .filter(|word| !matches!(word.as_str(), "work" | "transaction" | "savepoint"))
        .collect();
    let name = |place: usize| -> String {
        let name = rest.get(place).map(String::as_str).unwrap_or_default();
        name.trim_matches(['"', '`', '\'']).to_owned()
    };
    let chains = rest.iter().any(|word| word == "chain") && !rest.iter().any(|word| word == "no");
    let and_chain = |change| {
        if chains {
            vec![change, Change::Begin]
        } else {
            vec![change]
        }
    };
    match first.as_str() {
        "begin" => vec![Change::Begin],
        "start" if sql.to_ascii_lowercase().contains("transaction") => vec![Change::Begin],
        "savepoint" => vec![Change::Savepoint(name(0))],
        "release" => vec![Change::Release(name(0))],
        "commit" | "end" => and_chain(Change::Commit),
        "rollback" | "abort" if rest.first().is_some_and(|word| word == "to") => {
            vec![Change::RollbackTo(name(1))]
        }
        "rollback" | "abort" => and_chain(Change::Rollback),
        "create" | "alter" | "drop" | "truncate" | "rename" | "grant" | "revoke" | "lock"
        | "analyze" | "optimize" => vec![Change::CommitsByItself],
        _ => Vec::new(),
    }
}

/// What follows the comments at the beginning.
pub(super) fn without_comments(sql: &str) -> &str {
    let mut sql = sql.trim_start();
    loop {
        let rest = if let Some(comment) = sql.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(comment) = sql.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, rest)| rest)
        } else {
            return sql;
        };
        sql = rest.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_written_statements_are_read() {
        use Change::{Begin, Commit, Release, Rollback, RollbackTo, Savepoint};
        let name = || "s".to_owned();
        let cases = [
            ("begin", vec![Begin]),
            ("BEGIN IMMEDIATE", vec![Begin]),
            ("START TRANSACTION READ WRITE;", vec![Begin]),
            ("START SLAVE", vec![]),
            ("-- why\n/* so */ COMMIT WORK", vec![Commit]),
            ("END TRANSACTION", vec![Commit]),
            ("ROLLBACK", vec![Rollback]),
            ("ROLLBACK TO SAVEPOINT s", vec![RollbackTo(name())]),
            ("ROLLBACK TRANSACTION TO \"S\"", vec![RollbackTo(name())]),
            ("ROLLBACK AND CHAIN", vec![Rollback, Begin]),
            ("COMMIT AND NO CHAIN", vec![Commit]),
            ("SAVEPOINT `s`;", vec![Savepoint(name())]),
            ("RELEASE SAVEPOINT s", vec![Release(name())]),
            ("INSERT INTO t VALUES ('; COMMIT')", vec![]),
            ("INSERT INTO t VALUES ($1) -- binds: [\"; COMMIT\"]", vec![]),
            (
                "BEGIN; INSERT INTO t VALUES (1); COMMIT;",
                vec![Begin, Commit],
            ),
            ("SELECT 1", vec![]),
            ("", vec![]),
        ];
        for (text, wanted) in cases {
            assert_eq!(changes(text), wanted, "{text}");
        }
    }
}
