//! The tables of the binary's models.

use std::any::TypeId;

use super::{Registered, models};
use crate::base::rule::Rule;
use crate::base::rule::RuleTarget;
use crate::model::Table;
use crate::model::{Column, RowPiece, RowRule, Targets};

/// A table of this binary, with the rules of one of its models.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableEntry {
    /// Its name in the database.
    pub(crate) table: &'static Table,
    /// The rules of its model.
    pub(crate) rules: &'static [Rule],
    /// Identifies the model.
    pub(crate) model: fn() -> TypeId,
    /// The tables whose rows its rules follow when a row is deleted.
    pub(crate) deleted_with: fn() -> Vec<&'static Table>,
}

impl TableEntry {
    fn of(model: &Registered) -> Option<Self> {
        Some(Self {
            table: model.table?,
            rules: model.rules,
            model: model.model,
            deleted_with: model.deleted_with,
        })
    }

    /// The tables of all models of this binary, sorted by name and by the source position of the model.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<_> = models().iter().filter_map(Self::of).collect();
        all.sort_by_key(|entry| {
            let rule = entry.rules.first();
            (
                entry.table.name,
                rule.map(|rule| (rule.file(), rule.line())),
            )
        });
        all
    }

    /// The models of one table; usually one.
    pub(crate) fn of_table(name: &str) -> Vec<Self> {
        let models = models();
        let entries = models.iter().filter_map(Self::of);
        entries.filter(|entry| entry.table.name == name).collect()
    }

    /// The columns that rule number `rule` watches.
    pub(crate) fn watched(&self, rule: usize) -> impl Iterator<Item = &'static Column> {
        let watched = self.rules[rule].watched();
        let columns = self.table.columns.iter();
        columns.filter(|column| watched.contains(&column.field))
    }
}

impl TableEntry {
    /// The pieces of rule number `rule`, if it needs only columns of known types.
    pub(crate) fn pieces(&self, rule: usize) -> Option<&'static [RowPiece]> {
        use crate::model::ColumnKind;
        let RowRule::Pieces(pieces) = self.table.rows[rule] else {
            return None;
        };
        let is_known = |column: usize| self.table.columns[column].kind != ColumnKind::Other;
        let all_known = pieces
            .iter()
            .filter_map(|piece| piece.column())
            .all(is_known);
        all_known.then_some(pieces)
    }

    /// Yields the targets of rule number `rule` for the row with these texts, one for each column of the table. It uses
    /// the writer that generated code uses for a value.
    pub(crate) fn targets(&self, rule: usize, texts: &[Option<String>], out: &mut Targets<'_>) {
        let RowRule::Pieces(pieces) = self.table.rows[rule] else {
            return;
        };
        let rule = &self.rules[rule];
        if let Some(site) = rule.site() {
            out.at_site(site);
        }
        match rule.target() {
            RuleTarget::Tag(_) => out.tag(""),
            RuleTarget::Url(_) | RuleTarget::Urls(_) | RuleTarget::Related(_) => out.url(""),
        };
        let text = |column: usize| texts.get(column).and_then(Option::as_ref);
        for piece in pieces {
            match *piece {
                RowPiece::Literal(literal) => out.literal(literal),
                RowPiece::Value(column) | RowPiece::ValueIf(column) => out.value_if(&text(column)),
                RowPiece::Path(column) | RowPiece::PathIf(column) => out.path_if(&text(column)),
            };
        }
        out.end();
    }
}
