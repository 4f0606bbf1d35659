//! The history in memory: the newest purges that are not of a row of the outbox, and what has asked for those that are on
//! their way.

use std::collections::VecDeque;
use std::mem;
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
    for record in ended.job.records.as_slice() {
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

/// The purges that an entry of a queue, or a request, is for. Mostly there is one, which takes no allocation.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    list: List,
    /// So many of them were there when the request left.
    sent: usize,
}

#[derive(Debug, Clone, Default)]
enum List {
    #[default]
    None,
    One([Arc<Record>; 1]),
    Several(Vec<Arc<Record>>),
}

/// A storm of one URL, of which a node does not answer, must not take memory without end.
const MOST: usize = 32;

impl Records {
    pub(super) fn of(records: &[Arc<Record>]) -> Self {
        let mut new = Self::default();
        new.extend(records);
        new
    }

    pub(super) fn as_slice(&self) -> &[Arc<Record>] {
        match &self.list {
            List::None => &[],
            List::One(one) => one,
            List::Several(several) => several,
        }
    }

    pub(super) fn extend(&mut self, records: &[Arc<Record>]) {
        for record in records {
            let is_known = |known: &Arc<Record>| Arc::ptr_eq(known, record);
            if self.as_slice().iter().any(is_known) {
                continue;
            }
            let record = Arc::clone(record);
            self.list = match mem::take(&mut self.list) {
                List::None => List::One([record]),
                List::One([first]) => List::Several(vec![first, record]),
                List::Several(mut several) => {
                    if several.len() >= MOST && several.len() > self.sent {
                        // The first and the newest learn the answer.
                        several.remove(self.sent.max(1).min(several.len() - 1));
                    }
                    several.push(record);
                    List::Several(several)
                }
            };
        }
    }

    /// What was purged before, and waits for its rebound, is over: the next request is for others.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The request leaves. Returns the purges that it is for.
    pub(super) fn leave(&mut self) -> Self {
        self.sent = self.as_slice().len();
        self.clone()
    }

    /// The request was answered, and the next one is for what was asked for meanwhile.
    pub(super) fn answered(&mut self) {
        let later = self.as_slice().get(self.sent..).unwrap_or_default();
        *self = Self::of(later);
    }
}
