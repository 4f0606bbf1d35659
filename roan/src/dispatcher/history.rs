//! The history in memory: the newest purges that are not of a row of the outbox.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::report::Ended;
use crate::base::history::{
    AnswerKind, Asking, Causes, Filter, Finder, NodeAnswer, PurgeRecord, PurgeState, Record, add,
};
use crate::base::lock::Mutex;
use crate::base::outcome::Outcome;
use crate::base::target::Target;

/// What has asked for all of them.
pub(super) fn causes_of(records: &[Record]) -> Causes {
    let mut records = records.iter();
    let mut causes = match records.next() {
        Some(first) => Causes::clone(&first.causes),
        None => return Causes::default(),
    };
    for record in records {
        causes.add_all(&record.causes);
    }
    causes
}

impl Ended<'_> {
    pub(super) fn to_answer(&self) -> NodeAnswer {
        NodeAnswer {
            error: self.outcome.error(),
            status: self.status,
            verified: self.verified,
            rebound: self.job.rebound,
            attempts: self.job.attempts,
            ..NodeAnswer::of(&self.node.cache, &self.node.name, (&self.outcome).into())
        }
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
    /// The number of the newest one. The numbers have no gaps.
    last_id: i64,
    purges: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    target: Target,
    asked: SystemTime,
    causes: Arc<Causes>,
    answers: Vec<NodeAnswer>,
    /// When the last answer came.
    last: Option<SystemTime>,
}

impl State {
    fn get_mut(&mut self, id: i64) -> Option<&mut Kept> {
        let newer = usize::try_from(self.last_id - id).ok()?;
        let place = self.purges.len().checked_sub(newer + 1)?;
        self.purges.get_mut(place)
    }

    fn answered(&mut self, id: i64, target: &Target, time: Instant, answer: NodeAnswer) {
        if let Some(kept) = self.get_mut(id) {
            let other_urls = *target != kept.target;
            let answer = NodeAnswer {
                other_urls,
                ..answer
            };
            add(&mut kept.answers, answer);
            kept.last = Some(at(time));
        }
    }
}

impl History {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::default(),
        }
    }

    /// Whether causes are noted.
    pub(super) fn is_on(&self) -> bool {
        self.most > 0
    }

    /// Begins the record of a purge.
    pub(super) fn begin(&self, target: &Target, asked: Instant, causes: Causes) -> Option<Record> {
        if !self.is_on() {
            return None;
        }
        let mut state = self.state.lock();
        state.last_id += 1;
        let causes = match state.purges.back() {
            Some(before) if before.causes.is_same(&causes) => Arc::clone(&before.causes),
            _ => Arc::new(causes),
        };
        let record = Record {
            id: state.last_id,
            causes: Arc::clone(&causes),
        };
        if state.purges.len() >= self.most {
            state.purges.pop_front();
        }
        state.purges.push_back(Kept {
            target: target.clone(),
            asked: at(asked),
            causes,
            answers: Vec::new(),
            last: None,
        });
        Some(record)
    }

    /// Adds the answer to the purges that it is for, as far as they are kept.
    pub(super) fn note(&self, ended: &Ended<'_>) {
        let records = ended.job.records.as_slice();
        if records.iter().all(|record| record.id == 0) {
            return;
        }
        let target = &ended.job.target;
        let mut state = self.state.lock();
        for record in records {
            if state.get_mut(record.id).is_some() {
                state.answered(record.id, target, ended.now, ended.to_answer());
            }
        }
    }

    /// Adds the result of a purge that is not sent to any node.
    pub(super) fn note_unsent(
        &self,
        asking: Asking<'_>,
        target: &Target,
        outcome: &Outcome,
        now: Instant,
    ) {
        for record in asking.records {
            let answer = NodeAnswer {
                error: outcome.error(),
                ..NodeAnswer::of(&"".into(), &"".into(), outcome.into())
            };
            self.state.lock().answered(record.id, target, now, answer);
        }
    }

    /// The newest purges that are looked for, the newest first.
    pub(crate) fn find(&self, filter: &Filter) -> Vec<PurgeRecord> {
        let state = self.state.lock();
        let purges = state.purges.iter().rev();
        let ids = (0..).map(|newer: i64| state.last_id - newer);
        let finder = Finder::new(filter);
        let in_range = ids.zip(purges).filter(|(id, _)| {
            filter.before.is_none_or(|before| *id < before)
                && filter.after.is_none_or(|after| *id > after)
        });
        let found = in_range.filter_map(|(id, kept)| {
            let mut record = kept.to_record(id);
            finder.finds(&mut record).then_some(record)
        });
        found.take(filter.limit).collect()
    }
}

/// A time of the past by the clock of the system.
fn at(time: Instant) -> SystemTime {
    let clock = SystemTime::now();
    clock.checked_sub(time.elapsed()).unwrap_or(clock)
}

