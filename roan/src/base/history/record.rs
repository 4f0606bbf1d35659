//! A purge of the past.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::cause::PurgeCause;
use crate::base::outcome::Outcome;
use crate::base::target::Target;

/// One purge of the history: what was purged, why, and how each node answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeRecord {
    /// The id of the row in the outbox, so of the write; without an outbox, a number that grows with each purge.
    pub id: i64,
    /// When the row was written, or the hook fired.
    pub asked: SystemTime,
    /// When the last answer came. `None` while an answer is outstanding.
    pub ended: Option<SystemTime>,
    /// What was purged. A row of the outbox may have several targets; without an outbox there is one.
    pub targets: Vec<Target>,
    /// The places in `targets` of those that the [filter](super::Filter::target) has found: the page itself, and what
    /// covers it. Empty without that filter.
    pub found: Vec<usize>,
    /// The first few causes, each once. Empty if they are not known.
    pub causes: Vec<PurgeCause>,
    /// How many asks became this purge, because they came while it waited.
    pub asks: u32,
    /// How far it is.
    pub state: PurgeState,
    /// How the nodes have answered so far.
    pub answers: Vec<NodeAnswer>,
    /// The id of the row whose purges it sends again, for the same causes, because a person has said so: `roan outbox replay`.
    /// That row may be gone.
    pub replay_of: Option<i64>,
    /// Why it is dead, or waits for another version of the program.
    pub error: Option<String>,
}

/// How far a [purge](PurgeRecord) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PurgeState {
    /// It waits, or a node has not answered yet.
    Waiting,
    /// Each node has answered.
    Done,
    /// Roan has given it up, at one node at least: see [`PurgeRecord::error`] and the [answers](PurgeRecord::answers).
    Dead,
    /// It waits for another version of the program, which may have the site or the rules that it names.
    Left,
}

impl PurgeState {
    /// The state in one word: `waiting`, `done`, `dead` or `left`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Left => "left",
        }
    }
}

impl fmt::Display for PurgeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a node answered to a purge. Equal answers, for several URLs, are one.
///
/// The rebound is listed if its result was not [`NotCached`](AnswerKind::NotCached): then a page was stored between the two
/// purges.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeAnswer {
    /// The name of the cache.
    pub cache: Arc<str>,
    /// The name of the node.
    pub node: Arc<str>,
    /// The result.
    pub result: AnswerKind,
    /// Why the node refused or failed.
    pub error: Option<String>,
    /// The HTTP status, if it is kept: without an outbox, and of refusals.
    pub status: Option<u16>,
    /// See [`Report::verified`](crate::Report::verified).
    pub verified: bool,
    /// Whether it is the answer to the rebound.
    pub rebound: bool,
    /// Whether it is for other URLs than the targets: other spellings, or the pages of a tag, a prefix or a host.
    pub other_urls: bool,
    /// The number of attempts.
    pub attempts: u32,
    /// For how many URLs the node has answered so.
    pub count: u32,
    /// The places in [`PurgeRecord::targets`] of the targets that it is for. Empty for all of them, and for other URLs.
    pub targets: Vec<usize>,
}

/// The results of [answers](NodeAnswer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnswerKind {
    /// The purge waits for this node, which was not asked yet or is down.
    Waiting,
    /// [`Outcome::Purged`]
    Purged,
    /// [`Outcome::NotCached`]
    NotCached,
    /// [`Outcome::Refused`]
    Refused,
    /// [`Outcome::Failed`]: Roan will try again.
    Failed,
    /// [`Outcome::Dead`]
    Dead,
    /// [`Outcome::Dropped`]
    Dropped,
    /// [`Outcome::Abandoned`]
    Abandoned,
}

impl AnswerKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Purged,
        Self::NotCached,
        Self::Refused,
        Self::Failed,
        Self::Dead,
        Self::Dropped,
        Self::Abandoned,
    ];

    /// The result in one word, as in JSON, such as `not-cached`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Purged => "purged",
            Self::NotCached => "not-cached",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
            Self::Abandoned => "abandoned",
        }
    }

    /// Whether the page may still be in the node, and nobody will try again.
    pub(crate) fn is_lost(self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Dead | Self::Dropped | Self::Abandoned
        )
    }
}

impl From<&Outcome> for AnswerKind {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Purged => Self::Purged,
            Outcome::NotCached => Self::NotCached,
            Outcome::Refused(_) => Self::Refused,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Dead(_) => Self::Dead,
            Outcome::Dropped => Self::Dropped,
            Outcome::Abandoned => Self::Abandoned,
        }
    }
}

impl fmt::Display for AnswerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotCached => "not cached",
            other => other.as_str(),
        })
    }
}

impl NodeAnswer {
    /// Of a node, for one URL.
    pub(crate) fn of(cache: &Arc<str>, node: &Arc<str>, result: AnswerKind) -> Self {
        Self {
            cache: Arc::clone(cache),
            node: Arc::clone(node),
            result,
            error: None,
            status: None,
            verified: false,
            rebound: false,
            other_urls: false,
            attempts: 1,
            count: 1,
            targets: Vec::new(),
        }
    }

    /// Whether it is the same answer, for other URLs.
    fn is_as(&self, other: &Self) -> bool {
        self.is_of(other)
            && self.result == other.result
            && self.rebound == other.rebound
            && self.verified == other.verified
            && self.status == other.status
            && self.attempts == other.attempts
            && self.error == other.error
    }

    /// Whether it is an answer of the same node, and also for the targets, or also for others.
    fn is_of(&self, other: &Self) -> bool {
        self.node == other.node && self.cache == other.cache && self.other_urls == other.other_urls
    }
}

/// Adds an answer to those of a purge.
pub(crate) fn add(answers: &mut Vec<NodeAnswer>, answer: NodeAnswer) {
    if answer.rebound && answer.result == AnswerKind::NotCached {
        return;
    }
    // What comes after a failure is the answer.
    answers.retain(|known| known.result != AnswerKind::Failed || !known.is_of(&answer));
    match answers.iter_mut().rfind(|known| known.is_as(&answer)) {
        Some(known) => {
            known.count = known.count.saturating_add(answer.count);
            known.targets.extend(answer.targets);
        }
        None => answers.push(answer),
    }
}
