//! What the database calls a model.

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
}

/// A table of this binary and its rules.
#[derive(Debug)]
pub struct TableEntry {
    /// What the database calls it.
    pub table: &'static Table,
    /// The rules of its model.
    pub rules: &'static [Rule],
}

inventory::collect!(TableEntry);
