//! What an agent says of itself every few seconds.

use std::time::Duration;

use serde_json::Value;

/// The key-value bucket with the heartbeats; a key is the name of a node.
pub(crate) const BUCKET: &str = "ROAN_AGENTS";

/// The stream that keeps it: <https://docs.nats.io/nats-concepts/jetstream/key-value-store>.
pub(crate) const BUCKET_STREAM: &str = "KV_ROAN_AGENTS";

/// The version of what is written here.
const VERSION: u64 = 1;

/// The time between two heartbeats.
pub(crate) const EVERY: Duration = Duration::from_secs(10);

/// Why the heartbeats end before the purges do when servers are away, and what to type; `None` if their bucket has as many copies as
/// the stream.
pub(crate) fn few_copies(of_bucket: usize, of_stream: usize) -> Option<String> {
    (of_bucket < of_stream).then(|| {
        format!(
            "the bucket {BUCKET} of the heartbeats has replicas: {of_bucket}, and the stream has {of_stream}: while a server is away \
             without which the purges go on, the heartbeats may end, and the agents are not ready: type \
             `nats stream edit {BUCKET_STREAM} --replicas={of_stream}`"
        )
    })
}

/// What an agent says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    pub(crate) node: String,
    pub(crate) version: String,
    /// When the agent began, in Unix milliseconds.
    pub(crate) started: u64,
    /// When it said this, in Unix milliseconds.
    pub(crate) at: u64,
    pub(crate) state: AgentState,
    /// The sequence up to which it has acknowledged each message.
    pub(crate) acknowledged: u64,
    /// The number of purges that wait in the agent.
    pub(crate) waiting: u64,
    pub(crate) last_answer: Option<LastAnswer>,
    /// The kind of its cache.
    pub(crate) cache: String,
    /// Why its cache may have stale pages.
    pub(crate) unclean: Option<String>,
    /// What makes it clean again; while it is emptied, what to do so that it is not emptied again and again. Older versions
    /// neither write nor read it.
    pub(crate) cure: Option<String>,
    /// Why the last attempt to empty the cache has failed. Older versions neither write nor read it.
    pub(crate) failure: Option<String>,
    /// What else the operator should know. Older versions neither write nor read it.
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentState {
    Emptying,
    Consuming,
    Unclean,
    WaitingForOperator,
}

/// The last answer of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastAnswer {
    /// In Unix milliseconds.
    pub(crate) at: u64,
    pub(crate) outcome: String,
    pub(crate) target: String,
}

impl LastAnswer {
    /// Whether the agent has given the purge up. One that has only failed is tried again.
    pub(crate) fn is_given_up(outcome: &str) -> bool {
        // The beginnings of `Outcome`.
        let bad = ["refused: ", "dead: "];
        bad.iter().any(|bad| outcome.starts_with(bad))
    }
}

impl AgentState {
    const ALL: [Self; 4] = [
        Self::Emptying,
        Self::Consuming,
        Self::Unclean,
        Self::WaitingForOperator,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Emptying => "emptying",
            Self::Consuming => "consuming",
            Self::Unclean => "unclean",
            Self::WaitingForOperator => "waiting-for-operator",
        }
    }
}

impl Heartbeat {
    #[cfg(feature = "agent")]
    pub(crate) fn to_json(&self) -> Value {
        serde_json::json!({
            "v": VERSION,
            "node": self.node,
            "version": self.version,
            "started": self.started,
            "at": self.at,
            "state": self.state.as_str(),
            "acknowledged": self.acknowledged,
            "waiting": self.waiting,
            "last_answer": self.last_answer.as_ref().map(|answer| serde_json::json!({
                "at": answer.at,
                "outcome": answer.outcome,
                "target": answer.target,
            })),
            "cache": self.cache,
            "unclean": self.unclean,
            "cure": self.cure,
            "failure": self.failure,
            "warnings": self.warnings,
        })
    }

    /// # Errors
    ///
    /// If it is not a heartbeat, or one of a newer version. Unknown keys are ignored.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64);
        let text = |value: &Value, key: &str| {
            let text = value.get(key).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        match number(&value, "v") {
            Some(VERSION) => {}
            Some(newer) => {
                return Err(format!(
                    "it has version {newer}, and this program knows {VERSION}"
                ));
            }
            None => return Err("it does not have a version".to_owned()),
        }
        let name = text(&value, "state");
        let state = AgentState::ALL
            .into_iter()
            .find(|state| state.as_str() == name);
        let state = state.ok_or_else(|| format!("it has the unknown state {name:?}"))?;
        let last_answer = value.get("last_answer").filter(|answer| answer.is_object());
        let warnings = value.get("warnings").and_then(Value::as_array);
        let warnings = warnings.into_iter().flatten().filter_map(Value::as_str);
        let said = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            node: text(&value, "node"),
            version: text(&value, "version"),
            started: number(&value, "started").unwrap_or_default(),
            at: number(&value, "at").unwrap_or_default(),
            state,
            acknowledged: number(&value, "acknowledged").unwrap_or_default(),
            waiting: number(&value, "waiting").unwrap_or_default(),
            last_answer: last_answer.map(|answer| LastAnswer {
                at: number(answer, "at").unwrap_or_default(),
                outcome: text(answer, "outcome"),
                target: text(answer, "target"),
            }),
            cache: text(&value, "cache"),
            unclean: said("unclean"),
            cure: said("cure"),
            failure: said("failure"),
            warnings: warnings.map(str::to_owned).collect(),
        })
    }
}