impl Kept {
    fn to_record(&self, id: i64) -> PurgeRecord {
        let mut answers = self.answers.iter();
        let mut is = |kinds: &[AnswerKind]| answers.any(|answer| kinds.contains(&answer.result));
        let state = if self.answers.is_empty() || is(&[AnswerKind::Failed]) {
            PurgeState::Waiting
        } else if self.answers.iter().any(|answer| answer.result.is_lost()) {
            PurgeState::Dead
        } else {
            PurgeState::Done
        };
        PurgeRecord {
            id,
            asked: self.asked,
            ended: self.last.filter(|_| state != PurgeState::Waiting),
            targets: vec![self.target.clone()],
            found: Vec::new(),
            causes: self.causes.to_vec(),
            asks: self.causes.count().max(1),
            state,
            answers: self.answers.clone(),
            replay_of: None,
            error: None,
        }
    }
}

/// The purges that an entry of a queue, or a request, is for. Mostly there is one, which takes no allocation.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    list: List,
    /// So many of them were there when the request left.
    sent: u32,
}

#[derive(Debug, Clone, Default)]
enum List {
    #[default]
    None,
    One([Record; 1]),
    #[expect(clippy::box_collection, reason = "a million entries have none")]
    Several(Box<Vec<Record>>),
}

/// A storm of one URL, of which a node does not answer, must not take memory without end.
const MOST: usize = 32;

impl Records {
    pub(super) fn of(records: &[Record]) -> Self {
        let mut new = Self::default();
        new.extend(records);
        new
    }

    pub(super) fn as_slice(&self) -> &[Record] {
        match &self.list {
            List::None => &[],
            List::One(one) => one,
            List::Several(several) => several,
        }
    }

    pub(super) fn extend(&mut self, records: &[Record]) {
        for record in records {
            let is_known = |known: &Record| known.is(record);
            if self.as_slice().iter().any(is_known) {
                continue;
            }
            let record = record.clone();
            self.list = match mem::take(&mut self.list) {
                List::None => List::One([record]),
                List::One([first]) => List::Several(Box::new(vec![first, record])),
                List::Several(mut several) => {
                    let sent = self.sent as usize;
                    if several.len() >= MOST && several.len() > sent {
                        // The first and the newest learn the answer.
                        several.remove(sent.max(1).min(several.len() - 1));
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
        self.sent = u32::try_from(self.as_slice().len()).unwrap_or(u32::MAX);
        self.clone()
    }

    /// The request was answered, and the next one is for what was asked for meanwhile.
    pub(super) fn answered(&mut self) {
        let later = self
            .as_slice()
            .get(self.sent as usize..)
            .unwrap_or_default();
        *self = Self::of(later);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(count: usize) -> Vec<Record> {
        let history = History::new(count);
        let target = Target::host();
        let begin = |_| history.begin(&target, Instant::now(), Causes::default());
        (0..count).filter_map(begin).collect()
    }

    fn ids(records: &Records) -> Vec<i64> {
        let records = records.as_slice().iter();
        records.map(|record| record.id).collect()
    }

    #[test]
    fn what_is_asked_for_while_a_request_is_in_flight_is_for_the_next_one() {
        let all = records(3);
        let mut of = Records::of(&all[..1]);
        of.extend(&all[..1]);
        let sent = of.leave();
        of.extend(&all[1..]);
        assert_eq!((ids(&sent), ids(&of)), (vec![1], vec![1, 2, 3]));
        of.answered();
        assert_eq!(ids(&of), [2, 3]);
        assert_eq!(ids(&of.leave()), [2, 3]);
        of.answered();
        assert!(ids(&of).is_empty());
    }

    #[test]
    fn a_storm_of_one_target_keeps_the_first_and_the_newest() {
        let all = records(100);
        let mut of = Records::of(&all[..40]);
        assert_eq!(of.as_slice().len(), MOST);
        assert_eq!(ids(&of)[..2], [1, 10]);
        of.leave();
        of.extend(&all[40..]);
        // What has left learns the answer.
        assert_eq!(ids(&of)[..2], [1, 10]);
        of.answered();
        assert_eq!(ids(&of).last(), Some(&100));
        assert!(of.as_slice().len() <= MOST);
    }

    #[test]
    fn what_newer_purges_have_pushed_out_takes_no_answers() {
        let history = History::new(2);
        let target = Target::host();
        let begin = || history.begin(&target, Instant::now(), Causes::default());
        let first = begin().unwrap();
        let second = begin().unwrap();
        begin();
        for record in [&first, &second] {
            let answer = NodeAnswer::of(&"a".into(), &"b".into(), AnswerKind::Purged);
            let mut state = history.state.lock();
            state.answered(record.id, &target, Instant::now(), answer);
        }
        let found = history.find(&Filter::new());
        let found: Vec<_> = found
            .iter()
            .map(|purge| (purge.id, purge.answers.len()))
            .collect();
        assert_eq!(found, [(3, 0), (2, 1)]);
    }
}
