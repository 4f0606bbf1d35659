//! What rules could not make targets of.

use std::fmt::Display;

use crate::base::log::loudly_at_times;
use crate::base::rule::Rule;
use crate::base::tally::Tally;
use crate::model::InvalidTarget;

/// Counts and logs them, each rule on its own.
#[derive(Debug, Default)]
pub(crate) struct InvalidTargets(Tally<Option<&'static Rule>>);

impl InvalidTargets {
    /// `place`: where the row is from.
    pub(crate) fn add(&self, place: impl Display, invalid: &InvalidTarget) {
        let count = self.0.add(invalid.rule);
        loudly_at_times(
            count,
            format_args!("{}", invalid.message(place, count)),
            || {
                let error = &invalid.error;
                let rule = invalid.rule.map(tracing::field::display);
                tracing::error!(target: "roan", rule, %error, "a rule could not make a target");
            },
        );
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.total()
    }
}
