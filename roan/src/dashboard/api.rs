//! What the page asks for, as JSON.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[cfg(any(feature = "_sql", feature = "web"))]
use http::StatusCode;
use serde_json::{Value, json};

use super::figures::{Point, STEP};
use super::query::Query;
use super::service::{Problem, Shared};
use crate::base::history::{AnswerKind, Filter, NodeAnswer, PurgeCause, PurgeRecord};
use crate::base::rule::Rule;
use crate::base::target::Target;
#[cfg(feature = "web")]
use crate::base::target::TargetKind;
use crate::dispatcher::NodeStats;
#[cfg(feature = "_sql")]
use crate::outbox::{DeadPurge, payload};
use crate::registry::{rules as all_rules, run_time};

/// So many targets and answers of one purge are shown; the others are counted.
const TARGETS: usize = 20;
const ANSWERS: usize = 40;

/// Milliseconds, for the clock of the browser.
fn at(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn ms(time: std::time::Duration) -> f64 {
    // Two digits are enough for a page.
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

/// The counters, the nodes and the charts.
pub(super) fn state(shared: &Shared) -> Value {
    let stats = shared.roan.stats();
    let lately = shared.figures();
    let now = Instant::now();
    let minute = lately.short(now).as_secs_f64();
    let node = |node: &NodeStats| {
        let figures = lately.of_node(&node.cache, &node.node, now);
        let last_minute = figures.last_minute;
        json!({
            "cache": &*node.cache,
            "node": &*node.node,
            "down": node.down,
            "pending": node.pending,
            "in_flight": node.in_flight,
            "rebounds": node.rebounds,
            "requests": node.requests,
            "purged": node.purged,
            "not_cached": node.not_cached,
            "refused": node.refused,
            "failed": node.failed,
            "dead": node.dead,
            "dropped": node.dropped,
            "rate": (last_minute.done() as f64 / minute * 100.0).round() / 100.0,
            "lag_ms": last_minute.mean_lag().map(ms),
            "longest_lag_ms": last_minute.mean_lag().map(|_| ms(last_minute.longest_lag)),
            "last_error": figures.last_error.map(|(text, since)| json!({"text": text, "at": at(since)})),
        })
    };
    let point = |point: &Point| {
        json!([
            point.purged,
            point.not_cached,
            point.failed,
            point.lost,
            point.mean_lag().map(ms),
            point.mean_lag().map(|_| ms(point.longest_lag)),
        ])
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "read_only": shared.read_only,
        "has": {
            "dead": cfg!(feature = "_sql"),
            "durable": is_durable(shared),
            "pages": has_pages(shared),
        },
        "purges": lately.version,
        "missed": lately.missed,
        "asked": stats.asked,
        "waiting": stats.waiting,
        "dropped": stats.dropped,
        "refused": stats.refused,
        "invalid": stats.invalid,
        "not_stored": stats.not_stored,
        "troubles": troubles(shared),
        "nodes": stats.nodes.iter().map(node).collect::<Vec<_>>(),
        "chart": {
            "step_s": STEP.as_secs(),
            "points": lately.chart(now).iter().map(point).collect::<Vec<_>>(),
        },
    })
}

/// Whether purges wait in a database.
fn is_durable(shared: &Shared) -> bool {
    #[cfg(feature = "_sql")]
    return shared.roan.outbox().link().is_some();
    #[cfg(not(feature = "_sql"))]
    {
        let _ = shared;
        false
    }
}

fn has_pages(shared: &Shared) -> bool {
    #[cfg(feature = "web")]
    return shared.roan.web().is_ok();
    #[cfg(not(feature = "web"))]
    {
        let _ = shared;
        false
    }
}

/// What is wrong with the outbox, if anything.
fn troubles(shared: &Shared) -> Vec<String> {
    #[cfg(feature = "_sql")]
    {
        let outbox = shared.roan.outbox();
        let of_database = outbox.current_error().map(|error| error.to_string());
        let of_triggers = outbox.trigger_errors();
        let of_triggers = of_triggers.iter().map(ToString::to_string);
        of_database.into_iter().chain(of_triggers).collect()
    }
    #[cfg(not(feature = "_sql"))]
    {
        let _ = shared;
        Vec::new()
    }
}

/// All rules of the program: those of attributes, and those made at run time.
pub(super) fn rules() -> Value {
    let of_attribute = |rule: &&Rule| {
        json!({
            "model": rule.model(),
            "module": rule.module(),
            "events": rule.events().to_string(),
            "watched": rule.watched(),
            "target": rule.target().to_string(),
            "when": rule.condition(),
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
            "target": target.to_string(),
            "when": null,
            "site": target.site(),
            "file": rule.place.file(),
            "line": rule.place.line(),
        })
    });
    let rules = all_rules();
    Value::Array(rules.iter().map(of_attribute).chain(made).collect())
}

