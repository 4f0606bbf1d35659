//! The history in memory: the newest purges that are not of a row of the outbox, and what has asked for those that are on
//! their way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::report::Ended;
use crate::base::history::{
    AnswerKind, Asking, Causes, Filter, Finder, NodeAnswer, PurgeRecord, Record,
};
use crate::base::outcome::Outcome;
use crate::base::target::Target;

/// What has asked for all of them.
pub(super) fn causes_of(records: &[Arc<Record>]) -> Causes {
    let mut records = records.iter();
    let mut causes = match records.next() {
        Some(first) => first.causes().clone(),
        None => return Causes::default(),
    };
    for record in records {
        causes.add_all(record.causes());
    }
    causes
}

/// Adds the answer to the purges that it is for.
pub(super) fn note(ended: &Ended<'_>) {
    for record in &ended.job.records {
        record.answered(&ended.job.target, ended.now, || ended.to_answer());
    }
}

impl Ended<'_> {
    pub(super) fn to_answer(&self) -> NodeAnswer {
        let problem = match &self.outcome {
            Outcome::Failed(failure) | Outcome::Dead(failure) => Some(failure.to_string()),
            Outcome::Refused(refusal) => Some(refusal.to_string()),
            _ => None,
        };
        NodeAnswer {
            problem,
            status: self.status,
            verified: self.verified,
            rebound: self.job.rebound,
            attempts: self.job.attempts,
            ..NodeAnswer::of(
                &self.node.cache,
                &self.node.name,
                AnswerKind::of(&self.outcome),
            )
        }
    }
}

/// Adds the result of a purge that is not sent to any node.
pub(super) fn note_unsent(asking: Asking<'_>, target: &Target, outcome: &Outcome, now: Instant) {
    for record in asking.records {
        record.answered(target, now, || NodeAnswer {
            problem: Some(outcome.to_string()),
            ..NodeAnswer::of(&"".into(), &"".into(), AnswerKind::of(outcome))
        });
    }
}

/// The newest purges.
#[derive(Debug)]
pub(crate) struct History {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_id: i64,
    purges: VecDeque<Arc<Record>>,
}

impl History {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Code under the lock does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether causes are noted.
    pub(super) fn is_on(&self) -> bool {
        self.most > 0
    }

    /// Begins the record of a purge.
    pub(super) fn begin(
        &self,
        target: &Target,
        asked: Instant,
        causes: Causes,
    ) -> Option<Arc<Record>> {
        if !self.is_on() {
            return None;
        }
        let mut state = self.lock();
        state.last_id += 1;
        let record = Record::kept(state.last_id, target, asked, causes);
        if state.purges.len() >= self.most {
            state.purges.pop_front();
        }
        state.purges.push_back(Arc::clone(&record));
        Some(record)
    }

    /// The newest purges that are looked for, the newest first.
    pub(crate) fn find(&self, filter: &Filter) -> Vec<PurgeRecord> {
        let purges: Vec<_> = self.lock().purges.iter().cloned().collect();
        let finder = Finder::new(filter);
        let records = purges.iter().rev().filter_map(|record| record.to_record());
        let in_range = records.filter(|record| {
            filter.before.is_none_or(|id| record.id < id)
                && filter.after.is_none_or(|id| record.id > id)
        });
        let found = in_range.filter_map(|mut record| finder.finds(&mut record).then_some(record));
        found.take(filter.limit).collect()
    }
}

/// The purges that an entry of a queue is for.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    list: Vec<Arc<Record>>,
    /// So many of them were there when the request left.
    sent: usize,
}

/// A storm of one URL, of which a node does not answer, must not take memory without end.
const MOST: usize = 32;

impl Records {
    pub(super) fn of(records: &[Arc<Record>]) -> Self {
        let mut new = Self::default();
        new.extend(records);
        new
    }

    pub(super) fn extend(&mut self, records: &[Arc<Record>]) {
        for record in records {
            if self.list.iter().any(|known| Arc::ptr_eq(known, record)) {
                continue;
            }
            if self.list.len() >= MOST && self.list.len() > self.sent {
                // The first and the newest learn the answer.
                self.list.remove(self.sent.max(1).min(self.list.len() - 1));
            }
            self.list.push(Arc::clone(record));
        }
    }

    /// The purges before a rebound have had their answer, if it has not left yet.
    pub(super) fn renew(&mut self) {
        self.list.clear();
        self.sent = 0;
    }

    /// The request leaves. Returns the purges that it is for.
    pub(super) fn leave(&mut self) -> Vec<Arc<Record>> {
        self.sent = self.list.len();
        self.list.clone()
    }

    /// The request was answered, and the next one is for what was asked meanwhile.
    pub(super) fn answered(&mut self) {
        self.list.drain(..self.sent.min(self.list.len()));
        self.sent = 0;
    }

    pub(super) fn take(&mut self) -> Vec<Arc<Record>> {
        self.sent = 0;
        std::mem::take(&mut self.list)
    }

    pub(super) fn to_vec(&self) -> Vec<Arc<Record>> {
        self.list.clone()
    }
}
