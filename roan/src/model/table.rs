//! The names of a model in the database.

use super::column::ColumnKind;
use super::row::RowRule;

/// The table of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name, optionally with its schema: `blog.posts`.
    pub name: &'static str,
    /// The columns of the primary key; empty if they are not known.
    pub key: &'static [&'static str],
    /// The columns that templates and `update(...)` name.
    pub columns: &'static [Column],
    /// How each of the model's rules makes its target from the columns.
    pub rows: &'static [RowRule],
}

/// A column that a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The field of the model.
    pub field: &'static str,
    /// Its name in the database.
    pub name: &'static str,
    /// How a template is filled from it; [`ColumnKind::Other`] for a column that is only watched.
    pub kind: ColumnKind,
}
