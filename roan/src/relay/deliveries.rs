//! Deliveries: purges that a node has not answered yet.

use std::sync::Arc;
use std::time::Instant;

use super::schedule::Look;
use super::{BATCH, Relay, Result, since};
use crate::base::counted::counted;
use crate::base::history::Asking;
use crate::base::log::loudly;
use crate::dispatcher::tickets::{Notes, Row, Unread};
use crate::dispatcher::{LONGEST_RETRY_AFTER, Onward};
use crate::outbox::store::{Nodes, Store, Which};
use crate::outbox::stored_target::{self, Unreadable};

/// Failed deliveries are taken before the next look when there is room for so many.
const MANY_FAILED: usize = 128;

/// A node that more deliveries wait for than it had room for.
#[derive(Debug)]
pub(super) struct TakeMore {
    place: (String, String),
    /// Whether they are new ones, or such that have failed.
    new: bool,
    failed: bool,
}

/// What a look for deliveries has found.
#[derive(Debug, Default)]
struct Found {
    /// Those that a node is asked for.
    handed_over: usize,
    /// More may wait: there were as many as there was room for, or this program could read none of them.
    more: bool,
}

impl Relay {
    pub(super) async fn take_deliveries(&mut self, store: &mut Store) -> Result<()> {
        let mut more = false;
        self.take_more.clear();
        let Nodes {
            waiting, paused, ..
        } = self.look_at_nodes(store).await?;
        self.unknown.retain(|place, _| waiting.contains(place));
        for (cache, node) in waiting {
            let is_it = |(known, name, _): &(String, String, _)| *known == cache && *name == node;
            if paused.iter().any(is_it) {
                self.unknown.remove(&(cache, node));
                continue;
            }
            let place = (&*cache, &*node);
            let Some(room) = self.engine.room_at(place) else {
                if !self.is_gone(&cache, &node) {
                    continue;
                }
                let count = store.end_deliveries(&cache, &node).await?;
                loudly(format_args!(
                    "{} ended that waited for {cache} {node}, which is not configured any more",
                    counted(count, "purge")
                ));
                continue;
            };
            let is_back = |known: &(Arc<str>, Arc<str>)| *known.0 == *cache && *known.1 == *node;
            // What has failed waits until it is due, unless the node was down and is back.
            let has_come_back = self.back.iter().any(is_back);
            let due_within = (!has_come_back).then(|| self.backoff.cap.max(LONGEST_RETRY_AFTER));
            let new = self.take_for(store, place, Which::New, room.new).await?;
            // Of a node that is down one, to see whether it is back: best one that has not failed before.
            let room_for_failed = if room.is_down && new.handed_over > 0 {
                0
            } else {
                room.failed
            };
            let failed = Which::Failed {
                due_within,
                knowledge: self.knowledge,
            };
            let failed = self.take_for(store, place, failed, room_for_failed).await?;
            let waits_for_room = !room.is_down && room.new < BATCH && (new.more || room.new == 0);
            more |= new.more && !waits_for_room;
            let failed_wait = failed.more || room.is_down && new.handed_over > 0;
            if (!new.more || waits_for_room) && !failed.more {
                self.back.retain(|known| !is_back(known));
            }
            if waits_for_room || failed_wait {
                self.take_more.push(TakeMore {
                    place: (cache, node),
                    new: waits_for_room,
                    failed: failed_wait,
                });
            }
        }
        if !more {
            let take_more = &self.take_more;
            self.back.retain(|(back_cache, back_node)| {
                let is_back = |TakeMore { place, failed, .. }: &TakeMore| {
                    *failed && **back_cache == *place.0 && **back_node == *place.1
                };
                take_more.iter().any(is_back)
            });
        }
        self.engine.handed_over();
        self.schedule.looked(Look::Deliveries, more, Instant::now());
        Ok(())
    }

    /// Takes deliveries to one node, and hands them over.
    async fn take_for(
        &mut self,
        store: &mut Store,
        place: (&str, &str),
        which: Which,
        room: usize,
    ) -> Result<Found> {
        let limit = room.min(BATCH);
        if limit == 0 {
            return Ok(Found::default());
        }
        self.beat_if_due(store).await?;
        let taken = store.take_deliveries(place, which, limit).await?;
        let count = taken.len();
        let mut handed_over = 0;
        let now = Instant::now();
        for delivery in taken {
            let row = Row::Delivery {
                id: delivery.id,
                purge: delivery.purge,
            };
            let text = delivery.target.map_err(Unreadable::Invalid);
            let read = text.and_then(|text| stored_target::read_delivery(&text));
            let unread = match &read {
                Ok((target, _)) => {
                    let refusal = self.engine.cannot_ask_at(place, target);
                    refusal.map(|refusal| Unread::Foreign(refusal.to_string()))
                }
                Err(Unreadable::Newer(why)) => Some(Unread::Foreign(why.clone())),
                Err(Unreadable::Invalid(error)) => Some(Unread::Invalid(error.clone())),
            };
            self.tell_unread_delivery(delivery.id, unread.as_ref());
            let is_unread = unread.is_some();
            let notes = match &read {
                Ok((target, _)) if self.outbox.history && !is_unread => {
                    Some(Notes::new(vec![target.clone()], String::new()))
                }
                _ => None,
            };
            let tickets = &self.engine.tickets;
            let created = delivery.created;
            let ticket = tickets.open_noting(row, created, unread, notes);
            #[cfg(feature = "nats")]
            self.identify(ticket, delivery.purge, created);
            if let (Ok((target, next)), false) = (read, is_unread) {
                handed_over += 1;
                let onward = Onward::from_targets(&target, next);
                let attempts = u32::try_from(delivery.attempts).unwrap_or(u32::MAX);
                let asked = since(created.age_ms(), now);
                let asking = Asking::of(asked, &[]);
                self.engine
                    .accept_at(place, (&target, &onward), asking, (ticket, attempts), now);
            }
            self.engine.tickets.handed_over(ticket);
        }
        Ok(Found {
            handed_over,
            more: count == limit && limit > 1 || count > 0 && handed_over == 0,
        })
    }

    /// Whether a node that more deliveries wait for has room for many of them, or for a probe.
    pub(super) fn can_take_more(&self) -> bool {
        let many_new = self.least.div_ceil(2);
        self.take_more
            .iter()
            .any(|TakeMore { place, new, failed }| {
                let room = self.engine.room_at((&place.0, &place.1));
                room.is_none_or(|room| {
                    *new && (room.new >= many_new || room.is_down)
                        || *failed && (room.failed >= MANY_FAILED || room.is_down && room.new > 0)
                })
            })
    }

    /// Whether answers alone make room for deliveries that wait: most of them are not news.
    pub(super) fn waits_for_room(&self) -> bool {
        self.take_more.iter().any(|node| node.new)
    }
}
