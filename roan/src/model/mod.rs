//! Models: types with purge rules, and the trait that generated code implements for them.

mod column;
mod external;
mod invalid;
mod pointers;
mod row;
#[cfg(feature = "_sql")]
mod stored_row;
#[cfg(feature = "_sql")]
mod stored_value;
mod table;
mod targets;
mod value;

use std::any::TypeId;

pub use column::{ColumnKind, ColumnOf, ColumnValue, NoColumnValue};
pub use external::External;
pub(crate) use invalid::InvalidTarget;
pub use row::{RowPiece, RowRule};
#[cfg(feature = "_sql")]
pub(crate) use stored_row::bytes_name;
#[cfg(feature = "_sql")]
pub use stored_row::{FromRow, ReadColumn, RowError, StoredRow, yield_targets};
pub use table::{Column, Table};
pub(crate) use targets::{Nothing, Sink};
pub use targets::{Targets, link};
pub use value::{OptionalUrlValue, UrlValue, Watched, differ, when};

use crate::base::rule::Rule;

/// A type with purge rules. `#[purge_on(...)]` implements it.
///
/// Use it as a bound in code that is generic over models:
///
/// ```
/// fn save<M: roan::Model>(model: &M) {
///     // ... write the row, then:
///     roan::saved(model);
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no purge rules",
    label = "this type does not have `#[purge_on(...)]`",
    note = "put `#[purge_on(save, delete, url = \"/...\")]` on the type",
    note = "for several rows, or an `Option` of one, call the hook for each: `for post in &posts {{ roan::saved(post); }}`",
    note = "for a row behind a lock: `&*guard`",
    note = "for a type of another crate: `roan::purge(\"/...\").on_save::<T>()` once, then hooks on `roan::External(&value)`"
)]
pub trait Model {
    /// The rules of the type, in the order of its attributes.
    #[doc(hidden)]
    const RULES: &'static [Rule];

    /// The table of the model, if it is known.
    #[doc(hidden)]
    const TABLE: Option<&'static Table> = None;

    /// The tables whose rows rules follow that may be deleted together with this one.
    #[doc(hidden)]
    #[must_use]
    fn deleted_with() -> Vec<&'static Table> {
        Vec::new()
    }

    /// [`RULES`](Self::RULES).
    #[doc(hidden)]
    #[must_use]
    fn rules() -> &'static [Rule] {
        Self::RULES
    }

    /// Yields the targets of rule number `rule` for this row.
    #[doc(hidden)]
    fn targets(&self, rule: usize, out: &mut Targets<'_>);

    /// Whether a field that rule number `rule` watches differs between the two rows. `true` for a rule that does not
    /// watch fields.
    #[doc(hidden)]
    fn watched_changed(_old: &Self, _new: &Self, _rule: usize) -> bool {
        true
    }

    /// Identifies the type, without its lifetimes.
    #[doc(hidden)]
    #[must_use]
    fn type_key() -> TypeId {
        typeid::of::<Self>()
    }
}
