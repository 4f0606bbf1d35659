//! What is in an outbox as JSON, for the command, the dashboard and programs.

use serde::{Serialize, Serializer};

use super::payload::{self, Payload};
use super::status::{DeadPurge, NodeStatus, Status, WaitingPurge};
use crate::base::serialize::{milliseconds, name};
use crate::base::target::Target;
use crate::base::target_json;

#[derive(Serialize)]
struct View<'a> {
    id: i64,
    cache: Option<&'a str>,
    node: Option<&'a str>,
    targets: Vec<Target>,
    payload: Option<&'a str>,
    state: &'static str,
    attempts: u32,
    age_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_in_ms: Option<u64>,
    error: Option<&'a str>,
}

/// A purge of one node has one target. The row of a write has those of its payload, which is there, too: a trigger writes rows
/// in place of targets.
fn read(text: &str) -> (Vec<Target>, Option<&str>) {
    if let Ok(target) = target_json::read_target(text) {
        return (vec![target], None);
    }
    let targets = match payload::decode(text) {
        Ok(Payload::Readable(content)) => content.targets,
        Ok(Payload::Newer(_)) | Err(_) => Vec::new(),
    };
    (targets, Some(text))
}

/// `{"id", "cache", "node", "targets": [{"kind", "text", "site"}], "payload", "state": "dead", "attempts", "age_ms", "error"}`.
/// `cache` and `node` are `null` if it was not sent to any; only then there is a `payload`.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for DeadPurge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (targets, payload) = read(&self.target);
        let view = View {
            id: self.id,
            cache: name(&self.cache),
            node: name(&self.node),
            targets,
            payload,
            state: "dead",
            attempts: self.attempts,
            age_ms: milliseconds(self.age),
            due_in_ms: None,
            error: Some(&self.error),
        };
        view.serialize(serializer)
    }
}

/// As a [`DeadPurge`], with the word of its [`Waits`](super::Waits) as `state`, and `due_in_ms`.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for WaitingPurge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (targets, payload) = read(&self.target);
        let view = View {
            id: self.id,
            cache: name(&self.cache),
            node: name(&self.node),
            targets,
            payload,
            state: self.state.as_str(),
            attempts: self.attempts,
            age_ms: milliseconds(self.age),
            due_in_ms: Some(milliseconds(self.due_in)),
            error: self.error.as_deref(),
        };
        view.serialize(serializer)
    }
}

#[derive(Serialize)]
struct StatusView<'a> {
    schema: Option<i64>,
    waiting: u64,
    taken: u64,
    left: u64,
    dead: u64,
    oldest_ms: Option<u64>,
    kept_ms: Option<u64>,
    relays: u64,
    nodes: &'a [NodeStatus],
}

/// An object with the names of the fields as keys, and `_ms` behind those of durations.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = StatusView {
            schema: self.schema,
            waiting: self.waiting,
            taken: self.taken,
            left: self.left,
            dead: self.dead,
            oldest_ms: self.oldest.map(milliseconds),
            kept_ms: self.kept.map(milliseconds),
            relays: self.relays,
            nodes: &self.nodes,
        };
        view.serialize(serializer)
    }
}

#[derive(Serialize)]
struct NodeView<'a> {
    cache: &'a str,
    node: &'a str,
    waiting: u64,
    failing: u64,
    dead: u64,
    oldest_ms: Option<u64>,
    last_error: Option<&'a str>,
    paused_ms: Option<u64>,
    seen_ms: Option<u64>,
}

/// As [`Status`].
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for NodeStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = NodeView {
            cache: &self.cache,
            node: &self.node,
            waiting: self.waiting,
            failing: self.failing,
            dead: self.dead,
            oldest_ms: self.oldest.map(milliseconds),
            last_error: self.last_error.as_deref(),
            paused_ms: self.paused.map(milliseconds),
            seen_ms: self.seen.map(milliseconds),
        };
        view.serialize(serializer)
    }
}
