//! The doctor's report.

use std::fmt;

use serde_json::json;

use super::finding::{Fault, Finding};
use crate::base::counted::counted;

/// What the doctor saw at all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The URL of the page.
    pub page: String,
    /// What is right, each with its node.
    pub passed: Vec<(String, String)>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub unknown: Vec<String>,
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

    pub(super) fn pass(&mut self, node: &str, what: impl Into<String>) {
        self.passed.push((node.to_owned(), what.into()));
    }

    pub(super) fn unknown(&mut self, node: &str, what: impl fmt::Display) {
        let at = if node.is_empty() {
            String::new()
        } else {
            format!("{node}: ")
        };
        self.unknown.push(format!("{at}{what}"));
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
    /// `{"page", "healthy", "passed": [{"node", "what"}], "findings": [{"fault", "failure", "node", "seen", "why", "mend":
    /// [{"place", "lines"}]}], "unknown": [""]}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let passed = self.passed.iter();
        let passed: Vec<_> = passed
            .map(|(node, what)| json!({"node": node, "what": what}))
            .collect();
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
                    "node": finding.node,
                    "seen": finding.seen,
                    "why": finding.why,
                    "mend": mend,
                })
            })
            .collect();
        json!({
            "page": self.page,
            "healthy": self.is_healthy(),
            "passed": passed,
            "findings": findings,
            "unknown": self.unknown,
        })
        .to_string()
    }
}

/// The whole report as text.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.page)?;
        for (node, what) in &self.passed {
            writeln!(f, "ok       {node}: {what}")?;
        }
        for what in &self.unknown {
            writeln!(f, "unknown  {what}")?;
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
