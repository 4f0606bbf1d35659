//! Values of types that carry no attribute.

use std::any::TypeId;

use super::{Model, Targets};
use crate::base::rule::Rule;

/// A value of a type without `#[purge_on]`, perhaps of another crate, for which there are rules made
/// at run time: see [`roan::purge`](crate::purge()).
///
/// Only those rules fire: for a type that carries the attribute, call the hook on the value itself.
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
