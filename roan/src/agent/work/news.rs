//! What has become of the purges of messages.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Emptying, Work, unix_ms};
use crate::agent::held::Purge;
use crate::base::created::Created;
use crate::base::history::Asking;
use crate::base::log::loudly_at_times;
use crate::base::outcome::Outcome;
use crate::dispatcher::tickets::{Deferred, News, Notes, Row, What, Why};
use crate::fleet::heartbeat::LastAnswer;

/// Between two looks for room at the nodes.
pub(super) const ROOM_AGAIN: Duration = Duration::from_millis(10);

/// What has failed at a node that is down waits for so long at most. Whatever is due shows whether the node is back, and it gets one
/// at a time.
const PROBE_AGAIN: Duration = Duration::from_secs(2);

impl Work {
    /// Takes what the nodes have answered. Whether some has come.
    pub(super) fn take_news(&mut self, now: Instant) {
        for (cache, node) in self.engine.tickets.take_back() {
            self.held.back(&(cache, node));
        }
        for News { row, what, .. } in self.engine.tickets.take_news() {
            let (Row::Purge(id) | Row::Delivery { purge: id, .. }) = row;
            if let Some((_, became)) = (self.emptying.as_mut()).filter(|(number, _)| *number == id)
            {
                match what {
                    What::Deferred(deferred) => *became = Emptying::Failed(reason(&deferred.why)),
                    What::Over { .. } if *became == Emptying::Underway => *became = Emptying::Done,
                    What::Over { .. } => {}
                }
                continue;
            }
            match what {
                What::Deferred(deferred) => self.defer(id, deferred, now),
                What::Over { notes, .. } => {
                    if let Some(notes) = notes {
                        self.note(&notes);
                    }
                    self.part_is_over(id);
                }
            }
        }
    }

    fn note(&mut self, notes: &Notes) {
        self.notes = true;
        let (Some(answer), Some(target)) = (notes.answers.last(), notes.targets.first()) else {
            return;
        };
        self.last_answer = Some(LastAnswer {
            at: unix_ms(),
            outcome: answer.result.to_string(),
            target: target.to_string(),
        });
    }

    /// A node has not answered, or never will.
    fn defer(&mut self, id: i64, deferred: Deferred, now: Instant) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let Deferred {
            node,
            target,
            onward,
            why,
            attempts,
        } = deferred;
        let about = match &node {
            Some((cache, node)) => format!("{} at {cache} {node}", target.shown()),
            None => target.shown().to_string(),
        };
        let purge = Purge {
            message: id,
            target,
            onward,
            attempts,
        };
        match (node, why) {
            (Some(place), Why::Unsent) => self.held.unsent(place, purge),
            (Some(place), Why::Failed(failure, pause)) => {
                let room = self.engine.room_at((&place.0, &place.1));
                let is_down = room.is_none_or(|room| room.is_down);
                // While the node is down, its failures say nothing of the target.
                if !is_down && open.since.elapsed() >= self.policy.max_age {
                    let dead = Outcome::Dead(failure);
                    open.given_up.get_or_insert(format!("{about}: {dead}"));
                    let place = (&*place.0, &*place.1);
                    self.engine.end_dead(place, &purge.target, dead, attempts);
                    return;
                }
                let longest = if is_down { PROBE_AGAIN } else { Duration::MAX };
                let pause = self.backoff.after(attempts).min(longest).max(pause);
                self.held.failed(place, purge, now + pause);
            }
            (None, why) | (_, why @ Why::Refused(_)) => {
                let error = reason(&why);
                self.last_answer = Some(LastAnswer {
                    at: unix_ms(),
                    outcome: error.clone(),
                    target: purge.target.to_string(),
                });
                open.given_up.get_or_insert(format!("{about}: {error}"));
                return;
            }
        }
        open.parts += 1;
    }

    /// One ticket of a message is done.
    pub(super) fn part_is_over(&mut self, id: i64) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        open.parts -= 1;
        if open.parts > 0 {
            return;
        }
        let (number, given_up) = (open.number, open.given_up.clone());
        // An answer that does not show what was purged may come from the app or another server.
        match given_up.or_else(|| self.doubt_of_nodes()) {
            None => self.acknowledge(id),
            // Not before the servers know that the cache is unclean.
            Some(why) => self.give_up(id, number, why),
        }
    }

    /// Acknowledges a message.
    pub(super) fn acknowledge(&mut self, id: i64) {
        if let Some(open) = self.open.remove(&id) {
            self.numbers.remove(&open.number);
            self.position.acknowledged_one(open.number);
            self.done.push(open.acker);
        }
    }

    fn give_up(&mut self, id: i64, number: u64, why: String) {
        let count = self.shared.given_up.fetch_add(1, Ordering::Relaxed) + 1;
        let (node, cure) = (&self.agent.node, self.cure());
        loudly_at_times(
            count,
            format_args!(
                "the agent of {node} gives up message {number} ({count} since its start), so its cache may have stale pages until it \
                 is emptied: {why}: {cure}"
            ),
            || tracing::error!(target: "roan", node, number, why, "a message is given up"),
        );
        self.unclean.get_or_insert(why);
        self.given_up.push(id);
        self.look_at = Instant::now();
    }

    /// Hands over what waits for its next attempt, as far as the nodes have room.
    pub(super) fn hand_over_held(&mut self, now: Instant) {
        // What finds no room comes back at once, and must not be asked for all the time.
        if !self.held.wants_room(now) || now < self.held_at + ROOM_AGAIN {
            return;
        }
        self.held_at = now;
        for place in self.held.places() {
            let (cache, node) = (&*place.0, &*place.1);
            let Some(room) = self.engine.room_at((cache, node)) else {
                continue;
            };
            // Of a node that is down one, to see whether it is back.
            let failed = if room.is_down && room.new > 0 && self.held.has_unsent(&place) {
                0
            } else {
                room.failed
            };
            for purge in self.held.take(&place, (room.new, failed), now) {
                let Purge {
                    message,
                    target,
                    onward,
                    attempts,
                } = purge;
                let row = Row::Delivery {
                    id: 0,
                    purge: message,
                };
                let asked = self.open.get(&message).map_or(now, |open| open.since);
                // An attempt after the first may be the last answer for long.
                let notes = std::mem::take(&mut self.notes)
                    .then(|| Notes::new(vec![target.clone()], String::new()));
                let tickets = &self.engine.tickets;
                let ticket = tickets.open_noting(row, Created::now(), None, notes);
                let asking = Asking::of(asked, &[]);
                let what = (&target, &onward);
                // The nodes of a dispatcher do not change.
                let _ =
                    (self.engine).accept_at((cache, node), what, asking, (ticket, attempts), now);
                self.engine.tickets.handed_over(ticket);
            }
        }
        Arc::clone(&self.engine).handed_over();
    }
}

pub(super) fn reason(why: &Why) -> String {
    match why {
        Why::Unsent => "not sent, since the node is down".to_owned(),
        Why::Failed(failure, _) => Outcome::Failed(failure.clone()).to_string(),
        Why::Refused(refusal) => Outcome::Refused(refusal.clone()).to_string(),
    }
}
