//! What a rule could not make of a row.

use std::fmt;

use crate::base::rule::Rule;
use crate::base::target::TargetError;

/// A target that a rule could not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidTarget {
    /// `None` outside of a rule: a link of `url!`.
    pub(crate) rule: Option<&'static Rule>,
    pub(crate) error: TargetError,
}

impl InvalidTarget {
    /// What to log of the one with this number of its rule. `place`: where its row is from.
    pub(crate) fn message(&self, place: impl fmt::Display, count: u64) -> String {
        let error = &self.error;
        match self.rule {
            Some(rule) => format!(
                "{place}rule {rule} could not make a target (number {count} of this rule): {error}"
            ),
            None => format!("{place}a rule could not make a target (number {count}): {error}"),
        }
    }
}