/// The newest purges: with a `text` in a target, at a `node`, with a `result`, `before` an id. With a durable outbox they are
/// those of its rows, or with `of=memory` those that it does not have.
pub(super) async fn purges(shared: &Shared, query: &Query) -> Result<Value, Problem> {
    let limit = query.limit()?;
    let mut filter = Filter::new().limit(limit + 1);
    if let Some(text) = query.get("text") {
        filter = filter.text(text);
    }
    if let Some(node) = query.get("node") {
        filter = filter.node(node);
    }
    if let Some(result) = query.get("result") {
        filter = filter.result(result_of(result)?);
    }
    if let Some(id) = query.number("before")? {
        filter = filter.before(id);
    }
    let mut found = history(shared, query, &filter).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(json!({
        "purges": found.iter().map(purge).collect::<Vec<_>>(),
        "more": more,
    }))
}

#[cfg_attr(
    not(feature = "_sql"),
    expect(clippy::unused_async, reason = "the database is asked here")
)]
async fn history(
    shared: &Shared,
    query: &Query,
    filter: &Filter,
) -> Result<Vec<PurgeRecord>, Problem> {
    #[cfg(feature = "_sql")]
    if query.get("of") != Some("memory") {
        let found = shared.roan.outbox().history(filter).await;
        return found.map_err(unavailable);
    }
    let _ = query;
    Ok(shared.roan.history(filter))
}

fn result_of(text: &str) -> Result<AnswerKind, Problem> {
    let known = AnswerKind::ALL.iter().find(|kind| kind.as_str() == text);
    known.copied().ok_or_else(|| {
        let names = AnswerKind::ALL.map(AnswerKind::as_str).join(", ");
        Problem::bad_request(format!("`result` is {text:?}: write one of {names}"))
    })
}

fn purge(purge: &PurgeRecord) -> Value {
    let cause = |cause: &PurgeCause| {
        json!({
            "text": cause.to_string(),
            "trace": cause.trace().map(|trace| trace.to_string()),
        })
    };
    json!({
        "id": purge.id,
        "at": at(purge.asked),
        "ended": purge.ended.map(at),
        "targets": purge.targets.iter().take(TARGETS).map(target_json).collect::<Vec<_>>(),
        "more_targets": purge.targets.len().saturating_sub(TARGETS),
        "causes": purge.causes.iter().map(cause).collect::<Vec<_>>(),
        "asks": purge.asks,
        "state": purge.state.as_str(),
        "problem": purge.problem,
        "answers": purge.answers.iter().take(ANSWERS).map(answer).collect::<Vec<_>>(),
        "more_answers": purge.answers.len().saturating_sub(ANSWERS),
    })
}

fn target_json(target: &Target) -> Value {
    json!({
        "kind": target.kind().to_string(),
        "text": target.as_str(),
        "site": target.site(),
    })
}

