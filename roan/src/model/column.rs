//! Types whose text in a database equals that of their `Display`.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

/// How to turn the text of a column into the text of the field's `Display`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnKind {
    /// Unknown: the two texts may differ.
    Other,
    /// The text itself.
    Text,
    /// A number without leading zeros.
    Integer,
    /// A UUID: lower case with hyphens, in any stored form.
    Uuid,
    /// A UUID: lower case without hyphens, in any stored form.
    SimpleUuid,
}

/// A type that a database trigger can store as the very text of its [`Display`](std::fmt::Display): texts, integers
/// and, with the feature `uuid`, `uuid::Uuid` and its forms `Hyphenated` and `Simple`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` in a template cannot be filled by a database trigger",
    label = "the database's text of this column may differ from that of its `Display`",
    note = "templates of a type with `table = \"...\"` take texts, integers and, with roan's feature `uuid`, `uuid::Uuid`",
    note = "for values of any type that implements `serde::Deserialize`, write `from_row` beside `table`",
    note = "to leave the rule to hooks, name a method: `{{field.to_string()}}`"
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
columns!(Uuid: uuid::Uuid, uuid::fmt::Hyphenated);
#[cfg(feature = "uuid")]
columns!(SimpleUuid: uuid::fmt::Simple);

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
    /// The compiler finds this before [`NoColumnValue`].
    pub const KIND: ColumnKind = T::KIND;
}

/// See [`ColumnOf`].
pub trait NoColumnValue {
    /// The kind of a type that is not a [`ColumnValue`].
    const KIND: ColumnKind = ColumnKind::Other;
}

impl<T: ?Sized> NoColumnValue for ColumnOf<T> {}
