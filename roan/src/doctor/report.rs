//! The doctor's report.

use std::fmt;

use serde_json::json;

use super::finding::{Fault, Finding, NodeName, Note};
use crate::base::counted::counted;

/// What the doctor saw at all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The URL of the page.
    pub page: String,
    /// What is right, each with its node.
    pub passed: Vec<Note>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub unknown: Vec<Note>,
}

impl Report {
    pub(super) fn new(page: String) -> Self {
        Self {
            page,
            passed: Vec::new(),
            findings: Vec::new(),
            unknown: Vec::new(),
        }
    }

    pub(super) fn pass(&mut self, node: &NodeName, what: impl fmt::Display) {
        self.passed.push(note(node, what));
    }

    pub(super) fn unknown(&mut self, node: &NodeName, what: impl fmt::Display) {
        self.unknown.push(note(node, what));
    }

    /// Whether no [failure](Fault::is_failure) was found.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self
            .findings
            .iter()
            .any(|finding| finding.fault.is_failure())
    }

    /// Whether it has this fault, at any node.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.findings.iter().any(|finding| finding.fault == fault)
    }

    /// The report as a JSON object:
    /// `{"page", "healthy", "passed": [{"cache", "node", "what"}], "findings": [{"fault", "failure", "cache", "node", "seen",
    /// "why", "mend": [{"place", "lines"}]}], "unknown": [{"cache", "node", "what"}]}`. `cache` and `node` are `null` if it is
    /// not about a node.
    #[must_use]
    pub fn to_json(&self) -> String {
        let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let notes = |notes: &[Note]| {
            let notes = notes.iter().map(|note| {
                json!({"cache": name(&note.cache), "node": name(&note.node), "what": note.what})
            });
            notes.collect::<Vec<_>>()
        };
        let findings: Vec<_> = self
            .findings
            .iter()
            .map(|finding| {
                let mend = finding.mend.iter();
                let mend: Vec<_> = mend
                    .map(|mend| json!({"place": mend.place.code(), "lines": mend.lines}))
                    .collect();
                json!({
                    "fault": finding.fault.code(),
                    "failure": finding.fault.is_failure(),
                    "cache": name(&finding.cache),
                    "node": name(&finding.node),
                    "seen": finding.seen,
                    "why": finding.why,
                    "mend": mend,
                })
            })
            .collect();
        json!({
            "page": self.page,
            "healthy": self.is_healthy(),
            "passed": notes(&self.passed),
            "findings": findings,
            "unknown": notes(&self.unknown),
        })
        .to_string()
    }
}

fn note(node: &NodeName, what: impl fmt::Display) -> Note {
    Note {
        cache: node.cache.clone(),
        node: node.node.clone(),
        what: what.to_string(),
    }
}

/// The whole report as text.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.page)?;
        for note in &self.passed {
            writeln!(f, "ok       {note}")?;
        }
        for note in &self.unknown {
            writeln!(f, "unknown  {note}")?;
        }
        for finding in &self.findings {
            let word = if finding.fault.is_failure() {
                "FAULT"
            } else {
                "warning"
            };
            writeln!(f, "\n{word:<8} {finding}")?;
        }
        let count = |is_failure| {
            let findings = self.findings.iter();
            findings
                .filter(|finding| finding.fault.is_failure() == is_failure)
                .count()
        };
        write!(
            f,
            "\n{} passed, {}, {}",
            counted(self.passed.len(), "check"),
            counted(count(true), "fault"),
            counted(count(false), "warning")
        )
    }
}
