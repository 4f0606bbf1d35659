//! Purges of the past as JSON.

use std::time::SystemTime;

use roan::Target;
use roan::history::{NodeAnswer, PurgeCause, PurgeRecord};
use serde_json::{Value, json};

pub(super) fn purge(purge: &PurgeRecord) -> Value {
    json!({
        "id": purge.id,
        "asked": time(purge.asked),
        "ended": purge.ended.map(time),
        "state": purge.state.as_str(),
        "targets": purge.targets.iter().map(target).collect::<Vec<_>>(),
        "found": purge.found,
        "causes": purge.causes.iter().map(cause).collect::<Vec<_>>(),
        "answers": purge.answers.iter().map(answer).collect::<Vec<_>>(),
        "problem": purge.problem,
    })
}

fn target(target: &Target) -> Value {
    json!({
        "kind": target.kind().to_string(),
        "target": target.as_str(),
        "site": target.site(),
    })
}

fn cause(cause: &PurgeCause) -> Value {
    let trace = cause.trace().map(|trace| trace.to_string());
    let ids = trace.as_deref().and_then(|trace| trace.split_once('-'));
    json!({
        "kind": cause.kind().as_str(),
        "model": cause.model(),
        "table": cause.table(),
        "event": cause.events().map(|events| events.to_string()),
        "file": Some(cause.file()).filter(|file| !file.is_empty()),
        "line": Some(cause.line()).filter(|line| *line > 0),
        "trace_id": ids.map(|(trace, _)| trace),
        "span_id": ids.map(|(_, span)| span),
        "targets": cause.targets(),
    })
}

fn answer(answer: &NodeAnswer) -> Value {
    json!({
        "cache": &*answer.cache,
        "node": &*answer.node,
        "result": answer.result.as_str(),
        "reason": answer.problem,
        "status": answer.status,
        "verified": answer.verified,
        "rebound": answer.rebound,
        "attempts": answer.attempts,
        "other_urls": answer.others,
        "count": answer.count,
        "targets": answer.targets,
    })
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
