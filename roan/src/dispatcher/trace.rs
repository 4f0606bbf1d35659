//! The span of a request to a node.

use std::collections::HashMap;

use super::node::Node;
use super::queue::{Job, Request};
use crate::base::origin::Origin;
use crate::base::outcome::{Failure, Outcome};
use crate::base::spans::{Tracked, tracked};
use crate::base::target::Target;
use crate::purger::Answer;

/// The span of a request, and the writes of its targets.
pub(super) struct Trace {
    pub(super) span: Tracked,
    origins: HashMap<Target, Origin>,
}

impl Trace {
    /// For a request that leaves now.
    pub(super) fn of(node: &Node, request: &Request) -> Self {
        let origins = node.origins.take(request);
        let (cache, name, first) = (&node.cache, &node.name, &request.first);
        let count = request.len();
        let span = tracked!(
            // Nobody's child: the thread serves all purges.
            parent: None,
            tracing::Level::DEBUG,
            "purge",
            otel.name = %format_args!("purge {cache}"),
            otel.kind = "consumer",
            messaging.system = "roan",
            messaging.operation.name = "purge",
            messaging.operation.type = "process",
            messaging.destination.name = %cache,
            messaging.destination.partition.id = %name,
            messaging.batch.message_count = (count > 1).then_some(count),
            roan.target = (count == 1).then(|| tracing::field::display(first.target.shown())),
            // The trace of the request that wrote, where that is known and there is one.
            messaging.message.conversation_id = trace_of(request).map(tracing::field::display),
            roan.attempts = first.attempts,
            roan.rebound = first.rebound,
            roan.result = tracing::field::Empty,
            error.type = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
        );
        origins.values().for_each(|origin| origin.link(&span));
        Self { span, origins }
    }

    /// Records how it went.
    pub(super) fn answered(&self, answer: &Answer) {
        self.span.with(|span| {
            span.record("roan.result", word(&answer.outcome));
        });
        if let Some(kind) = error_type(&answer.outcome) {
            self.span.failed(&kind, &answer.outcome);
        }
    }

    pub(super) fn origin(&self, job: &Job) -> Option<&Origin> {
        self.origins.get(&job.target)
    }

    /// The target goes on waiting.
    pub(super) fn give_back(&self, node: &Node, job: &Job) {
        if let Some(origin) = self.origin(job) {
            node.origins.add(&job.target, origin);
        }
    }
}

/// The id of the trace. Of a request for several targets there may be as many.
fn trace_of(request: &Request) -> Option<String> {
    if request.len() > 1 {
        return None;
    }
    let records = request.first.records.as_slice().iter();
    let mut traces = records.filter_map(|record| record.causes.first()?.trace());
    let ids = traces.next()?.to_string();
    Some(ids.split('-').next().unwrap_or_default().to_owned())
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Purged => "purged",
        Outcome::NotCached => "not_cached",
        Outcome::Refused(_) => "refused",
        Outcome::Failed(_) => "failed",
        Outcome::Dead(_) => "dead",
        Outcome::Dropped => "dropped",
        Outcome::Abandoned => "abandoned",
    }
}

/// One of few words, as OpenTelemetry asks for: a status, or the kind of failure.
fn error_type(outcome: &Outcome) -> Option<String> {
    let failure = match outcome {
        Outcome::Failed(failure) | Outcome::Dead(failure) => failure,
        Outcome::Refused(_) => return Some("refused".to_owned()),
        _ => return None,
    };
    Some(match failure {
        Failure::Status(status) => status.to_string(),
        Failure::Connect(_) => "connect".to_owned(),
        Failure::Timeout => "timeout".to_owned(),
        Failure::Connection(_) => "connection".to_owned(),
        Failure::TooMany(_) => "too_many".to_owned(),
        Failure::Reported(_) => "reported".to_owned(),
        Failure::Unavailable(_) => "unavailable".to_owned(),
        Failure::Panic(_) => "panic".to_owned(),
    })
}