fn answer(answer: &NodeAnswer) -> Value {
    json!({
        "cache": &*answer.cache,
        "node": &*answer.node,
        "result": answer.result.as_str(),
        "problem": answer.problem,
        "status": answer.status,
        "verified": answer.verified,
        "rebound": answer.rebound,
        "others": answer.others,
        "attempts": answer.attempts,
        "count": answer.count,
    })
}

/// Dead purges, the oldest first, `after` an id.
#[cfg(feature = "_sql")]
pub(super) async fn dead(shared: &Shared, query: &Query) -> Result<Value, Problem> {
    let limit = query.limit()?;
    let after = query.number::<i64>("after")?;
    let dead = shared.roan.outbox().dead(1000).await.map_err(unavailable)?;
    let contains = |name: &str, text: &str| query.get(name).is_none_or(|part| text.contains(part));
    let mut found: Vec<_> = dead
        .into_iter()
        .filter(|dead| after.is_none_or(|after| dead.id > after))
        .filter(|dead| contains("target", &dead.target) && contains("error", &dead.error))
        .filter(|dead| query.get("node").is_none_or(|node| dead.node == node))
        .take(limit + 1)
        .collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let row = |dead: &DeadPurge| {
        json!({
            "id": dead.id,
            "cache": dead.cache,
            "node": dead.node,
            "target": dead_target(&dead.target),
            "attempts": dead.attempts,
            "age_ms": ms(dead.age),
            "error": dead.error,
        })
    };
    Ok(json!({"dead": found.iter().map(row).collect::<Vec<_>>(), "more": more}))
}

/// A row has the target as it is in the payload.
#[cfg(feature = "_sql")]
fn dead_target(text: &str) -> Value {
    match payload::read_target(text) {
        Ok(target) => target_json(&target),
        Err(_) => json!({"kind": "payload", "text": text, "site": null}),
    }
}

/// The target that a query names: `kind`, `text` and `site`.
#[cfg(feature = "web")]
fn target(query: &Query) -> Result<Target, Problem> {
    let text = query.get("text").unwrap_or_default();
    let target = match query.get("kind").unwrap_or("tag") {
        "url" => Target::url(text),
        "tag" => Target::tag(text),
        "prefix" => Target::prefix(text),
        "host" => Ok(Target::host()),
        "everything" => Ok(Target::everything()),
        other => {
            let text = format!("`kind` is {other:?}: write url, tag, prefix, host or everything");
            return Err(Problem::bad_request(text));
        }
    };
    let target = target.map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(match query.get("site") {
        Some(site) => target.at_site(site),
        None => target,
    })
}

/// The pages that carry a tag, or that another target means.
#[cfg(feature = "web")]
pub(super) async fn pages(shared: &Shared, query: &Query) -> Result<Value, Problem> {
    let target = target(query)?;
    let layer = web(shared)?;
    let pages = layer.pages_of(&target).await.map_err(unavailable)?;
    found(pages, query)
}

/// The tags of a page.
#[cfg(feature = "web")]
pub(super) async fn tags(shared: &Shared, query: &Query) -> Result<Value, Problem> {
    let target = target(query)?;
    if target.kind() != TargetKind::Url {
        return Err(Problem::bad_request("`kind` must be url: pages have tags"));
    }
    let tags = web(shared)?.tags_of(&target).await.map_err(unavailable)?;
    found(tags, query)
}

#[cfg(feature = "web")]
fn web(shared: &Shared) -> Result<crate::web::WebLayer, Problem> {
    let layer = shared.roan.web();
    layer.map_err(|error| Problem::new(StatusCode::NOT_FOUND, error.to_string()))
}

#[cfg(feature = "web")]
fn found(targets: Vec<Target>, query: &Query) -> Result<Value, Problem> {
    let limit = query.limit()?;
    let count = targets.len();
    let targets = Target::sorted(targets);
    let shown = targets.iter().take(limit);
    let shown = shown.map(target_json);
    Ok(json!({"found": shown.collect::<Vec<_>>(), "count": count}))
}

#[cfg(any(feature = "_sql", feature = "web"))]
pub(super) fn unavailable(error: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}
