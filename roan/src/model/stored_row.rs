//! A row that a trigger stored, as a value of its model.

use std::fmt;

use serde_core::de::{DeserializeOwned, Error as _};
use serde_json::{Map, Value};

use super::stored_value::{StoredValue, spellings};
use super::{Column, Model, Targets};

/// How the relay makes the targets of rules that need a value of the model.
#[derive(Debug, Clone, Copy)]
pub struct FromRow {
    /// The columns of the model.
    pub columns: &'static [Column],
    /// Makes the value, and yields the targets of the rules with these numbers.
    pub targets: fn(&StoredRow<'_>, &[usize], &mut Targets<'_>) -> Result<(), RowError>,
}

/// Why a row cannot be read.
#[derive(Debug)]
pub struct RowError(String);

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For generated code: the targets of the rules with these numbers.
pub fn yield_targets<M: Model>(row: &M, rules: &[usize], out: &mut Targets<'_>) {
    for rule in rules {
        out.set_rule(&M::rules()[*rule]);
        row.targets(*rule, out);
    }
}

/// A type that can be read from a column: any with `serde::Deserialize`.
#[diagnostic::on_unimplemented(
    message = "`from_row` cannot read a `{Self}` from a column",
    label = "this type does not implement `serde::Deserialize`",
    note = "put `#[derive(serde::Deserialize)]` on `{Self}`, enable the feature `serde` of its crate, or remove `from_row`",
    note = "a struct with fewer fields may have the rules instead: several types can have the same `table`"
)]
pub trait ReadColumn: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> ReadColumn for T {}

/// A row that a trigger stored: each value as the database renders it.
#[derive(Debug)]
pub struct StoredRow<'a> {
    columns: &'static [Column],
    values: &'a Map<String, Value>,
}

impl<'a> StoredRow<'a> {
    pub(crate) fn new(columns: &'static [Column], values: &'a Map<String, Value>) -> Self {
        Self { columns, values }
    }

    /// The value of column number `number`.
    #[doc(hidden)]
    pub fn column<T: ReadColumn>(&self, number: usize) -> Result<T, RowError> {
        self.read(number, is_document::<T>())
    }

    /// The value of column number `number`, which contains JSON.
    #[doc(hidden)]
    pub fn json<T: ReadColumn>(&self, number: usize) -> Result<T, RowError> {
        self.read(number, true)
    }

    fn read<T: ReadColumn>(&self, number: usize, is_document: bool) -> Result<T, RowError> {
        let column = &self.columns[number];
        match self.values.get(column.name) {
            Some(Value::String(text)) if is_document => document(text),
            Some(Value::String(text)) => read_text(text),
            Some(value) => T::deserialize(StoredValue::Json(value)),
            None => self.read_bytes(column),
        }
        .map_err(|error| self.refusal(column, &error))
    }

    fn read_bytes<T: ReadColumn>(&self, column: &Column) -> Result<T, serde_json::Error> {
        let name = column.name;
        let Some(value) = self.values.get(&bytes_name(name)) else {
            return Err(serde_json::Error::custom(
                "the stored row does not have it: the triggers belong to another version of the program, \
                 so install them again; or, on MySQL and MariaDB, the row is longer than 2 MB, \
                 so put the rules on a second struct for the same table, without the long columns",
            ));
        };
        if value.is_null() {
            return T::deserialize(StoredValue::Json(value));
        }
        let bytes = value.as_str().and_then(from_hex);
        let bytes = bytes.ok_or_else(|| serde_json::Error::custom("its bytes are not hexadecimal"));
        T::deserialize(StoredValue::Bytes(&bytes?))
    }

    fn refusal(&self, column: &Column, error: &serde_json::Error) -> RowError {
        let Column { name, field, .. } = column;
        let bytes_name = bytes_name(name);
        let value = self.values.get(*name).or(self.values.get(&bytes_name));
        let contains = value.map_or_else(String::new, |value| {
            let text = value.to_string();
            let shown: String = text.chars().take(100).collect();
            let more = if shown.len() < text.len() { "..." } else { "" };
            let advice = "let the `Deserialize` of its type read what the database stores";
            format!(
                " contains {shown}{more}, which the field `{field}` cannot be read from: {advice}"
            )
        });
        RowError(format!("column {name:?}{contains}: {error}"))
    }
}

/// The name under which a trigger stores bytes that are not a text.
pub(crate) fn bytes_name(column: &str) -> String {
    format!("hex({column})")
}

/// Whether any JSON can be read into `T`, also a text.
fn is_document<T>() -> bool {
    let known = [typeid::of::<Value>(), typeid::of::<Option<Value>>()];
    known.contains(&typeid::of::<T>())
}

fn document<T: ReadColumn>(text: &str) -> Result<T, serde_json::Error> {
    T::deserialize(StoredValue::Json(&serde_json::from_str(text)?))
}

/// Types of time read one spelling each.
fn read_text<T: ReadColumn>(text: &str) -> Result<T, serde_json::Error> {
    let read = T::deserialize(StoredValue::Text(text));
    if read.is_ok() {
        return read;
    }
    let mut others = spellings(text).into_iter();
    others
        .find_map(|other| T::deserialize(StoredValue::Text(&other)).ok())
        .map_or(read, Ok)
}

/// Without the prefix that PostgreSQL writes; of a `BIT` maybe an odd number of digits.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x").unwrap_or(text).as_bytes();
    let value = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pairs = digits.rchunks(2).rev();
    pairs
        .map(|pair| {
            pair.iter()
                .try_fold(0, |byte: u8, digit| Some(byte << 4 | value(*digit)?))
        })
        .collect()
}
