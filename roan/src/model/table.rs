//! What the database calls a model.

use std::any::TypeId;

use super::column::ColumnKind;
use super::row::RowRule;
use crate::rule::Rule;

/// The table of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name, perhaps with its schema: `blog.posts`.
    pub name: &'static str,
    /// The columns of the primary key; none when they are not known.
    pub key: &'static [&'static str],
    /// The columns that templates and `update(...)` name.
    pub columns: &'static [Column],
    /// A rule reads more than its columns: by `when`, `urls`, a method or a field of a field.
    pub sees_whole_row: bool,
}

/// A column that a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The field of the model.
    pub field: &'static str,
    /// The database's name for it.
    pub name: &'static str,
    /// What a template is filled with; [`ColumnKind::Other`] for a column that is only watched.
    pub kind: ColumnKind,
}

/// A table of this binary and its rules.
#[derive(Debug)]
pub struct TableEntry {
    /// What the database calls it.
    pub table: &'static Table,
    /// The rules of its model.
    pub rules: &'static [Rule],
    /// How each of the rules makes its target from the columns.
    pub rows: &'static [RowRule],
    /// Tells the model from others.
    pub model: fn() -> TypeId,
}

inventory::collect!(TableEntry);

impl TableEntry {
    /// The tables of all models of this binary, in the order of their names, and of the places of
    /// their models.
    #[cfg(any(feature = "diesel", feature = "sea-orm", feature = "sql"))]
    pub(crate) fn all() -> Vec<&'static Self> {
        let mut all: Vec<_> = inventory::iter::<Self>.into_iter().collect();
        all.sort_by_key(|entry| {
            let rule = entry.rules.first();
            (entry.table.name, rule.map(|rule| (rule.file, rule.line)))
        });
        all
    }

    /// The models of one table; mostly it is one.
    #[cfg(feature = "sql")]
    pub(crate) fn of_table(name: &str) -> impl Iterator<Item = &'static Self> {
        let all = inventory::iter::<Self>.into_iter();
        all.filter(move |entry| entry.table.name == name)
    }

    /// The columns that rule number `rule` watches.
    #[cfg(feature = "sql")]
    pub(crate) fn watched(&self, rule: usize) -> impl Iterator<Item = &'static Column> {
        let watched = self.rules[rule].watched();
        let columns = self.table.columns.iter();
        columns.filter(|column| watched.contains(&column.field))
    }
}
