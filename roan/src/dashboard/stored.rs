//! What waits in an outbox, and what is dead.

use serde_json::{Value, json};

use super::query::Query;
use super::service::{Problem, Shared, unavailable};
use crate::outbox::Filter;

/// The purges that a query picks: with a `target` or an `error` that contain a text, at a `node`.
fn filter(get: impl Fn(&str) -> Option<String>) -> Filter {
    let mut filter = Filter::new();
    if let Some(text) = get("target") {
        filter = filter.target(text);
    }
    if let Some(node) = get("node") {
        filter = filter.node(node);
    }
    if let Some(text) = get("error") {
        filter = filter.error(text);
    }
    filter
}

fn of_query(query: &Query) -> Filter {
    filter(|name| query.get(name).map(str::to_owned))
}

/// The same in an order. `None` if there is something else in it.
pub(super) fn of_order(order: &Value) -> Option<Filter> {
    let fields = order.as_object()?;
    let is_known = |(name, value): (&String, &Value)| {
        ["target", "node", "error"].contains(&name.as_str()) && value.is_string()
    };
    if !fields.iter().all(is_known) {
        return None;
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    Some(filter(|name| {
        text(name)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }))
}

/// One page of a list, and one more row that says whether there is another page.
fn page(query: &Query) -> Result<(Filter, usize), Problem> {
    let limit = query.limit()?;
    let mut filter = of_query(query).limit(limit + 1);
    if let Some(id) = query.number("after")? {
        filter = filter.after(id);
    }
    Ok((filter, limit))
}

/// Dead purges, the newest first, `after` an id.
pub(super) async fn dead(shared: &Shared, query: &Query) -> Result<Value, Problem> {
    let (filter, limit) = page(query)?;
    let found = shared.roan.outbox().dead(filter.newest_first()).await;
    let found = found.map_err(unavailable)?;
    let rows: Vec<_> = found.iter().take(limit).collect();
    Ok(json!({"dead": rows, "more": found.len() > limit}))
}

/// What is in the outbox, of all programs.
pub(super) async fn status(shared: &Shared) -> Result<Value, Problem> {
    let status = shared.roan.outbox().status().await;
    Ok(json!(status.map_err(unavailable)?))
}

/// The number of dead purges.
pub(super) async fn count_dead(shared: &Shared, query: &Query) -> Result<Value, Problem> {
    let count = shared.roan.outbox().count_dead(of_query(query)).await;
    Ok(json!({"count": count.map_err(unavailable)?}))
}

/// What waits in a durable outbox, the oldest first, `after` an id; and how much it is.
pub(super) async fn waiting(shared: &Shared, query: &Query) -> Result<Value, Problem> {
    let (filter, limit) = page(query)?;
    let outbox = shared.roan.outbox();
    let found = outbox.waiting(filter).await.map_err(unavailable)?;
    let status = outbox.status().await.map_err(unavailable)?;
    let rows: Vec<_> = found.iter().take(limit).collect();
    Ok(json!({"waiting": rows, "more": found.len() > limit, "status": status}))
}
