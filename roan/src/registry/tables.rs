//! The tables of the binary's models.

use std::any::TypeId;

use super::{Registered, models};
use crate::base::rule::Rule;
use crate::base::rule::RuleTarget;
use crate::model::Table;
use crate::model::{Column, ColumnKind, FromRow, RowPiece, RowRule, Targets};

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

/// How the relay makes the targets of a rule from a row that a trigger stored.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// From the texts of columns.
    Pieces(&'static [RowPiece]),
    /// From a value of the model.
    Value(FromRow),
}

impl TableEntry {
    /// How rule number `rule` is served. `None` if only hooks can.
    pub(crate) fn way(&self, rule: usize) -> Option<Way> {
        let is_known = |column: usize| self.table.columns[column].kind != ColumnKind::Other;
        match self.table.rows[rule] {
            RowRule::Pieces(pieces)
                if pieces
                    .iter()
                    .filter_map(|piece| piece.column())
                    .all(is_known) =>
            {
                Some(Way::Pieces(pieces))
            }
            RowRule::Pieces(_) | RowRule::Value(_) => self.table.from_row.map(Way::Value),
            RowRule::Related => None,
        }
    }

    /// Yields the targets of rule number `rule` for the row with these texts, one for each column of the table. It uses
    /// the writer that generated code uses for a value.
    pub(crate) fn targets(&self, rule: usize, texts: &[Option<String>], out: &mut Targets<'_>) {
        let RowRule::Pieces(pieces) = self.table.rows[rule] else {
            return;
        };
        let rule = &self.rules[rule];
        out.set_rule(rule);
        if let Some(site) = rule.site() {
            out.at_site(site);
        }
        match rule.target() {
            RuleTarget::Tag(_) => out.tag(""),
            RuleTarget::Prefix(_) => out.prefix(""),
            RuleTarget::Host => out.host(),
            RuleTarget::Everything => out.everything(),
            RuleTarget::Url(_) | RuleTarget::Urls(_) | RuleTarget::Related(_) => out.url(""),
        };
        let text = |column: usize| texts.get(column).and_then(Option::as_ref);
        for piece in pieces {
            match *piece {
                RowPiece::Literal(literal) => out.literal(literal),
                RowPiece::Value(column) => match text(column) {
                    Some(text) => out.value(text),
                    None => out.value_if(&text(column)),
                },
                RowPiece::ValueIf(column) => out.value_if(&text(column)),
                RowPiece::Path(column) => match text(column) {
                    Some(text) => out.path(text),
                    None => out.path_if(&text(column)),
                },
                RowPiece::PathIf(column) => out.path_if(&text(column)),
            };
        }
        out.end();
    }
}
