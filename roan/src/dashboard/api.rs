//! What the page asks for, as JSON.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[cfg(any(feature = "_sql", feature = "web"))]
use http::StatusCode;
use serde_json::{Value, json};

use super::query::Query;
use super::recent::{Answer, Figures, Purge, STEP};
use super::service::{Problem, Shared};
use crate::base::outcome::Outcome;
use crate::base::rule::Rule;
#[cfg(feature = "web")]
use crate::base::target::{Target, TargetKind};
use crate::dispatcher::NodeStats;
#[cfg(feature = "_sql")]
use crate::outbox::DeadPurge;
use crate::registry::{rules as all_rules, run_time};

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
    let recent = shared.recent();
    let now = Instant::now();
    let minute = recent.short(now).as_secs_f64();
    let node = |node: &NodeStats| {
        let figures = recent.of_node(&node.cache, &node.node, now);
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
    let point = |figures: &Figures| {
        json!([
            figures.purged,
            figures.not_cached,
            figures.failed,
            figures.lost,
            figures.mean_lag().map(ms),
            figures.mean_lag().map(|_| ms(figures.longest_lag)),
        ])
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "read_only": shared.read_only,
        "has": {"dead": cfg!(feature = "_sql"), "pages": has_pages(shared)},
        "purges": recent.version,
        "missed": recent.missed,
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
            "points": recent.chart(now).iter().map(point).collect::<Vec<_>>(),
        },
    })
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
    let made = made.iter().map(|(model, events, target)| {
        json!({
            "model": model.rsplit("::").next(),
            "module": model,
            "events": events.to_string(),
            "watched": [],
            "target": target.to_string(),
            "when": null,
            "site": target.site(),
            "file": null,
            "line": null,
        })
    });
    let rules = all_rules();
    Value::Array(rules.iter().map(of_attribute).chain(made).collect())
}

/// The newest purges: of a `target` that contains a text, at a `node`, with an `outcome`, `before` an id.
pub(super) fn purges(shared: &Shared, query: &Query) -> Result<Value, Problem> {
    let limit = query.limit()?;
    let before = query.number::<u64>("before")?;
    let text = query.get("target").map(str::to_lowercase);
    let node = query.get("node");
    let outcome = query.get("outcome").map(Wanted::read).transpose()?;
    let is_wanted = |purge: &&Purge| {
        before.is_none_or(|before| purge.id < before)
            && text
                .as_ref()
                .is_none_or(|text| purge.target.to_string().to_lowercase().contains(text))
            && purge.has(|answer| {
                node.is_none_or(|node| *answer.node == *node)
                    && outcome.as_ref().is_none_or(|wanted| wanted.is(answer))
            })
    };
    let recent = shared.recent();
    let mut found: Vec<_> = recent.purges().filter(is_wanted).take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(json!({
        "purges": found.into_iter().map(purge).collect::<Vec<_>>(),
        "more": more,
    }))
}

fn purge(purge: &Purge) -> Value {
    json!({
        "id": purge.id,
        "kind": purge.target.kind().to_string(),
        "target": purge.target.as_str(),
        "site": purge.target.site(),
        "at": at(purge.since),
        "answers": purge.answers.iter().map(answer).collect::<Vec<_>>(),
    })
}

fn answer(answer: &Answer) -> Value {
    json!({
        "cache": &*answer.cache,
        "node": &*answer.node,
        "outcome": outcome(&answer.outcome),
        "text": answer.outcome.to_string(),
        "status": answer.status,
        "verified": answer.verified,
        "rebound": answer.rebound,
        "attempts": answer.attempts,
        "waited_ms": ms(answer.waited),
        "took_ms": ms(answer.took),
    })
}

const fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Purged => "purged",
        Outcome::NotCached => "not cached",
        Outcome::Refused(_) => "refused",
        Outcome::Failed(_) => "failed",
        Outcome::Dead(_) => "dead",
        Outcome::Dropped => "dropped",
        Outcome::Abandoned => "abandoned",
    }
}

/// The outcomes that a filter asks for.
enum Wanted {
    Done,
    Trouble,
    Is(&'static str),
}

impl Wanted {
    const NAMES: [&str; 7] = [
        "purged",
        "not cached",
        "refused",
        "failed",
        "dead",
        "dropped",
        "abandoned",
    ];

    fn read(text: &str) -> Result<Self, Problem> {
        match text {
            "done" => Ok(Self::Done),
            "trouble" => Ok(Self::Trouble),
            _ => match Self::NAMES.iter().find(|name| **name == text) {
                Some(name) => Ok(Self::Is(name)),
                None => {
                    let names = Self::NAMES.join(", ");
                    let text =
                        format!("`outcome` is {text:?}: write done, trouble or one of {names}");
                    Err(Problem::bad_request(text))
                }
            },
        }
    }

    fn is(&self, answer: &Answer) -> bool {
        match self {
            Self::Done => answer.outcome.is_done(),
            Self::Trouble => !answer.outcome.is_done(),
            Self::Is(name) => outcome(&answer.outcome) == *name,
        }
    }
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
            "target": dead.target,
            "attempts": dead.attempts,
            "age_ms": ms(dead.age),
            "error": dead.error,
        })
    };
    Ok(json!({"dead": found.iter().map(row).collect::<Vec<_>>(), "more": more}))
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
    let shown = shown.map(|target| json!({"text": target.as_str(), "site": target.site()}));
    Ok(json!({"found": shown.collect::<Vec<_>>(), "count": count}))
}

#[cfg(any(feature = "_sql", feature = "web"))]
pub(super) fn unavailable(error: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}
