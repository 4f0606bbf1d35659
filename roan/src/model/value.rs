//! Which values may stand in a template.

use std::fmt::Display;

/// A value that can stand in a URL or a tag: whatever has a [`Display`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in the URL or tag of a purge",
    label = "this template names a value that has no `Display`",
    note = "name a field or a method that gives a text or a number: `{{id}}`, `{{slug()}}`",
    note = "an `Option` is written with a question mark, `{{field?}}`: the rule yields nothing when it is `None`"
)]
pub trait UrlValue {
    #[doc(hidden)]
    fn as_display(&self) -> &dyn Display;
}

impl<T: Display> UrlValue for T {
    fn as_display(&self) -> &dyn Display {
        self
    }
}

/// A value for `{field?}`: an [`Option`] of a [`UrlValue`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `Option`, so `?` has no meaning here",
    label = "this template marks a value with `?` that is always there",
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

/// What `when = ...` may be: a `bool`.
#[diagnostic::on_unimplemented(
    message = "`when` takes a `bool`, not `{Self}`",
    label = "this condition is no `bool`",
    note = "compare it, or ask it a question: `self.count > 0`, `self.published_at.is_some()`"
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
