//! Actions: what the page changes.

use std::pin::pin;

use bytes::Buf as _;
use http::StatusCode;
use http_body::Body;
use serde_json::{Value, json};

#[cfg(feature = "_sql")]
use super::service::unavailable;
use super::service::{Problem, Shared};
#[cfg(feature = "_sql")]
use super::stored;
#[cfg(feature = "_sql")]
use crate::outbox::Filter;

/// The longest order in bytes.
const LONGEST: usize = 64 * 1024;

/// The number of dead purges that an order may name.
#[cfg(feature = "_sql")]
const MOST: usize = 1000;

/// Reads an order, and no more than is allowed of it.
pub(super) async fn read<B>(body: B) -> Result<Value, Problem>
where
    B: Body,
{
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await
    {
        let frame = frame.map_err(|_| Problem::bad_request("the request broke off"))?;
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.remaining() > LONGEST {
            let text = format!("the order is too long: at most {LONGEST} bytes are read");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            bytes.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request(format!("the order is not JSON: {error}")))
}

/// Does what an order says, and answers what has changed.
pub(super) async fn act(shared: &Shared, action: &str, order: &Value) -> Result<Value, Problem> {
    match action {
        #[cfg(feature = "_sql")]
        "retry" => {
            let count = shared.roan.outbox().requeue(dead(order)?).await;
            Ok(json!({"count": count.map_err(unavailable)?}))
        }
        #[cfg(feature = "_sql")]
        "drop" => {
            let count = shared.roan.outbox().discard(dead(order)?).await;
            Ok(json!({"count": count.map_err(unavailable)?}))
        }
        "pause" => set_paused(shared, order, true).await,
        "resume" => set_paused(shared, order, false).await,
        _ => {
            let text = format!("the dashboard does not have the action {action:?}");
            Err(Problem::new(StatusCode::NOT_FOUND, text))
        }
    }
}

/// The dead purges that an order is for: those that it lists, or all that a filter picks, which must be there, so that an
/// order without anything in it is not for all of them.
#[cfg(feature = "_sql")]
fn dead(order: &Value) -> Result<Filter, Problem> {
    let filter = match (&order["ids"], &order["filter"]) {
        (Value::Array(ids), Value::Null) if ids.len() <= MOST => {
            let ids = ids.iter().map(Value::as_i64);
            let ids: Option<Vec<_>> = ids.collect();
            ids.map(|ids| Filter::new().ids(ids))
        }
        (Value::Null, filter) => stored::of_order(filter),
        _ => None,
    };
    filter.ok_or_else(|| {
        Problem::bad_request(format!(
            "the order needs `ids`, a list of at most {MOST} whole numbers, or `filter`, an object with the texts `target`, \
             `node` and `error`, each of which may be missing"
        ))
    })
}

#[cfg_attr(
    not(feature = "_sql"),
    expect(clippy::unused_async, reason = "the database is asked here")
)]
async fn set_paused(shared: &Shared, order: &Value, paused: bool) -> Result<Value, Problem> {
    let (Some(cache), Some(node)) = (order["cache"].as_str(), order["node"].as_str()) else {
        return Err(Problem::bad_request(
            "the order needs `cache` and `node`: the names of a node",
        ));
    };
    let roan = &shared.roan;
    #[cfg(feature = "_sql")]
    let changed = match paused {
        true => roan.outbox().pause(cache, node).await,
        false => roan.outbox().resume(cache, node).await,
    };
    #[cfg(not(feature = "_sql"))]
    let changed = match paused {
        true => roan.pause(cache, node),
        false => roan.resume(cache, node),
    };
    let changed = changed.map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(json!({ "changed": changed }))
}
