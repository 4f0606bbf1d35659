//! What the text of an `INSERT` says of its values. SeaORM does not give access to more of it.

use sea_orm::Statement;
use sea_orm::sea_query::Value;

/// `INSERT INTO t (columns) VALUES (row), (row) rest`.
#[derive(Debug, PartialEq)]
pub(super) struct Written<'a> {
    pub(super) columns: Vec<&'a str>,
    /// `None` is a value that the database computes.
    pub(super) rows: Vec<Vec<Option<Value>>>,
    pub(super) rest: &'a str,
}

/// `None` for a statement of another form: one with a `SELECT`, or without columns.
pub(super) fn written(statement: &Statement) -> Option<Written<'_>> {
    let (head, mut rest) = statement.sql.split_once(" VALUES ")?;
    let listed = head.split_once(" (")?.1.strip_suffix(')')?;
    let columns: Vec<&str> = listed
        .split(", ")
        .map(|column| column.trim_matches(['"', '`']))
        .collect();
    let mut values = statement.values.iter().flat_map(|values| &values.0);
    let mut rows = Vec::new();
    loop {
        let (row, after) = row(rest)?;
        let mut known = Vec::with_capacity(columns.len());
        for cell in row {
            let given: Vec<_> = values.by_ref().take(parameters(cell)).collect();
            known.push(match given[..] {
                [value] if is_value(cell) => Some(value.clone()),
                _ => None,
            });
        }
        if known.len() != columns.len() {
            return None;
        }
        rows.push(known);
        rest = after;
        match rest.strip_prefix(", ") {
            Some(next) => rest = next,
            None => break,
        }
    }
    Some(Written {
        columns,
        rows,
        rest,
    })
}

/// The cells of the row that a text begins with, and what comes after it.
fn row(text: &str) -> Option<(Vec<&str>, &str)> {
    let inside = text.strip_prefix('(')?;
    let (mut cells, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, letter) in outside_of_quotes(inside) {
        match letter {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ')' => {
                cells.push(inside[start..at].trim());
                return Some((cells, &inside[at + 1..]));
            }
            ',' if depth == 0 => {
                cells.push(inside[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// How many parameters a cell has.
fn parameters(cell: &str) -> usize {
    let letters = outside_of_quotes(cell);
    letters
        .filter(|(_, letter)| matches!(letter, '?' | '$'))
        .count()
}

fn outside_of_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    text.char_indices().filter(move |(_, letter)| {
        match quote {
            Some(open) if open == *letter => quote = None,
            None if matches!(letter, '\'' | '"' | '`') => quote = Some(*letter),
            _ => return quote.is_none(),
        }
        false
    })
}

/// Whether a cell is a parameter as it is, or as the database's type: `$1`, `?`, `CAST($1 AS "mood")`.
fn is_value(cell: &str) -> bool {
    let cell = cell.strip_prefix("CAST(").unwrap_or(cell);
    let parameter = cell.split_once(" AS ").map_or(cell, |(value, _)| value);
    parameter == "?"
        || parameter
            .strip_prefix('$')
            .is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use sea_orm::DbBackend;

    use super::*;

    fn rows(sql: &str, values: &[i64]) -> Option<(Vec<Vec<Option<i64>>>, String)> {
        let given = values.iter().copied().map(Value::from);
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, given);
        let number = |value: Value| match value {
            Value::BigInt(number) => number,
            other => panic!("{other:?}"),
        };
        let written = written(&statement)?;
        assert_eq!(written.columns, ["a", "b"]);
        let rows = written.rows.into_iter();
        let rows = rows.map(|row| row.into_iter().map(|cell| cell.and_then(number)).collect());
        Some((rows.collect(), written.rest.to_owned()))
    }

    #[test]
    fn values_are_found_by_their_places() {
        let one = r#"INSERT INTO "s"."t" ("a", "b") VALUES ($1, $2)"#;
        assert_eq!(rows(one, &[1, 2]).unwrap().0, [[Some(1), Some(2)]]);
        let two = r#"INSERT INTO "t" ("a", "b") VALUES ($1, CAST($2 AS "mood")), (lower($3), $4) ON CONFLICT ("a") DO UPDATE SET "b" = $5"#;
        let (found, rest) = rows(two, &[1, 2, 3, 4, 5]).unwrap();
        assert_eq!(found, [[Some(1), Some(2)], [None, Some(4)]]);
        assert!(rest.starts_with(" ON CONFLICT"), "{rest}");
        let odd = "INSERT INTO `t` (`a`, `b`) VALUES (f(?, '?),('), ?), (DEFAULT, ?)";
        let (found, rest) = rows(odd, &[1, 2, 3]).unwrap();
        assert_eq!(found, [[None, Some(2)], [None, Some(3)]]);
        assert_eq!(rest, "");
        assert_eq!(rows(r#"INSERT INTO "t" ("a", "b") SELECT 1, 2"#, &[]), None);
        assert_eq!(rows(r#"INSERT INTO "t" DEFAULT VALUES"#, &[]), None);
    }
}
