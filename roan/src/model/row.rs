//! The rules of a model, applied to a row of texts instead of a value of the type.

#[cfg(feature = "sql")]
use super::{TableEntry, Targets};
#[cfg(feature = "sql")]
use crate::rule::Template;

/// How a rule makes its target from the columns of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowRule {
    /// From these pieces, in their order.
    Pieces(&'static [RowPiece]),
    /// Not at all: it needs a value of the type, for what is named here.
    Value(&'static str),
}

/// A piece of a template. The numbers are those of [`Table::columns`](super::Table::columns).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowPiece {
    /// What stands between the captures.
    Literal(&'static str),
    /// `{field}`
    Value(usize),
    /// `{field?}`
    ValueIf(usize),
    /// `{field*}`
    Path(usize),
    /// `{field*?}`
    PathIf(usize),
}

#[cfg(feature = "sql")]
impl RowPiece {
    /// The column that fills it.
    pub(crate) fn column(self) -> Option<usize> {
        match self {
            Self::Literal(_) => None,
            Self::Value(column)
            | Self::ValueIf(column)
            | Self::Path(column)
            | Self::PathIf(column) => Some(column),
        }
    }

    pub(crate) fn is_optional(self) -> bool {
        matches!(self, Self::ValueIf(_) | Self::PathIf(_))
    }
}

#[cfg(feature = "sql")]
impl TableEntry {
    /// The pieces of rule number `rule`, if columns of known types are all that it needs.
    pub(crate) fn pieces(&self, rule: usize) -> Option<&'static [RowPiece]> {
        use super::ColumnKind;
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

    /// Hands over what rule number `rule` yields for the row with these texts, one for each column
    /// of the table; by the writer that generated code uses for a value.
    pub(crate) fn targets(&self, rule: usize, texts: &[Option<String>], out: &mut Targets<'_>) {
        let RowRule::Pieces(pieces) = self.table.rows[rule] else {
            return;
        };
        let rule = &self.rules[rule];
        if let Some(site) = rule.site() {
            out.at_site(site);
        }
        match rule.template() {
            Template::Tag(_) => out.tag(""),
            Template::Url(_) | Template::Urls(_) | Template::Related(_) => out.url(""),
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
