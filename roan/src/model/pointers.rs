//! Hooks on pointers to rows.

use std::any::TypeId;
use std::rc::Rc;
use std::sync::Arc;

use super::{Model, Table, Targets};
use crate::base::rule::Rule;

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
