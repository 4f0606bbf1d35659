//! A purge on its way to the nodes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use super::causes::Causes;
use super::record::{AnswerKind, NodeAnswer, PurgeRecord, PurgeState, add};
use crate::base::target::Target;

/// When a target was asked for, and the purges that it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) asked: Instant,
    pub(crate) records: &'a [Arc<Record>],
}

impl<'a> Asking<'a> {
    pub(crate) fn of(asked: Instant, records: &'a [Arc<Record>]) -> Self {
        Self { asked, records }
    }
}

/// A purge of one target on its way to the nodes, whose entries in the queues share it.
#[derive(Debug)]
pub(crate) struct Record {
    target: Target,
    asked: Instant,
    causes: Causes,
    /// `None` if a row of the outbox has the answers.
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    id: i64,
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    list: Vec<NodeAnswer>,
    last: Option<Instant>,
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Answers> {
        // Code under the lock does not panic.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// For a row of the outbox.
    #[cfg(feature = "_sql")]
    pub(crate) fn of_row(target: &Target, asked: Instant, causes: Causes) -> Arc<Self> {
        Arc::new(Self {
            target: target.clone(),
            asked,
            causes,
            kept: None,
        })
    }

    /// For the history in memory.
    pub(crate) fn kept(id: i64, target: &Target, asked: Instant, causes: Causes) -> Arc<Self> {
        Arc::new(Self {
            target: target.clone(),
            asked,
            causes,
            kept: Some(Kept {
                id,
                answers: Mutex::default(),
            }),
        })
    }

    pub(crate) fn causes(&self) -> &Causes {
        &self.causes
    }

    /// Adds an answer for this target.
    pub(crate) fn answered(
        &self,
        target: &Target,
        at: Instant,
        answer: impl FnOnce() -> NodeAnswer,
    ) {
        let Some(kept) = &self.kept else {
            return;
        };
        let answer = NodeAnswer {
            others: *target != self.target,
            ..answer()
        };
        let mut answers = kept.lock();
        add(&mut answers.list, answer);
        answers.last = Some(at);
    }

    pub(crate) fn to_record(&self) -> Option<PurgeRecord> {
        let kept = self.kept.as_ref()?;
        let (answers, last) = {
            let answers = kept.lock();
            (answers.list.clone(), answers.last)
        };
        let is = |kinds: &[AnswerKind]| answers.iter().any(|answer| kinds.contains(&answer.result));
        let state = if is(&[AnswerKind::Failed]) || answers.is_empty() {
            PurgeState::Waiting
        } else if is(&[
            AnswerKind::Refused,
            AnswerKind::Dead,
            AnswerKind::Dropped,
            AnswerKind::Abandoned,
        ]) {
            PurgeState::Dead
        } else {
            PurgeState::Done
        };
        let (now, clock) = (Instant::now(), SystemTime::now());
        let at = |time: Instant| {
            let age = now.saturating_duration_since(time);
            clock.checked_sub(age).unwrap_or(clock)
        };
        Some(PurgeRecord {
            id: kept.id,
            asked: at(self.asked),
            ended: last.filter(|_| state != PurgeState::Waiting).map(at),
            targets: vec![self.target.clone()],
            found: Vec::new(),
            causes: self.causes.to_vec(),
            asks: self.causes.count().max(1),
            state,
            answers,
            problem: None,
        })
    }
}

/// A purge that is not in the outbox, on its way to be marked there.
#[derive(Debug, Clone)]
pub(crate) struct Unmarked {
    pub(crate) target: Target,
    pub(crate) asked: Instant,
    pub(crate) record: Option<Arc<Record>>,
}
