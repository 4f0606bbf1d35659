//! What was purged, why, and how each node answered.

#[cfg(feature = "_sql")]
use super::service::unavailable;
use serde_json::{Value, json};

use super::query::Query;
use super::service::{Problem, Shared};
use crate::base::history::{AnswerKind, Filter, PurgeRecord};

/// So many targets and answers of one purge are shown; the others are counted.
const TARGETS: usize = 20;
const ANSWERS: usize = 40;

/// The newest purges: with a `text` in a target, at a `node`, with a `result`, `before` an id. With a durable outbox they are
/// those of its rows, or with `of=memory` those that it does not have.
pub(super) async fn listed(shared: &Shared, query: &Query) -> Result<Value, Problem> {
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
        "purges": found.into_iter().map(purge).collect::<Vec<_>>(),
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

/// The purge as all of Roan writes it; of many targets and answers only the first, and the number of the others.
fn purge(mut purge: PurgeRecord) -> Value {
    let more = [
        ("more_targets", cut(&mut purge.targets, TARGETS)),
        ("more_answers", cut(&mut purge.answers, ANSWERS)),
    ];
    let mut value = json!(purge);
    for (key, count) in more {
        if count > 0 {
            value[key] = json!(count);
        }
    }
    value
}

/// Returns how many it has cut off.
fn cut<T>(list: &mut Vec<T>, most: usize) -> usize {
    let more = list.len().saturating_sub(most);
    list.truncate(most);
    more
}
