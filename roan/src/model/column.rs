//! Types whose texts in a database are those of their `Display`.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

/// How the text of a column becomes what `Display` shows of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnKind {
    /// No text of a database is known to be the same.
    Other,
    /// It is the text.
    Text,
    /// A number without leading zeros.
    Integer,
    /// Lower case with hyphens, however it is stored.
    Uuid,
}

/// A type whose values a trigger of the database can store as a text that is the same as what
/// [`Display`](std::fmt::Display) shows: texts, integers and, with the feature `uuid`, `uuid::Uuid`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` in a template cannot be filled by a trigger of the database",
    label = "the database's text of this column may differ from what its `Display` shows",
    note = "a type with `table = \"...\"` is filled from texts, integers and, with roan's feature `uuid`, `uuid::Uuid`",
    note = "to leave the rule to hooks alone, name a method: `{{field.to_string()}}`"
)]
pub trait ColumnValue {
    #[doc(hidden)]
    const KIND: ColumnKind;
}

macro_rules! columns {
    ($kind:ident: $($type:ty),*) => {
        $(impl ColumnValue for $type {
            const KIND: ColumnKind = ColumnKind::$kind;
        })*
    };
}

columns!(Text: str, String);
columns!(Integer: i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);
#[cfg(feature = "uuid")]
columns!(Uuid: uuid::Uuid);

macro_rules! holders {
    ($($holder:ty),*) => {
        $(impl<T: ColumnValue + ?Sized> ColumnValue for $holder {
            const KIND: ColumnKind = T::KIND;
        })*
    };
}

holders!(&T, Box<T>, Rc<T>, Arc<T>);

impl<T: ColumnValue + ToOwned + ?Sized> ColumnValue for Cow<'_, T> {
    const KIND: ColumnKind = T::KIND;
}

impl<T: ColumnValue> ColumnValue for Option<T> {
    const KIND: ColumnKind = T::KIND;
}

/// For generated code: `ColumnOf::<T>::KIND`, whether or not `T` is a [`ColumnValue`].
#[derive(Debug)]
pub struct ColumnOf<T: ?Sized>(PhantomData<T>);

impl<T: ColumnValue + ?Sized> ColumnOf<T> {
    /// Found before that of [`NoColumnValue`].
    pub const KIND: ColumnKind = T::KIND;
}

/// See [`ColumnOf`].
pub trait NoColumnValue {
    /// Of a type that is no [`ColumnValue`].
    const KIND: ColumnKind = ColumnKind::Other;
}

impl<T: ?Sized> NoColumnValue for ColumnOf<T> {}
