//! The statements of a table's triggers, and the parts that the dialects share.

use super::plan::{Columns, Plan, Stored};
use crate::model::bytes_name;
use crate::outbox::Dialect;

/// One trigger.
#[derive(Debug)]
pub(super) struct Trigger {
    /// The table, as the rules name it.
    pub(super) table: String,
    pub(super) name: String,
    /// Creates it, or replaces one of the same name.
    pub(super) install: Vec<String>,
    /// Drops it, if it exists.
    pub(super) drop: Vec<String>,
    /// When it fires, as the catalog has it. Empty if the body contains it.
    pub(super) fires: String,
    /// Its text in the catalog, to recognise it.
    pub(super) body: String,
}

/// The statements for one table.
#[derive(Debug)]
pub(super) struct Script {
    /// For a text without a check: fails if a column is missing, with which a trigger would make every write fail.
    pub(super) guard: String,
    pub(super) triggers: Vec<Trigger>,
}

/// The name of a trigger: that of the table, if it is a plain name.
pub(super) fn trigger_name(prefix: &str, table: &str, event: &str) -> String {
    let is_plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let longest = 62 - prefix.len() - event.len();
    if table.len() <= longest && table.chars().all(is_plain) {
        return format!("{prefix}{table}_{event}");
    }
    let plain: String = table
        .chars()
        .map(|letter| letter.to_ascii_lowercase())
        .map(|letter| if is_plain(letter) { letter } else { '_' })
        .take(longest - 9)
        .collect();
    format!("{prefix}{plain}_{:08x}_{event}", hash(table))
}

/// Replaces `{stamp}` with a version: a number for the format of Roan's triggers, and a hash of this text.
pub(super) fn stamped(text: &str) -> String {
    text.replace("{stamp}", &format!("roan triggers 1 {:08x}", hash(text)))
}

/// Whether a text is as [`stamped`] has made it.
pub(super) fn is_unchanged(text: &str) -> bool {
    const MARK: &str = "roan triggers 1 ";
    // Before the name, SQLite has the words of the statement.
    let text = text.strip_prefix("CREATE TRIGGER ").unwrap_or(text);
    let hash_at = text.find(MARK).map(|start| start + MARK.len());
    let hash = hash_at.and_then(|start| text.get(start..start + 8));
    hash.is_some_and(|hash| {
        let stamp = format!("{MARK}{hash}");
        stamped(&text.replacen(&stamp, "{stamp}", 1)) == text
    })
}

/// FNV-1a: the same in each version of Rust.
pub(super) fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Splits the prefix into the schema and the rest.
pub(super) fn split(name: &str) -> (Option<&str>, &str) {
    match name.split_once('.') {
        Some((schema, name)) => (Some(schema), name),
        None => (None, name),
    }
}

/// `blog.posts` as a name in a statement.
pub(super) fn quoted_name(dialect: Dialect, name: &str) -> String {
    let (schema, name) = split(name);
    let schema = schema.map(|schema| quoted(dialect, schema) + ".");
    schema.unwrap_or_default() + &quoted(dialect, name)
}

pub(super) fn quoted(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::MySql => format!("`{}`", name.replace('`', "``")),
        Dialect::Postgres | Dialect::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// `'slug', OLD.slug, 'id', OLD.id`, by a function that returns the expressions of a column's key and value.
pub(super) fn pairs(columns: &Columns, pair: impl Fn(&str, Stored) -> (String, String)) -> String {
    let pairs = columns.iter().map(|(name, stored)| {
        let (key, value) = pair(name, *stored);
        format!("{key}, {value}")
    });
    pairs.collect::<Vec<_>>().join(", ")
}

/// The name of a column as a text of SQL.
pub(super) fn key(name: &str) -> String {
    format!("'{name}'")
}

/// The key of bytes that are not a text.
pub(super) fn bytes_key(name: &str) -> String {
    key(&bytes_name(name))
}

/// Fails if the table or one of its columns is missing.
pub(super) fn guard(dialect: Dialect, table: &str, columns: &[&str]) -> String {
    let mut names: Vec<_> = columns
        .iter()
        .map(|name| {
            // SQLite reads a quoted name that is not a column as a text, unless the table precedes it.
            format!("t.{}", quoted(dialect, name))
        })
        .collect();
    if names.is_empty() {
        names.push("1".to_owned());
    }
    let table = quoted_name(dialect, table);
    format!("SELECT {} FROM {table} AS t LIMIT 0", names.join(", "))
}

/// The text before the rows: `{"v":1,"rules":"0123abcd","table":"posts","event":"update",`
pub(super) fn head(plan: &Plan, event: &str) -> String {
    let Plan { table, rules, .. } = plan;
    format!(r#"{{"v":1,"rules":"{rules}","table":"{table}","event":"{event}","#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_text_is_recognised() {
        let text = stamped("\"roan_posts_insert\" ... /* {stamp} */ SELECT 1");
        assert!(is_unchanged(&text), "{text}");
        assert!(is_unchanged(&format!("CREATE TRIGGER {text}")));
        assert!(!is_unchanged(&text.replace('1', "2")));
        assert!(!is_unchanged("SELECT 1"));
        assert!(!is_unchanged("roan triggers 1 é"));
    }
}
