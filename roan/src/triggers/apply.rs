//! Makes targets from the rows that triggers wrote, by the rules of this binary and the writer that hooks use.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Map, Value};

use crate::base::event::Events;
use crate::base::history::{Because, Fired};
use crate::base::target::{Target, TargetRef};
use crate::dispatcher::tickets::Unread;
use crate::model::{
    Column, ColumnKind, FromRow, InvalidTarget, RowPiece, Sink, StoredRow, Targets,
};
use crate::outbox::payload::Rows;
use crate::registry::run_time;
use crate::registry::{TableEntry, Way};
use crate::triggers::plan;

/// The targets of a payload's rows.
#[derive(Debug, Default)]
pub(crate) struct Yielded {
    pub(crate) fired: Vec<Fired>,
    /// The places in it of the targets.
    known: HashMap<Target, usize>,
    /// Invalid targets, which a hook would report, too.
    pub(crate) refused: Vec<InvalidTarget>,
    /// Why there may be more targets, which are unknown.
    pub(crate) unread: Option<Unread>,
}

impl Sink for Yielded {
    fn target(&mut self, target: TargetRef<'_>, because: Because<'_>) {
        let fired = Fired::new(target, because);
        match self.known.entry(fired.target.clone()) {
            Entry::Occupied(known) => self.fired[*known.get()].causes.add(because),
            Entry::Vacant(vacant) => {
                vacant.insert(self.fired.len());
                self.fired.push(fired);
            }
        }
    }

    fn refused(&mut self, invalid: InvalidTarget) {
        self.refused.push(invalid);
    }
}

/// The targets that the rules of this binary yield for rows of a table.
pub(crate) fn targets(rows: &Rows) -> Yielded {
    let mut yielded = Yielded::default();
    let entries = TableEntry::of_table(&rows.table);
    if entries.is_empty() {
        yielded.unread = Some(Unread::Foreign(format!(
            "this program does not have a model with the table {:?}: drop its triggers, or write `table = {:?}` in the `#[purge_on(...)]` of its model",
            rows.table, rows.table
        )));
        return yielded;
    }
    for entry in &entries {
        apply(entry, rows, &mut yielded);
    }
    let rules = rows.rules.as_deref();
    if rules.is_some_and(|rules| rules != plan::fingerprint(&rows.table)) {
        yielded.unread = Some(match yielded.unread {
            Some(Unread::Invalid(error) | Unread::Foreign(error)) => Unread::Foreign(error),
            _ => Unread::OtherRules(format!(
                "the triggers of the table {:?} were made from other rules than those of this program",
                rows.table
            )),
        });
    }
    yielded
}

fn apply(entry: &TableEntry, rows: &Rows, out: &mut Yielded) {
    let mut of_value = Vec::new();
    let mut from_row = None;
    for number in 0..entry.rules.len() {
        if !fires(entry, number, rows) {
            continue;
        }
        match entry.way(number) {
            Some(Way::Pieces(pieces)) => apply_pieces(entry, number, pieces, rows, out),
            Some(Way::Value(way)) => {
                from_row = Some(way);
                of_value.push(number);
            }
            // Hooks fire the other rules.
            None => {}
        }
    }
    if let Some(from_row) = from_row {
        apply_value(entry, &of_value, from_row, rows, out);
    }
    run_time::fire_for((entry.model)(), rows.events, out);
}

fn apply_pieces(
    entry: &TableEntry,
    number: usize,
    pieces: &[RowPiece],
    rows: &Rows,
    out: &mut Yielded,
) {
    let mut columns: Vec<usize> = pieces.iter().filter_map(|piece| piece.column()).collect();
    columns.dedup();
    let all = rows;
    let Some(rows) = &all.rows else {
        if columns.is_empty() {
            let rule = &entry.rules[number];
            entry.targets(number, &[], Targets::of(out, rule).on(all.events));
        }
        return;
    };
    let mut texts = vec![None; entry.table.columns.len()];
    for row in rows {
        let mut read = Ok(());
        for column in &columns {
            match text(&entry.table.columns[*column], row) {
                Ok(text) => texts[*column] = text,
                Err(error) => read = Err(error),
            }
        }
        let is_null = |column: usize| texts[column].is_none();
        for piece in pieces.iter().filter(|piece| !piece.is_optional()) {
            if let Some(column) = piece.column().filter(|column| is_null(*column)) {
                let name = entry.table.columns[column].name;
                read = read.and(Err(format!("column {name:?} is NULL")));
            }
        }
        match read {
            Ok(()) => {
                let rule = &entry.rules[number];
                entry.targets(number, &texts, Targets::of(out, rule).on(all.events));
            }
            Err(error) => {
                let unread = Unread::Invalid(unread(entry, number, &error));
                out.unread.get_or_insert(unread);
            }
        }
    }
}

