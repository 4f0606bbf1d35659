//! Dead purges, where no database keeps them: the newest, for as long as the program runs.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::ending::Ending;
use crate::outbox::payload;
use crate::outcome::Outcome;
use crate::relay::DeadPurge;
use crate::target::Target;

/// So many are kept.
const KEPT: usize = 1000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Dead(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last_id: i64,
    purges: VecDeque<(Target, DeadPurge, Instant)>,
}

impl Dead {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a purge that ended so, if it did.
    pub(super) fn note(&self, ending: &Ending<'_>) {
        let error = match &ending.outcome {
            Outcome::Dead(failure) => failure.to_string(),
            Outcome::Refused(refusal) => refusal.to_string(),
            _ => return,
        };
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        if state.purges.len() >= KEPT {
            state.purges.pop_front();
        }
        let purge = DeadPurge {
            id,
            cache: ending.node.cache.to_string(),
            node: ending.node.name.to_string(),
            target: payload::encode_target(&ending.job.target),
            attempts: ending.job.attempts,
            age: ending.now.saturating_duration_since(ending.job.asked),
            error,
        };
        state
            .purges
            .push_back((ending.job.target.clone(), purge, Instant::now()));
    }

    pub(super) fn list(&self, limit: usize) -> Vec<DeadPurge> {
        let state = self.lock();
        let purges = state.purges.iter().take(limit);
        let purges = purges.map(|(_, purge, since)| DeadPurge {
            age: purge.age + since.elapsed(),
            ..purge.clone()
        });
        purges.collect()
    }

    /// Takes out those with these ids, or all.
    pub(super) fn take(&self, ids: Option<&[i64]>) -> Vec<Target> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        state.purges.retain(|(target, purge, _)| {
            let is_meant = ids.is_none_or(|ids| ids.contains(&purge.id));
            if is_meant {
                taken.push(target.clone());
            }
            !is_meant
        });
        taken
    }
}
