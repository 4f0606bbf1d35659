//! An explanation as text.

use std::fmt;

use super::{Explanation, Purged, RuleTrace, Source, Verdict, Way, Which, Yielded};
use crate::base::rule::Rule;
use crate::base::target::TargetKind;

/// Without a line end behind the last line.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fired = self.rules.iter().filter(|rule| rule.has_fired()).count();
        let count = self.rules.len();
        let (noun, verb) = match count {
            1 => ("rule", "fires"),
            _ => ("rules", "fire"),
        };
        writeln!(
            f,
            "{} of {}: {fired} of {count} {noun} {verb}",
            self.events, self.model
        )?;
        if count > 0 {
            writeln!(f)?;
        }
        for rule in &self.rules {
            writeln!(f, "{rule}")?;
            self.why(rule, f)?;
        }
        if self.targets.is_empty() {
            return f.write_str("\nNothing would be purged.");
        }
        f.write_str("\nThe targets:")?;
        for purged in &self.targets {
            write!(f, "\n  {purged}")?;
        }
        if !self.has_dispatcher {
            f.write_str(
                "\n\nNo dispatcher is installed in this process, so the caches that purge them are not known.",
            )?;
        }
        Ok(())
    }
}

impl Explanation {
    /// What happened to a rule, or why nothing did.
    fn why(&self, trace: &RuleTrace, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yielded = match &trace.verdict {
            Verdict::OtherEvent => return writeln!(f, "  not on {}", self.events),
            Verdict::NothingChanged => {
                let watched = trace.rule().map(Rule::watched).unwrap_or_default();
                return writeln!(
                    f,
                    "  none of its fields has changed: {}",
                    watched.join(", ")
                );
            }
            Verdict::Related => {
                return f.write_str(
                    "  only SeaORM's hooks read related rows, and purge their targets: explain those rows on their own, as saved\n",
                );
            }
            Verdict::Evaluated(yielded) => yielded,
        };
        for (row, yielded) in yielded {
            writeln!(f, "  {row}{yielded}")?;
        }
        Ok(())
    }
}

/// `+` for a rule that fired, and `-` for one that did not.
impl fmt::Display for RuleTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.has_fired() { "+ " } else { "- " })?;
        match &self.source {
            Source::RunTime(_, events, target) => {
                write!(f, "{events}: {target}, made at run time by `roan::purge`")?;
            }
            Source::Attribute(rule) => {
                write!(f, "{}: {}", rule.events_in_words(), rule.target())?;
                if let Some(condition) = rule.condition() {
                    write!(f, ", when = {condition}")?;
                }
                if let Some(site) = rule.site() {
                    write!(f, ", site = {site:?}")?;
                }
            }
        }
        let (file, line) = self.place();
        write!(f, " at {file}:{line}")
    }
}

/// With a colon and a space, for what comes next.
impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Old => "the old row: ",
            Self::New => "the new row: ",
            Self::Only => "",
        })
    }
}

impl fmt::Display for Yielded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(target) => target.fmt(f),
            Self::Invalid(error) => write!(f, "invalid: {error}"),
            Self::ConditionIsFalse => f.write_str("nothing, because its condition is false"),
            Self::Absent(name) => write!(f, "nothing, because `{name}` is absent"),
            Self::NoPages => f.write_str("nothing, because its function returned no pages"),
        }
    }
}

/// The target, and a line for each cache.
impl fmt::Display for Purged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)?;
        if let Some(site) = &self.site {
            write!(f, " ({site})")?;
        }
        if let Some(refusal) = &self.refusal {
            return write!(f, "\n    refused: {refusal}");
        }
        for (cache, way) in &self.caches {
            let kind = self.target.kind();
            match way {
                Way::Itself if kind == TargetKind::Everything => {
                    write!(f, "\n    {cache}: purges everything")?;
                }
                Way::Itself => write!(f, "\n    {cache}: purges by {kind}")?,
                Way::LearnedUrls => write!(
                    f,
                    "\n    {cache}: purges the URL of each page that it means, by the learned index"
                )?,
                Way::Not => write!(f, "\n    {cache}: does not purge by {kind}")?,
            }
        }
        for other in &self.spellings {
            write!(f, "\n    also as {}", other.as_str())?;
        }
        if self.learns_spellings {
            f.write_str("\n    also as visitors have spelled it")?;
        }
        Ok(())
    }
}
