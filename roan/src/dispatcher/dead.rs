//! Dead purges in memory, without a database: the newest, while the program runs.

use std::collections::VecDeque;
use std::time::Instant;

use super::report::Ended;
use crate::base::lock::Mutex;
use crate::base::outcome::Outcome;
use crate::base::target::Target;
use crate::base::target_json;
use crate::outbox::{DeadPurge, Filter};

/// The number of purges that are kept.
const KEPT: usize = 1000;

/// The newest dead purges.
#[derive(Debug, Default)]
pub(crate) struct Dead(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last_id: i64,
    purges: VecDeque<(Target, DeadPurge, Instant)>,
}

impl Dead {
    /// Keeps the purge of a report, if it is dead.
    pub(super) fn note(&self, ended: &Ended<'_>) {
        let error = match &ended.outcome {
            Outcome::Dead(failure) => failure.to_string(),
            Outcome::Refused(refusal) => refusal.to_string(),
            _ => return,
        };
        let mut state = self.0.lock();
        state.last_id += 1;
        let id = state.last_id;
        if state.purges.len() >= KEPT {
            state.purges.pop_front();
        }
        let purge = DeadPurge {
            id,
            cache: ended.node.cache.to_string(),
            node: ended.node.name.to_string(),
            target: target_json::encode_target(&ended.job.target),
            attempts: ended.job.attempts,
            age: ended.now.saturating_duration_since(ended.job.asked),
            error,
        };
        state
            .purges
            .push_back((ended.job.target.clone(), purge, Instant::now()));
    }

    /// The purges that the filter picks.
    pub(crate) fn list(&self, filter: &Filter) -> Vec<DeadPurge> {
        let state = self.0.lock();
        let purges = state.purges.iter();
        let purges = purges.map(|(_, purge, since)| DeadPurge {
            age: purge.age + since.elapsed(),
            ..purge.clone()
        });
        let mut purges: Vec<_> = purges.filter(|purge| filter.picks(purge)).collect();
        if filter.newest_first {
            purges.reverse();
        }
        purges.truncate(filter.page());
        purges
    }

    /// Removes the purges that the filter picks.
    pub(crate) fn take(&self, filter: &Filter) -> Vec<Target> {
        let mut state = self.0.lock();
        let mut taken = Vec::new();
        state.purges.retain(|(target, purge, since)| {
            let purge = DeadPurge {
                age: purge.age + since.elapsed(),
                ..purge.clone()
            };
            let is_meant = taken.len() < filter.most() && filter.picks(&purge);
            if is_meant {
                taken.push(target.clone());
            }
            !is_meant
        });
        taken
    }
}
