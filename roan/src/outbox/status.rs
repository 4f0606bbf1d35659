//! What is in an outbox.

use std::time::Duration;

use crate::base::history::AnswerKind;

/// A purge that Roan has given up, from [`OutboxHandle::dead`](crate::OutboxHandle::dead) or [`Admin::dead`](super::Admin::dead).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadPurge {
    /// Its identifier, for `requeue` and `discard`.
    pub id: i64,
    /// The name of the cache. Empty if the purge was not sent to any.
    pub cache: String,
    /// The name of the node. Empty if the purge was not sent to any.
    pub node: String,
    /// The target, as the payload has it. The whole payload if the purge was not sent to any node.
    pub target: String,
    /// The number of attempts at that node.
    pub attempts: u32,
    /// The time since the write, or since the purge was queued again.
    pub age: Duration,
    /// Why the last attempt failed, or why there was no attempt.
    pub error: String,
}

/// A purge that waits in an outbox, from [`Admin::waiting`](super::Admin::waiting).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitingPurge {
    /// Its identifier. Negative for the row of a write, which a relay has not finished: it is for all nodes.
    pub id: i64,
    /// The name of the cache. Empty for the row of a write.
    pub cache: String,
    /// The name of the node. Empty for the row of a write.
    pub node: String,
    /// The target, as the payload has it. The whole payload for the row of a write.
    pub target: String,
    /// What it waits for.
    pub state: Waits,
    /// The number of attempts at that node.
    pub attempts: u32,
    /// The time since the write. It stops while the node is paused.
    pub age: Duration,
    /// The time until the next attempt. Zero if it may be made at once.
    pub due_in: Duration,
    /// Why the last attempt failed, or why another version of the program is needed.
    pub error: Option<String>,
}

/// What a purge in an outbox waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Waits {
    /// A relay.
    Waiting,
    /// The answers of the nodes: a relay has taken it.
    Taken,
    /// Another version of the program: see [`Outbox::grace_period`](super::Outbox::grace_period).
    Left,
}

impl Waits {
    /// The state as a word: `waiting`, `taken` or `left`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Taken => "taken",
            Self::Left => "left",
        }
    }
}

/// What is in an outbox, from [`Admin::status`](super::Admin::status).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Status {
    /// The version of the tables. `None` if purges wait in memory.
    pub schema: Option<i64>,
    /// Rows of writes that no relay has taken yet. In memory: targets on their way to the queues of the nodes.
    pub waiting: u64,
    /// Rows of writes that a relay has taken, and whose answers are outstanding.
    pub taken: u64,
    /// Rows of writes that wait for another version of the program.
    pub left: u64,
    /// Rows of writes that could not be read or sent to any node.
    pub dead: u64,
    /// The age of the oldest row that waits, is taken or left.
    pub oldest: Option<Duration>,
    /// How long ago the oldest purge ended that every node has answered and that is kept for
    /// [`purge_since`](super::Admin::purge_since). `None` if none is kept.
    pub kept: Option<Duration>,
    /// Relays that hold rows at this moment. One that has nothing to do is not counted.
    pub relays: u64,
    /// The nodes of the programs that used the outbox in the last week, and those that purges wait for, by cache and name.
    pub nodes: Vec<NodeStatus>,
}

impl Status {
    /// Returns the purges that wait for nodes.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.nodes.iter().map(|node| node.waiting).sum()
    }

    /// Returns the dead purges: those of nodes, and those that were not sent to any.
    #[must_use]
    pub fn all_dead(&self) -> u64 {
        self.dead + self.nodes.iter().map(|node| node.dead).sum::<u64>()
    }
}

/// What an outbox has of one node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NodeStatus {
    /// The name of the cache.
    pub cache: String,
    /// The name of the node.
    pub node: String,
    /// Purges that this node has not answered at the first attempt, and that wait or are in flight.
    pub waiting: u64,
    /// Those of the waiting purges that have failed at this node at least once. If there are some, the node does not answer,
    /// or not as it should.
    pub failing: u64,
    /// How many of those wait for another version of the program.
    pub left: u64,
    /// Dead purges.
    pub dead: u64,
    /// The age of the oldest purge that waits.
    pub oldest: Option<Duration>,
    /// The error of the last attempt that failed, of those that wait or are dead.
    pub last_error: Option<String>,
    /// For how long the node has been paused. `None` if it is not.
    pub paused: Option<Duration>,
    /// How long ago a program that has this node was last seen at work, which each says once a minute. `None` if none was
    /// in the last week.
    pub seen: Option<Duration>,
}

/// The result of a purge that waits for a node or is dead there, and its error without the word for the result.
pub(super) fn answer_of(
    is_dead: bool,
    attempts: u32,
    error: Option<&str>,
) -> (AnswerKind, Option<&str>) {
    let refused = error.and_then(|error| error.strip_prefix("refused: "));
    let failed = error.and_then(|error| error.strip_prefix("failed: "));
    let result = match (is_dead, attempts) {
        (true, _) if refused.is_some() => AnswerKind::Refused,
        (true, _) => AnswerKind::Dead,
        (false, 0) => AnswerKind::Waiting,
        (false, _) => AnswerKind::Failed,
    };
    (result, refused.or(failed).or(error))
}
