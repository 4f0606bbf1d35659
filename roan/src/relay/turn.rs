//! One turn of the relay: what is due, in the order in which it matters.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::schedule::Look;
use super::{Relay, rows};
use crate::announce::loudly;
use crate::dispatcher::tickets::{Row, Ticket};
use crate::outbox::Backlog;
use crate::outbox::payload::{self, Payload};
use crate::outbox::store::{Ended, Store, TakenPurge};
use crate::target::Target;

type Result<T> = std::result::Result<T, sqlx::Error>;

/// Rows are taken so many at a time.
pub(super) const BATCH: usize = 1000;

/// As many at one look: writes come thick and fast, and the next ones are taken together.
const MANY: usize = 8;

impl Relay {
    pub(super) async fn turn(&mut self, store: &mut Store) -> Result<()> {
        let now = Instant::now();
        if self.link.take_poked() {
            self.schedule.poke(now);
        }
        // Until the look that this write is told of has begun, others need not wake the relay.
        if !self.expects && self.link.is_expected() {
            self.expects = true;
            self.schedule.expect(now);
        }
        let wanted = self.link.wanted_look();
        if wanted.is_some() {
            self.hurry_all(now);
        }
        self.back.extend(self.engine.tickets.take_back());
        if self.schedule.is_due(Look::Purges, now) {
            self.take_purges(store).await?;
        }
        if self.schedule.is_due(Look::Deliveries, now) || !self.back.is_empty() {
            self.take_deliveries(store).await?;
        }
        if self.schedule.is_due(Look::Write, now) && self.engine.tickets.has_news() {
            self.write_down(store).await?;
            self.schedule.looked(Look::Write, false, Instant::now());
        }
        for request in self.link.take_requests() {
            request.serve(store).await?;
            self.hurry_all(now);
        }
        if let Some(number) = wanted {
            let (purges, deliveries) = store.backlog(BATCH).await?;
            self.link.looked(number, purges + deliveries);
            self.engine.wake();
        }
        self.keep_house(store).await
    }

    /// Rows may wait anywhere.
    fn hurry_all(&mut self, now: Instant) {
        self.schedule.hurry(Look::Purges, now);
        self.schedule.hurry(Look::Deliveries, now);
    }

    /// As many answers as may be outstanding besides those that are.
    fn room(&self) -> usize {
        self.window
            .saturating_sub(self.engine.tickets.outstanding())
    }

    async fn beat_if_due(&mut self, store: &mut Store) -> Result<()> {
        let now = Instant::now();
        if self.schedule.is_due(Look::Beat, now) {
            store.beat().await?;
            self.schedule.looked(Look::Beat, false, now);
        }
        Ok(())
    }

    pub(super) fn holds_rows(&self) -> bool {
        self.engine.tickets.outstanding() > 0 || self.engine.tickets.has_news()
    }

    async fn take_purges(&mut self, store: &mut Store) -> Result<()> {
        if std::mem::take(&mut self.expects) {
            self.link.forget_expected();
        }
        let room = self.room();
        if room < (BATCH / 4).min(self.window) {
            // Not for a handful; answers will make room.
            self.schedule.expect(Instant::now());
            return Ok(());
        }
        let limit = room.min(self.batch);
        let mut taken = Vec::new();
        if self.more_purges || self.many_purges || store.is_purge_waiting().await? {
            self.beat_if_due(store).await?;
            taken = store.take_purges(limit).await?;
        }
        self.more_purges = taken.len() == limit;
        self.many_purges = taken.len() >= MANY;
        let more = self.more_purges;
        let mut dead = Vec::new();
        let mut handed_over = 0;
        for purge in &taken {
            if self.room() == 0 {
                break;
            }
            self.hand_over(purge, &mut dead);
            handed_over += 1;
        }
        self.engine.pump_all();
        if handed_over < taken.len() {
            // A row of a trigger may hold hundreds of targets. The rest waits again.
            self.batch = handed_over.max(1);
            let given_back: Vec<_> = taken[handed_over..].iter().map(|taken| taken.id).collect();
            store.release_purges(&given_back).await?;
        } else {
            self.batch = (2 * self.batch).min(BATCH);
        }
        self.schedule.looked(Look::Purges, more, Instant::now());
        if self.many_purges && !more {
            self.schedule.gather(Instant::now());
        }
        if dead.is_empty() {
            return Ok(());
        }
        for (id, error) in &dead {
            loudly(format_args!("row {id} of the outbox is dead: {error}"));
        }
        let ended = Ended {
            dead,
            ..Ended::default()
        };
        store.finish(&ended).await
    }

    fn hand_over(&self, purge: &TakenPurge, dead: &mut Vec<(i64, String)>) {
        let targets = match payload::decode(&purge.payload) {
            Ok(Payload::Targets(targets)) => targets,
            Ok(Payload::Rows(rows)) => {
                let yielded = rows::targets(&rows);
                for error in &yielded.refused {
                    self.engine.invalid(error);
                }
                if let Some(error) = yielded.error {
                    dead.push((purge.id, error));
                    // The rest of it is purged all the same; the dead row keeps it until then.
                    return self.accept(purge, &yielded.targets, None);
                }
                yielded.targets
            }
            Err(error) => return dead.push((purge.id, error)),
        };
        let tickets = &self.engine.tickets;
        let ticket = tickets.open(Row::Purge(purge.id), purge.age_ms);
        self.accept(purge, &targets, Some(ticket));
        tickets.done(ticket);
    }

