//! What the rules of a row yield.

use roan::__private::{Model, collect};
use roan::Target;

/// The targets of rule number `rule`, as text.
pub(crate) fn yielded<M: Model>(row: &M, rule: usize) -> Vec<String> {
    collect(row, rule)
        .into_iter()
        .map(|target| {
            target
                .as_ref()
                .map_or_else(ToString::to_string, Target::to_string)
        })
        .collect()
}

/// The targets of all rules, in their order.
pub(crate) fn all<M: Model>(row: &M) -> Vec<String> {
    (0..M::rules().len())
        .flat_map(|rule| yielded(row, rule))
        .collect()
}
