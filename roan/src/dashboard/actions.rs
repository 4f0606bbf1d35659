//! Actions: what the page changes.

use std::pin::pin;

use bytes::Buf as _;
use http::StatusCode;
use http_body::Body;
use serde_json::Value;
#[cfg(feature = "_sql")]
use serde_json::json;

#[cfg(feature = "_sql")]
use super::api::unavailable;
use super::service::{Problem, Shared};

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
            let ids = ids(order)?;
            let count = shared.roan.outbox().requeue(&ids).await;
            Ok(json!({"count": count.map_err(unavailable)?}))
        }
        #[cfg(feature = "_sql")]
        "drop" => {
            let ids = ids(order)?;
            let count = shared.roan.outbox().discard(&ids).await;
            Ok(json!({"count": count.map_err(unavailable)?}))
        }
        _ => {
            let _ = (shared, order);
            let text = format!("the dashboard does not have the action {action:?}");
            Err(Problem::new(StatusCode::NOT_FOUND, text))
        }
    }
}

/// The ids that an order names.
#[cfg(feature = "_sql")]
fn ids(order: &Value) -> Result<Vec<i64>, Problem> {
    let ids = order["ids"].as_array().map(|ids| {
        let ids = ids.iter().map(Value::as_i64);
        ids.collect::<Option<Vec<_>>>()
    });
    match ids {
        Some(Some(ids)) if ids.len() <= MOST => Ok(ids),
        _ => {
            let text = format!("the order needs `ids`: a list of at most {MOST} whole numbers");
            Err(Problem::bad_request(text))
        }
    }
}
