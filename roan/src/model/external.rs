//! Values of types without the attribute.

use std::any::TypeId;

use super::{Model, Targets};
use crate::base::rule::Rule;

/// Wraps a value of a type without `#[purge_on]`, such as one of another crate, for hooks. Rules made by
/// [`roan::purge`](crate::purge()) fire for it.
///
/// No other rules fire: for a type with the attribute, call the hook on the value itself.
///
/// ```
/// roan::purge("/readings").on_save::<std::time::Duration>();
/// # let purges = roan::testing::record_blocking(|| {
/// let reading = std::time::Duration::from_secs(1);
/// roan::saved(&roan::External(&reading));
/// # });
/// # roan::assert_purged!(purges, "/readings");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct External<'a, T: ?Sized>(pub &'a T);

impl<T: ?Sized> Model for External<'_, T> {
    const RULES: &'static [Rule] = &[];

    fn targets(&self, _rule: usize, _out: &mut Targets<'_>) {}

    fn watched_changed(_old: &Self, _new: &Self, _rule: usize) -> bool {
        true
    }

    fn type_key() -> TypeId {
        typeid::of::<T>()
    }
}
