//! The names of a model in the database.

use super::column::ColumnKind;
use super::row::RowRule;

/// The table of a model.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name, optionally with its schema: `blog.posts`.
    pub name: &'static str,
    /// The columns of the primary key; empty if they are not known.
    pub key: &'static [&'static str],
    /// The columns that templates and `update(...)` name.
    pub columns: &'static [Column],
    /// How each of the model's rules makes its target from the columns.
    pub rows: &'static [RowRule],
    /// How to make a value of the model from a row, for the rules that need one.
    #[cfg(feature = "_sql")]
    pub from_row: Option<super::FromRow>,
}

/// A column that a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The field of the model.
    pub field: &'static str,
    /// Its name in the database.
    pub name: &'static str,
    /// How a template is filled from it; [`ColumnKind::Other`] for a column that no template can be filled from, or that is
    /// only watched.
    pub kind: ColumnKind,
}
