//! What is in an outbox as JSON, for the command, the dashboard and programs.

use serde::{Serialize, Serializer};

use super::payload::{self, Payload};
use super::status::{DeadPurge, NodeStatus, Status, WaitingPurge, answer_of};
use super::stored_target;
use crate::base::history::AnswerKind;
use crate::base::serialize::{milliseconds, name};
use crate::base::target::Target;

#[derive(Serialize)]
struct View<'a> {
    id: i64,
    cache: Option<&'a str>,
    node: Option<&'a str>,
    targets: Vec<Target>,
    payload: Option<&'a str>,
    state: &'static str,
    result: Option<AnswerKind>,
    attempts: u32,
    age_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_in_ms: Option<u64>,
    error: Option<&'a str>,
}

/// A purge of one node has one target. The row of a write has those of its payload, which is there, too: a trigger writes rows
/// in place of targets.
fn read(text: &str) -> (Vec<Target>, Option<&str>) {
    if let Ok(target) = stored_target::read_target(text) {
        return (vec![target], None);
    }
    let targets = match payload::decode(text) {
        Ok(Payload::Readable(content)) => content.targets,
        Ok(Payload::Newer(_)) => payload::known_part(text).0.targets,
        Err(_) => Vec::new(),
    };
    (targets, Some(text))
}

/// `{"id", "cache", "node", "targets": [{"kind", "text", "site"}], "payload", "state": "dead", "result", "attempts",
/// "age_ms", "error"}`.
/// `cache` and `node` are `null` if it was not sent to any; only then, or if this program cannot read it, there is a `payload`.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for DeadPurge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (targets, payload) = read(&self.target);
        let (result, error) = answer_of(true, self.attempts, Some(&self.error));
        let view = View {
            id: self.id,
            cache: name(&self.cache),
            node: name(&self.node),
            targets,
            payload,
            state: "dead",
            result: name(&self.node).map(|_| result),
            attempts: self.attempts,
            age_ms: milliseconds(self.age),
            due_in_ms: None,
            error,
        };
        view.serialize(serializer)
    }
}

/// As a [`DeadPurge`], with the word of its [`Waits`](super::Waits) as `state`, and `due_in_ms`.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for WaitingPurge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (targets, payload) = read(&self.target);
        let (result, error) = answer_of(false, self.attempts, self.error.as_deref());
        let view = View {
            id: self.id,
            cache: name(&self.cache),
            node: name(&self.node),
            targets,
            payload,
            state: self.state.as_str(),
            result: name(&self.node).map(|_| result),
            attempts: self.attempts,
            age_ms: milliseconds(self.age),
            due_in_ms: Some(milliseconds(self.due_in)),
            error,
        };
        view.serialize(serializer)
    }
}

#[derive(Serialize)]
struct StatusView<'a> {
    schema: Option<i64>,
    writes: WritesView,
    deliveries: u64,
    dead: u64,
    kept_ms: Option<u64>,
    relays: u64,
    nodes: &'a [NodeStatus],
}

/// An object with the names of the fields as keys, and `_ms` behind those of durations. What is about the rows of writes is in
/// `writes`; `deliveries` and `dead` are the sums of [`Status::deliveries`] and [`Status::all_dead`].
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = StatusView {
            schema: self.schema,
            writes: WritesView {
                waiting: self.waiting,
                taken: self.taken,
                left: self.left,
                dead: self.dead,
                oldest_ms: self.oldest.map(milliseconds),
            },
            deliveries: self.deliveries(),
            dead: self.all_dead(),
            kept_ms: self.kept.map(milliseconds),
            relays: self.relays,
            nodes: &self.nodes,
        };
        view.serialize(serializer)
    }
}

/// What there is of the rows of writes.
#[derive(Serialize)]
struct WritesView {
    waiting: u64,
    taken: u64,
    left: u64,
    dead: u64,
    oldest_ms: Option<u64>,
}

#[derive(Serialize)]
struct NodeView<'a> {
    cache: &'a str,
    node: &'a str,
    waiting: u64,
    failing: u64,
    left: u64,
    dead: u64,
    oldest_ms: Option<u64>,
    last_error: Option<&'a str>,
    paused_ms: Option<u64>,
    seen_ms: Option<u64>,
}

/// An object with the names of the fields as keys, and `_ms` behind those of durations.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for NodeStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = NodeView {
            cache: &self.cache,
            node: &self.node,
            waiting: self.waiting,
            failing: self.failing,
            left: self.left,
            dead: self.dead,
            oldest_ms: self.oldest.map(milliseconds),
            last_error: self.last_error.as_deref(),
            paused_ms: self.paused.map(milliseconds),
            seen_ms: self.seen.map(milliseconds),
        };
        view.serialize(serializer)
    }
}
