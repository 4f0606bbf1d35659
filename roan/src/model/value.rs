//! The values that an attribute accepts.

use std::fmt::Display;

use crate::base::target::{Target, TargetError};

/// A value that can be part of a URL, a prefix or a tag: any type with [`Display`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of the URL or tag of a purge",
    label = "this template names a value that does not implement `Display`",
    note = "name a field or a method that returns a text or a number: `{{id}}`, `{{slug()}}`",
    note = "write an `Option` with a question mark, `{{field?}}`: the rule yields nothing if it is `None`"
)]
pub trait UrlValue {
    #[doc(hidden)]
    fn as_display(&self) -> &dyn Display;
}

// Without `do_not_recommend` the compiler would point to `Display` instead of saying what to write.
#[diagnostic::do_not_recommend]
impl<T: Display> UrlValue for T {
    fn as_display(&self) -> &dyn Display {
        self
    }
}

/// A value for `{field?}`: an [`Option`] of a [`UrlValue`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `Option`, so `?` does not apply",
    label = "this template marks a value with `?` that is never absent",
    note = "write `{{field}}` without the question mark"
)]
pub trait OptionalUrlValue {
    #[doc(hidden)]
    fn as_option(&self) -> Option<&dyn Display>;
}

impl<T: UrlValue> OptionalUrlValue for Option<T> {
    fn as_option(&self) -> Option<&dyn Display> {
        self.as_ref().map(UrlValue::as_display)
    }
}

/// The type of `when = ...`: `bool`.
#[diagnostic::on_unimplemented(
    message = "`when` takes a `bool`, not `{Self}`",
    label = "this condition is not a `bool`",
    note = "write a comparison or a method that returns `bool`: `self.count > 0`, `self.published_at.is_some()`"
)]
pub trait Condition {
    #[doc(hidden)]
    fn holds(self) -> bool;
}

impl Condition for bool {
    fn holds(self) -> bool {
        self
    }
}

/// For generated code: the value of `when = ...`.
pub fn when<C: Condition>(condition: C) -> bool {
    condition.holds()
}

/// A field that `update(field, ...)` can watch: any type with `PartialEq`.
#[diagnostic::on_unimplemented(
    message = "`update(...)` cannot watch a `{Self}`: it does not implement `PartialEq`",
    label = "this field cannot be compared with its old value",
    note = "put `#[derive(PartialEq)]` on `{Self}`, or watch another field"
)]
pub trait Watched {
    #[doc(hidden)]
    fn differs_from(&self, other: &Self) -> bool;
}

#[diagnostic::do_not_recommend]
impl<T: PartialEq> Watched for T {
    fn differs_from(&self, other: &Self) -> bool {
        self != other
    }
}

/// For generated code: whether a watched field has changed.
pub fn differ<T: Watched>(old: &T, new: &T) -> bool {
    old.differs_from(new)
}

/// The value of `urls = ...`: a function from a row to its pages.
///
/// The lifetime lets the pages borrow from the row.
#[diagnostic::on_unimplemented(
    message = "`urls` takes a function from `&{M}` to the URLs of its pages",
    label = "this function has another signature",
    note = "write `fn pages(&self) -> Vec<String>`, or any iterator of `String`, `&str` or `roan::Target`"
)]
pub trait Pages<'m, M> {
    #[doc(hidden)]
    fn pages_of(self, model: &'m M) -> impl Iterator<Item = Result<Target, TargetError>>;
}

#[diagnostic::do_not_recommend]
impl<'m, M: 'm, F, I> Pages<'m, M> for F
where
    F: FnOnce(&'m M) -> I,
    I: IntoIterator<Item: TryInto<Target, Error: Into<TargetError>>>,
{
    fn pages_of(self, model: &'m M) -> impl Iterator<Item = Result<Target, TargetError>> {
        self(model)
            .into_iter()
            .map(|page| page.try_into().map_err(Into::into))
    }
}
