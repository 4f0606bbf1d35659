//! Records the dispatcher's answers in the tables.

use std::collections::{HashMap, HashSet};

use super::Relay;
use crate::base::created::milliseconds;
use crate::base::log::loudly;
use crate::base::outcome::{Failure, Outcome};
use crate::base::target::Target;
use crate::base::target_json;
use crate::dispatcher::LONGEST_RETRY_AFTER;
use crate::dispatcher::tickets::{Deferred, News, Notes, Row, Unread, What, Why};
use crate::outbox::history;
use crate::outbox::store::{Ended, Expired, NewDelivery, Store};
use crate::outbox::stored_target::{self, Unreadable};

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
        match self.write(store, &news).await {
            Err(error) if Store::refuses_a_value(&error) => self.write_each(store, news).await,
            Err(error) => {
                self.engine.tickets.put_back(news);
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Writes down what is new of one row after the other. A row of which the database takes nothing is dead.
    async fn write_each(&mut self, store: &mut Store, news: Vec<News>) -> Result<(), sqlx::Error> {
        store.roll_back().await?;
        let mut of_rows: HashMap<Row, Vec<News>> = HashMap::new();
        for one in news {
            of_rows.entry(one.row).or_default().push(one);
        }
        while let Some(row) = of_rows.keys().next().copied() {
            let news = of_rows.remove(&row).unwrap_or_default();
            let error = match self.write(store, &news).await {
                Ok(()) => continue,
                Err(error) => error,
            };
            if !Store::refuses_a_value(&error) {
                let rest = of_rows.into_values().flatten().chain(news).collect();
                self.engine.tickets.put_back(rest);
                return Err(error);
            }
            store.roll_back().await?;
            let why = format!("what became of it cannot be written down: {error}");
            let mut dead = Ended::default();
            match row {
                Row::Purge(id) => {
                    loudly(format_args!("row {id} of the outbox is dead: {why}"));
                    dead.dead.push((id, why));
                }
                Row::Delivery { id, .. } => {
                    loudly(format_args!("delivery {id} of the outbox is dead: {why}"));
                    dead.dead_deliveries.push((id, why));
                }
            }
            store.finish(&dead, self.knowledge).await?;
        }
        Ok(())
    }

    async fn write(&mut self, store: &mut Store, news: &[News]) -> Result<(), sqlx::Error> {
        let (ended, given_up) = self.ended(news);
        if ended.is_empty() {
            return Ok(());
        }
        store.finish(&ended, self.knowledge).await?;
        for given in given_up {
            let place = (&*given.cache, &*given.node);
            let outcome = Outcome::Dead(given.failure);
            self.engine
                .end_dead(place, &given.target, outcome, given.attempts);
        }
        Ok(())
    }

    fn ended(&mut self, news: &[News]) -> (Ended, Vec<Given>) {
        let mut ended = Ended {
            left_due_in_ms: milliseconds(self.backoff.cap.min(LONGEST_RETRY_AFTER)),
            ..Ended::default()
        };
        let mut given_up = Vec::new();
        // A target that is deferred twice for one node is one delivery.
        let mut known = HashSet::new();
        for News { row, created, what } in news {
            if let What::Over {
                notes: Some(notes), ..
            } = what
            {
                ended.note(*row, notes);
            }
            let deferred = match (what, *row) {
                (What::Deferred(deferred), _) => deferred,
                (
                    What::Over {
                        deferred, unread, ..
                    },
                    Row::Purge(id),
                ) => {
                    match (unread, deferred) {
                        (Some(Unread::Invalid(error)), _) => ended.dead.push((id, error.clone())),
                        (Some(Unread::Foreign(why) | Unread::OtherRules(why)), _) => {
                            ended.left.entry(why.clone()).or_default().push(id);
                        }
                        (None, true) => ended.later.push(id),
                        (None, false) => ended.done.push(id),
                    }
                    continue;
                }
                (
                    What::Over {
                        unread: Some(unread),
                        ..
                    },
                    Row::Delivery { id, .. },
                ) => {
                    match unread {
                        Unread::Invalid(error) => ended.dead_deliveries.push((id, error.clone())),
                        // Its age alone ends it: another version of the program may come after any outage of the node.
                        Unread::Foreign(why) | Unread::OtherRules(why) => {
                            let left = &mut ended.left_deliveries;
                            left.entry(why.clone()).or_default().push(id);
                        }
                    }
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
            let due_in_ms = self.due_in(deferred, created.age_ms());
            let is_new = known.insert((node, cache, &deferred.target, &deferred.onward));
            if due_in_ms.is_some() && !is_new {
                continue;
            }
            if let (None, Why::Failed(failure, _)) = (due_in_ms, &deferred.why) {
                given_up.push(Given {
                    cache: cache.to_string(),
                    node: node.to_string(),
                    target: deferred.target.clone(),
                    failure: failure.clone(),
                    attempts: deferred.attempts,
                });
            }
            let next: Vec<_> = deferred.onward.targets(&deferred.target).collect();
            ended.new.push(NewDelivery {
                purge,
                cache: cache.to_string(),
                node: node.to_string(),
                target: stored_target::encode_delivery(&deferred.target, &next),
                created_ms: created.at_ms,
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
            Why::Failed(_, pause) => {
                let max_age = self.max_age.as_millis();
                let is_too_old = self.has_tried_long_enough()
                    && u128::try_from(age_ms).is_ok_and(|age| age >= max_age);
                let most = self.outbox.max_attempts.unwrap_or(u32::MAX);
                if is_too_old || deferred.attempts >= most {
                    return None;
                }
                let pause = self.backoff.after(deferred.attempts).max(pause);
                Some(milliseconds(pause))
            }
        }
    }

    /// Reports deliveries that became too old while they waited.
    pub(super) fn tell_expired(&self, expired: Vec<Expired>) {
        for Expired {
            cache,
            node,
            target,
            attempts,
            error,
        } in expired
        {
            let place = (&*cache, &*node);
            match stored_target::read_delivery(&target) {
                Ok((target, _)) => {
                    let error = error.strip_prefix("failed: ").unwrap_or(&error);
                    let outcome = match self.engine.cannot_ask_at(place, &target) {
                        Some(refusal) => Outcome::Refused(refusal),
                        None => Outcome::Dead(Failure::TooOld(error.to_owned())),
                    };
                    self.engine.end_dead(place, &target, outcome, attempts);
                }
                Err(Unreadable::Newer(why) | Unreadable::Invalid(why)) => loudly(format_args!(
                    "a delivery of the outbox for {cache} {node} is dead, because nobody has purged it for {:?}: {why}",
                    self.max_age
                )),
            }
        }
    }
}

impl Ended {
    /// Keeps how the nodes have answered.
    fn note(&mut self, row: Row, notes: &Notes) {
        match row {
            Row::Purge(id) => {
                let targets = notes.targets.len();
                let lines = history::answer_lines(&notes.answers, targets, None);
                let lines = [&*notes.yielded, &lines].concat();
                if !lines.is_empty() {
                    self.history.entry(lines).or_default().push(id);
                }
            }
            Row::Delivery { purge, .. } => {
                let target = notes.targets.first().map(target_json::encode_target);
                let lines = history::answer_lines(&notes.answers, 1, target.as_deref());
                if !lines.is_empty() {
                    *self.history_of_deliveries.entry(purge).or_default() += &lines;
                }
            }
        }
    }
}

fn reason(why: &Why) -> String {
    match why {
        Why::Unsent => "not sent".to_owned(),
        Why::Failed(failure, _) => Outcome::Failed(failure.clone()).to_string(),
        Why::Refused(refusal) => Outcome::Refused(refusal.clone()).to_string(),
    }
}
