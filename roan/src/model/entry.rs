//! The tables of the binary's models.

#[cfg(feature = "sql")]
use std::any::TypeId;

#[cfg(feature = "sql")]
use super::Column;
use super::Table;
use crate::registry::{self, Registered};
use crate::rule::Rule;

/// A table of this binary, and the rules of a model of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableEntry {
    /// What the database calls it.
    pub(crate) table: &'static Table,
    /// The rules of its model.
    pub(crate) rules: &'static [Rule],
    /// Tells the model from others.
    #[cfg(feature = "sql")]
    pub(crate) model: fn() -> TypeId,
}

impl TableEntry {
    fn of(model: &Registered) -> Option<Self> {
        Some(Self {
            table: model.table?,
            rules: model.rules,
            #[cfg(feature = "sql")]
            model: model.model,
        })
    }

    /// The tables of all models of this binary, in the order of their names, and of the places of
    /// their models.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<_> = registry::models().iter().filter_map(Self::of).collect();
        all.sort_by_key(|entry| {
            let rule = entry.rules.first();
            (
                entry.table.name,
                rule.map(|rule| (rule.file(), rule.line())),
            )
        });
        all
    }

    /// The models of one table; mostly it is one.
    #[cfg(feature = "sql")]
    pub(crate) fn of_table(name: &str) -> Vec<Self> {
        let models = registry::models();
        let entries = models.iter().filter_map(Self::of);
        entries.filter(|entry| entry.table.name == name).collect()
    }

    /// The columns that rule number `rule` watches.
    #[cfg(feature = "sql")]
    pub(crate) fn watched(&self, rule: usize) -> impl Iterator<Item = &'static Column> {
        let watched = self.rules[rule].watched();
        let columns = self.table.columns.iter();
        columns.filter(|column| watched.contains(&column.field))
    }
}