/// Makes a value of the model from each row, and evaluates these rules as a hook does.
///
/// A value that this program cannot read may be one of another version, such as a new variant of an enum.
fn apply_value(
    entry: &TableEntry,
    numbers: &[usize],
    from_row: FromRow,
    rows: &Rows,
    out: &mut Yielded,
) {
    let empty = [Map::new()];
    let events = rows.events;
    let rows = match &rows.rows {
        Some(rows) => rows.as_slice(),
        // All rows of a table are gone. Those of a model without columns are equal.
        None if from_row.columns.is_empty() => &empty,
        None => return,
    };
    for row in rows {
        let row = StoredRow::new(from_row.columns, row);
        let known = out.refused.len();
        let failed = match targets_of(from_row, &row, numbers, events, out) {
            Ok(()) => continue,
            Err(Failed::Read(error)) => Some((numbers[0], error)),
            // One by one: to name the rule, and so that a panic does not end the others.
            Err(Failed::Panicked(_)) => {
                out.refused.truncate(known);
                numbers.iter().fold(None, |failed, number| {
                    let one = targets_of(from_row, &row, &[*number], events, out);
                    let error = match one {
                        Ok(()) => return failed,
                        Err(Failed::Read(error) | Failed::Panicked(error)) => error,
                    };
                    failed.or(Some((*number, error)))
                })
            }
        };
        if let Some((number, error)) = failed {
            let unread = Unread::Foreign(unread(entry, number, &error));
            out.unread.get_or_insert(unread);
        }
    }
}

enum Failed {
    Read(String),
    Panicked(String),
}

/// Runs code of the user's: a panic in it must not end the relay.
fn targets_of(
    from_row: FromRow,
    row: &StoredRow<'_>,
    numbers: &[usize],
    events: Events,
    out: &mut Yielded,
) -> Result<(), Failed> {
    let targets = || (from_row.targets)(row, numbers, Targets::new(out).on(events));
    match catch_unwind(AssertUnwindSafe(targets)) {
        Ok(read) => read.map_err(|error| Failed::Read(error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let text = text.unwrap_or("without a message");
            Err(Failed::Panicked(format!("its code panicked: {text}")))
        }
    }
}

fn unread(entry: &TableEntry, number: usize, error: &str) -> String {
    format!(
        "rule {} cannot read a row of table {:?}: {error}",
        entry.rules[number], entry.table.name
    )
}

fn fires(entry: &TableEntry, number: usize, rows: &Rows) -> bool {
    let events = entry.rules[number].events();
    let updates_only = rows.events == Events::UPDATE;
    let mut watched = entry.watched(number).peekable();
    let may_differ = |column: &Column| rows.changed.get(column.name) != Some(&Value::Bool(false));
    events.intersects(rows.events)
        && (!updates_only || watched.peek().is_none() || watched.any(may_differ))
}

/// The text of a column, in the form of the `Display` of its type.
fn text(column: &Column, row: &Map<String, Value>) -> Result<Option<String>, String> {
    let name = column.name;
    let text = match row.get(name) {
        Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(format!("column {name:?} does not contain a text")),
        None if row.contains_key(&long_name(name)) => {
            return Err(format!("column {name:?} is too long for a URL or a tag"));
        }
        None => {
            return Err(format!(
                "it does not have the column {name:?}: the triggers belong to another version of the program; install them again"
            ));
        }
    };
    let fit = match column.kind {
        ColumnKind::Text => Some(text),
        ColumnKind::Integer => integer(&text),
        ColumnKind::Uuid => uuid(&text),
        ColumnKind::SimpleUuid => uuid(&text).map(|text| text.replace('-', "")),
        ColumnKind::Other => None,
    };
    let unfit = || {
        format!(
            "column {name:?} contains {:?}, which is not a {:?}",
            row[name], column.kind
        )
    };
    fit.ok_or_else(unfit).map(Some)
}

/// The name under which a trigger mentions a text that is too long for a URL.
pub(super) fn long_name(column: &str) -> String {
    format!("long({column})")
}

fn integer(text: &str) -> Option<String> {
    text.parse::<i128>().ok().map(|number| number.to_string())
}

/// With hyphens and in lower case, from any notation of its 32 digits.
fn uuid(text: &str) -> Option<String> {
    let is_digit = |letter: &char| letter.is_ascii_hexdigit();
    let digits = text.replace('-', "").to_ascii_lowercase();
    if digits.len() != 32 || !digits.chars().all(|letter| is_digit(&letter)) {
        return None;
    }
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    Some(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_uuids_have_one_text() {
        assert_eq!(integer("0042").as_deref(), Some("42"));
        assert_eq!(
            integer("-9223372036854775808").as_deref(),
            Some("-9223372036854775808")
        );
        assert_eq!(
            integer("18446744073709551615").as_deref(),
            Some("18446744073709551615")
        );
        assert_eq!(integer("1.0"), None);
        assert_eq!(integer(""), None);
        let hyphenated = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        assert_eq!(
            uuid("67E5504410B1426F9247BB680E5FE0C8").as_deref(),
            Some(hyphenated)
        );
        assert_eq!(uuid(hyphenated).as_deref(), Some(hyphenated));
        let column = Column {
            field: "id",
            name: "id",
            kind: ColumnKind::SimpleUuid,
        };
        let row = Map::from_iter([("id".to_owned(), Value::from(hyphenated))]);
        let simple = "67e5504410b1426f9247bb680e5fe0c8";
        assert_eq!(text(&column, &row), Ok(Some(simple.to_owned())));
        assert_eq!(uuid("67e55044"), None);
        assert_eq!(uuid("é7e55044-10b1-426f-9247-bb680e5fe0c"), None);
    }
}
