//! Hooks on what holds a row, and on what holds several.

use std::any::TypeId;
use std::rc::Rc;
use std::sync::Arc;

use super::{Model, Table, Targets};
use crate::rule::Rule;

macro_rules! pointers {
    ($($pointer:ty),*) => {
        $(impl<M: Model + ?Sized> Model for $pointer {
            const RULES: &'static [Rule] = M::RULES;
            const TABLE: Option<&'static Table> = M::TABLE;

            fn rules() -> &'static [Rule] {
                M::rules()
            }

            fn targets(&self, rule: usize, out: &mut Targets<'_>) {
                M::targets(self, rule, out);
            }

            fn watched_changed(old: &Self, new: &Self, rule: usize) -> bool {
                M::watched_changed(old, new, rule)
            }

            fn type_key() -> TypeId {
                M::type_key()
            }
        })*
    };
}

pointers!(&M, &mut M, Box<M>, Rc<M>, Arc<M>);

/// Nothing is: the impls that ask for it are there for its message.
#[diagnostic::on_unimplemented(
    message = "a hook takes one row, not `{Self}`",
    label = "this is not one row",
    note = "call the hook for each row: `for post in &posts {{ roan::saved(post); }}`",
    note = "or for the row of an `Option`, where there is one: `if let Some(post) = &post {{ roan::saved(post); }}`"
)]
pub trait OneRow {}

macro_rules! several {
    ($([$($count:tt)*] $several:ty),*) => {
        $(#[doc(hidden)]
        impl<M: Model $($count)*> Model for $several
        where
            Self: OneRow,
        {
            const RULES: &'static [Rule] = M::RULES;

            fn targets(&self, _rule: usize, _out: &mut Targets<'_>) {}
        })*
    };
}

several!([] Vec<M>, [] Option<M>, [, const N: usize] [M; N]);