    fn accept(&self, purge: &TakenPurge, targets: &[Target], ticket: Option<Ticket>) {
        let now = Instant::now();
        let asked = since(purge.age_ms, now);
        for target in targets {
            self.engine.accept(target, asked, ticket, now);
        }
    }

    async fn take_deliveries(&mut self, store: &mut Store) -> Result<()> {
        let mut more = false;
        for (cache, node) in store.waiting_nodes().await? {
            let is_back = |known: &(Arc<str>, Arc<str>)| *known.0 == *cache && *known.1 == *node;
            let has_come_back = self.back.iter().any(is_back);
            let limit = match self.engine.is_down((&cache, &node)) {
                None => {
                    let count = store.end_deliveries(&cache, &node).await?;
                    loudly(format_args!(
                        "{count} purges waited for {cache} {node}, which is not configured any more: they are ended"
                    ));
                    continue;
                }
                // One, to see whether it is back.
                Some(true) => usize::from(!self.engine.is_busy((&cache, &node))),
                Some(false) => self.room().min(BATCH),
            };
            if limit == 0 {
                continue;
            }
            self.beat_if_due(store).await?;
            let is_due_only = !has_come_back && self.engine.is_down((&cache, &node)) == Some(false);
            let cap = i64::try_from(self.backoff.cap.as_millis()).unwrap_or(i64::MAX);
            let taken = store
                .take_deliveries((&cache, &node), is_due_only.then_some(cap), limit)
                .await?;
            if taken.len() == limit && limit > 1 {
                more = true;
            } else {
                self.back.retain(|known| !is_back(known));
            }
            let now = Instant::now();
            for delivery in taken {
                let row = Row::Delivery {
                    id: delivery.id,
                    purge: delivery.purge,
                };
                let ticket = self.engine.tickets.open(row, delivery.age_ms);
                match payload::read_target(&delivery.target) {
                    Ok(target) => {
                        let attempts = u32::try_from(delivery.attempts).unwrap_or(u32::MAX);
                        let asked = since(delivery.age_ms, now);
                        let place = (&*cache, &*node);
                        self.engine
                            .accept_at(place, &target, asked, (ticket, attempts), now);
                    }
                    Err(error) => loudly(format_args!(
                        "delivery {} of the outbox cannot be read and is ended: {error}",
                        delivery.id
                    )),
                }
                self.engine.tickets.done(ticket);
            }
        }
        if !more {
            self.back.clear();
        }
        self.engine.pump_all();
        self.schedule.looked(Look::Deliveries, more, Instant::now());
        Ok(())
    }

    /// What need not be done soon.
    async fn keep_house(&mut self, store: &mut Store) -> Result<()> {
        let now = Instant::now();
        if self.holds_rows() {
            self.beat_if_due(store).await?;
        }
        if self.schedule.is_due(Look::Others, now) {
            let others = store.others().await?;
            for relay in self.watch.look(&others, self.outbox.lease, now) {
                store.release(relay).await?;
                tracing::warn!(target: "roan", relay, "took over from a relay that gave no sign of life");
                self.hurry_all(now);
            }
            self.schedule.looked(Look::Others, false, now);
        }
        if self.schedule.is_due(Look::Counting, now) {
            self.watch_backlog(store).await?;
            self.schedule.looked(Look::Counting, false, now);
        }
        if self.schedule.is_due(Look::Cleaning, now) {
            self.give_back_strangers(store).await?;
            let more = store.clean_up(milliseconds(self.outbox.retention)).await?;
            let expired = store.expire(milliseconds(self.max_age)).await?;
            let is_more_to_expire = expired.len() >= BATCH;
            self.tell_expired(expired);
            self.schedule
                .looked(Look::Cleaning, more || is_more_to_expire, Instant::now());
        }
        Ok(())
    }

    async fn watch_backlog(&mut self, store: &mut Store) -> Result<()> {
        let Some((threshold, alarm)) = &self.outbox.alarm else {
            return Ok(());
        };
        let limit = usize::try_from(threshold.saturating_add(1)).unwrap_or(usize::MAX);
        let (purges, deliveries) = store.backlog(limit.min(1_000_000_000)).await?;
        let over = purges + deliveries > *threshold;
        if over == self.alarmed {
            return Ok(());
        }
        self.alarmed = over;
        if over {
            tracing::error!(target: "roan", purges, deliveries, threshold, "the outbox's backlog is over the threshold");
        } else {
            tracing::info!(target: "roan", purges, deliveries, threshold, "the outbox's backlog is below the threshold again");
        }
        alarm(Backlog {
            over,
            purges,
            deliveries,
        });
        Ok(())
    }
}

/// The time that was so long ago.
fn since(age_ms: i64, now: Instant) -> Instant {
    // A clock that was set back makes an age negative.
    let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
    now.checked_sub(age).unwrap_or(now)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
