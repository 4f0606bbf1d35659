//! Which pages carry a tag, and which tags a page carries.

use http::StatusCode;
use serde_json::{Value, json};

use super::query::Query;
use super::service::{Problem, Shared, unavailable};
use crate::base::target::{Target, TargetKind};
use crate::web::WebLayer;

/// The target that a query names: `kind`, `text` and `site`.
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
pub(super) async fn of(shared: &Shared, query: &Query) -> Result<Value, Problem> {
    let target = target(query)?;
    let layer = web(shared)?;
    let pages = layer.pages_of(&target).await.map_err(unavailable)?;
    found(pages, query)
}

/// The tags of a page.
pub(super) async fn tags(shared: &Shared, query: &Query) -> Result<Value, Problem> {
    let target = target(query)?;
    if target.kind() != TargetKind::Url {
        return Err(Problem::bad_request("`kind` must be url: pages have tags"));
    }
    let tags = web(shared)?.tags_of(&target).await.map_err(unavailable)?;
    found(tags, query)
}

fn web(shared: &Shared) -> Result<WebLayer, Problem> {
    let layer = shared.roan.web();
    layer.map_err(|error| Problem::new(StatusCode::NOT_FOUND, error.to_string()))
}

fn found(targets: Vec<Target>, query: &Query) -> Result<Value, Problem> {
    let limit = query.limit()?;
    let count = targets.len();
    let targets = Target::sorted(targets);
    let shown = targets.iter().take(limit);
    Ok(json!({"found": shown.collect::<Vec<_>>(), "count": count}))
}
