//! A purge of the past as JSON, for the command, the dashboard and programs.

use serde::{Serialize, Serializer};

use super::cause::{CauseKind, PurgeCause};
use super::record::{AnswerKind, NodeAnswer, PurgeRecord, PurgeState};
use crate::base::serialize::{name, time};
use crate::base::target::Target;

#[derive(Serialize)]
struct RecordView<'a> {
    id: i64,
    asked: String,
    ended: Option<String>,
    state: PurgeState,
    targets: &'a [Target],
    found: &'a [usize],
    causes: &'a [PurgeCause],
    asks: u32,
    answers: &'a [NodeAnswer],
    replay_of: Option<i64>,
    error: Option<&'a str>,
}

/// An object with the names of the fields as keys; times are texts in UTC. The [guide](crate::guide::command#json) has an
/// example.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for PurgeRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = RecordView {
            id: self.id,
            asked: time(self.asked),
            ended: self.ended.map(time),
            state: self.state,
            targets: &self.targets,
            found: &self.found,
            causes: &self.causes,
            asks: self.asks,
            answers: &self.answers,
            replay_of: self.replay_of,
            error: self.error.as_deref(),
        };
        view.serialize(serializer)
    }
}

#[derive(Serialize)]
struct CauseView<'a> {
    text: String,
    kind: CauseKind,
    model: Option<&'a str>,
    table: Option<&'a str>,
    events: Option<String>,
    file: Option<&'a str>,
    line: Option<u32>,
    trace_id: Option<&'a str>,
    span_id: Option<&'a str>,
    targets: &'a [usize],
}

/// An object with the names of the methods as keys, and a `text` for people; the trace is `trace_id` and `span_id`.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for PurgeCause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let trace = self.trace().map(|trace| trace.to_string());
        let ids = trace.as_deref().and_then(|trace| trace.split_once('-'));
        let view = CauseView {
            text: self.to_string(),
            kind: self.kind(),
            model: self.model(),
            table: self.table(),
            events: self.events().map(|events| events.to_string()),
            file: name(self.file()),
            line: Some(self.line()).filter(|line| *line > 0),
            trace_id: ids.map(|(trace, _)| trace),
            span_id: ids.map(|(_, span)| span),
            targets: self.targets(),
        };
        view.serialize(serializer)
    }
}

#[derive(Serialize)]
struct AnswerView<'a> {
    cache: Option<&'a str>,
    node: Option<&'a str>,
    result: AnswerKind,
    error: Option<&'a str>,
    status: Option<u16>,
    verified: bool,
    rebound: bool,
    attempts: u32,
    other_urls: bool,
    count: u32,
    targets: &'a [usize],
}

/// An object with the names of the fields as keys. `cache` and `node` are `null` if the purge was not sent to any.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for NodeAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = AnswerView {
            cache: name(&self.cache),
            node: name(&self.node),
            result: self.result,
            error: self.error.as_deref(),
            status: self.status,
            verified: self.verified,
            rebound: self.rebound,
            attempts: self.attempts,
            other_urls: self.other_urls,
            count: self.count,
            targets: &self.targets,
        };
        view.serialize(serializer)
    }
}
