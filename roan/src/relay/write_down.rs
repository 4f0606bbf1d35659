//! Records the dispatcher's answers in the tables.

use std::collections::HashSet;

use super::Relay;
use crate::base::outcome::{Failure, Outcome};
use crate::base::target::Target;
use crate::dispatcher::tickets::{Deferred, News, Row, What, Why};
use crate::outbox::payload;
use crate::outbox::store::{Ended, NewDelivery, Store};

/// A purge that was given up, for the reports.
struct Given {
    cache: String,
    node: String,
    target: Target,
    failure: Failure,
    attempts: u32,
}

impl Relay {
    /// Records all new answers.
    pub(super) async fn write_down(&mut self, store: &mut Store) -> Result<(), sqlx::Error> {
        let news = self.engine.tickets.take_news();
        let (ended, given_up) = self.ended(&news);
        if ended.is_empty() {
            return Ok(());
        }
        if let Err(error) = store.finish(&ended).await {
            self.engine.tickets.put_back(news);
            return Err(error);
        }
        for given in given_up {
            let place = (&*given.cache, &*given.node);
            self.engine
                .end_dead(place, &given.target, given.failure, given.attempts);
        }
        Ok(())
    }

    fn ended(&mut self, news: &[News]) -> (Ended, Vec<Given>) {
        let mut ended = Ended::default();
        let mut given_up = Vec::new();
        // A target that is deferred twice for one node is one delivery.
        let mut known = HashSet::new();
        for News { row, age_ms, what } in news {
            let deferred = match (what, *row) {
                (What::Deferred(deferred), _) => deferred,
                (What::Over { deferred: false }, Row::Purge(id)) => {
                    ended.done.push(id);
                    continue;
                }
                (What::Over { deferred: true }, Row::Purge(id)) => {
                    ended.later.push(id);
                    continue;
                }
                (What::Over { .. }, Row::Delivery { id, purge }) => {
                    ended.deliveries.push((id, purge));
                    continue;
                }
            };
            let purge = match *row {
                Row::Purge(id) | Row::Delivery { purge: id, .. } => id,
            };
            let Some((cache, node)) = &deferred.node else {
                let target = &deferred.target;
                ended
                    .dead
                    .push((purge, format!("{target}: {}", reason(&deferred.why))));
                continue;
            };
            let due_in_ms = self.due_in(deferred, *age_ms);
            let is_new = known.insert((node, cache, &deferred.target));
            if due_in_ms.is_some() && !is_new {
                continue;
            }
            if let (None, Why::Failed(failure)) = (due_in_ms, &deferred.why) {
                given_up.push(Given {
                    cache: cache.to_string(),
                    node: node.to_string(),
                    target: deferred.target.clone(),
                    failure: failure.clone(),
                    attempts: deferred.attempts,
                });
            }
            ended.new.push(NewDelivery {
                purge,
                cache: cache.to_string(),
                node: node.to_string(),
                target: payload::encode_target(&deferred.target),
                age_ms: *age_ms,
                attempts: deferred.attempts.into(),
                due_in_ms,
                error: match &deferred.why {
                    Why::Unsent => None,
                    why => Some(reason(why)),
                },
            });
        }
        (ended, given_up)
    }

    /// Milliseconds until the retry. `None` if the purge is dead.
    fn due_in(&mut self, deferred: &Deferred, age_ms: i64) -> Option<i64> {
        match deferred.why {
            Why::Unsent => Some(0),
            Why::Refused(_) => None,
            Why::Failed(_) => {
                let max_age = self.max_age.as_millis();
                let is_too_old = u128::try_from(age_ms).is_ok_and(|age| age >= max_age);
                let most = self.outbox.max_attempts.unwrap_or(u32::MAX);
                if is_too_old || deferred.attempts >= most {
                    return None;
                }
                let pause = self.backoff.after(deferred.attempts);
                Some(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
            }
        }
    }

    /// Reports deliveries that became too old while they waited.
    pub(super) fn tell_expired(&self, expired: Vec<(String, String, String)>) {
        for (cache, node, target) in expired {
            if let Ok(target) = payload::read_target(&target) {
                let failure = self.engine.last_failure((&cache, &node));
                self.engine.end_dead((&cache, &node), &target, failure, 0);
            }
        }
    }
}

fn reason(why: &Why) -> String {
    match why {
        Why::Unsent => "not sent".to_owned(),
        Why::Failed(failure) => Outcome::Failed(failure.clone()).to_string(),
        Why::Refused(refusal) => Outcome::Refused(refusal.clone()).to_string(),
    }
}
