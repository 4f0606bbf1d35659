//! The rules of the program.

use serde_json::{Value, json};

use crate::base::rule::Rule;
use crate::registry::{rules, run_time};

/// All rules of the program: those of attributes, and those made at run time.
pub(super) fn listed() -> Value {
    let of_attribute = |rule: &&Rule| {
        json!({
            "model": rule.model(),
            "module": rule.module(),
            "events": rule.events().to_string(),
            "watched": rule.watched(),
            "rule": rule.target().to_string(),
            "condition": rule.condition(),
            "site": rule.site(),
            "file": rule.file(),
            "line": rule.line(),
        })
    };
    let made = run_time::listed();
    let made = made.iter().map(|(events, target, rule)| {
        json!({
            "model": rule.model.rsplit("::").next(),
            "module": rule.model,
            "events": events.to_string(),
            "watched": [],
            "rule": target.to_string(),
            "condition": null,
            "site": target.site(),
            "file": rule.place.file(),
            "line": rule.place.line(),
        })
    });
    let rules = rules();
    Value::Array(rules.iter().map(of_attribute).chain(made).collect())
}
