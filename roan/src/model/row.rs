//! The rules of a model, applied to a row of texts in place of a value of the type.

/// How a rule makes its target from the columns of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowRule {
    /// From these pieces, in this order.
    Pieces(&'static [RowPiece]),
    /// It cannot: it needs a value of the type, for the named reason.
    Value(&'static str),
    /// It cannot: it needs another row.
    Related,
}

/// A piece of a template. The numbers are those of [`Table::columns`](super::Table::columns).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowPiece {
    /// The text between the captures.
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

#[cfg(feature = "_sql")]
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
