//! Takes messages, and has their targets purged.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use async_nats::jetstream::consumer::pull::Batch;
use async_nats::jetstream::{AckKind, Message};
use futures_util::{FutureExt, StreamExt};

use super::look::{Looked, Looking};
use super::news::ROOM_AGAIN;
use super::{Next, Open, Work};
use crate::agent::intake::Intake;
use crate::agent::link::{ACK_WAIT, Trouble, pull};
use crate::agent::proof::Asked;
use crate::agent::shared::AgentPhase;
use crate::base::counted::counted;
use crate::base::created::Created;
use crate::base::history::Asking;
use crate::base::log::{emit, loudly, loudly_at_times, warn_loudly};
use crate::dispatcher::tickets::{Notes, Row};
use crate::fleet::heartbeat::EVERY;
use crate::purger::Doubt;

/// The most messages of one request.
const BATCH: usize = 512;

/// The agent says this often that a message is in progress.
const TOUCH: Duration = Duration::from_secs(ACK_WAIT.as_secs() / 3);

/// After a request for messages that failed, the next one waits so long.
const PULL_AGAIN: Duration = Duration::from_millis(500);

/// So many purges are held for nodes that are down. More messages are not taken, or the cache is emptied in place of purging
/// all of them.
const MOST_HELD: usize = 10_000;

/// After messages were acknowledged, the agent says so at most this often: `roan fleet wait` waits for it.
const SAY_AGAIN: Duration = Duration::from_secs(1);

/// A request for messages was not answered if nothing has come so long after it should have ended.
const LATE: Duration = Duration::from_secs(2);

/// What is on its way while the agent consumes.
pub(super) struct Underway {
    batch: Option<Batch>,
    /// When it was asked for, until when it must be answered, and whether a message has come.
    pulled: Instant,
    late_at: Instant,
    has_come: bool,
    pull_at: Instant,
    pub(super) looking: Option<Looking>,
    pub(super) failed_looks: u32,
    pub(super) failed_beats: u32,
    /// When the last heartbeat began its way, up to which message it says that all is acknowledged, and what the servers
    /// have of that.
    pub(super) said_at: Instant,
    pub(super) saying_floor: u64,
    pub(super) said_floor: u64,
    /// A message that the stream has and the consumer has not delivered, and since when that is known.
    pub(super) awaited: Option<(u64, Instant)>,
    /// The messages that the heartbeat on its way says to be given up.
    pub(super) said: Vec<i64>,
    touch_at: Instant,
    /// When to check what nothing shows.
    check_at: Instant,
    pub(super) connected: bool,
}

impl Work {
    /// Consumes until the cache must be emptied, or the servers do not know the consumer any more.
    pub(super) async fn consume(&mut self) -> Result<Next, Trouble> {
        self.shared.ask_again(Asked::Messages);
        self.show_phase();
        let now = Instant::now();
        let mut underway = Underway {
            batch: None,
            pulled: now,
            late_at: now,
            has_come: false,
            pull_at: now,
            looking: None,
            failed_looks: 0,
            failed_beats: 0,
            said_at: now,
            saying_floor: 0,
            said_floor: 0,
            awaited: None,
            said: Vec::new(),
            touch_at: now + TOUCH,
            check_at: now + EVERY,
            connected: true,
        };
        self.look_at = now;
        let result = self.consume_with(&mut underway).await;
        // Its writer of heartbeats is needed.
        if let Some(looking) = underway.looking.take()
            && let Ok(looked) = looking.await
        {
            self.beats = Some(looked.beats);
        }
        result
    }

    pub(super) fn show_phase(&self) {
        match self.state() {
            (_, Some(why)) => {
                let shown = format!("{why}: {}", self.cure());
                self.shared.set_phase(AgentPhase::Unclean, Some(shown));
            }
            (_, None) => self.shared.set_phase(AgentPhase::Consuming, None),
        }
    }

    /// Notices that the answers of the cache begin or cease to show that purges reach the pages.
    fn see_doubt(&mut self) {
        let doubt = self.doubt_of_nodes();
        if doubt == self.doubt {
            return;
        }
        let node = &self.agent.node;
        match &doubt {
            Some(why) => loudly(format_args!("the agent of {node} is not ready: {why}")),
            None => warn_loudly(format_args!(
                "the answers of the cache of {node} show now that purges reach its pages"
            )),
        }
        self.doubt = doubt;
        self.look_at = Instant::now();
        self.show_phase();
    }

    /// Checks again the sites of which nothing shows that their pages are purged.
    fn check_doubts(&self) {
        for node in &self.engine.nodes {
            let sites = node.purger.doubt().map(Doubt::sites).unwrap_or_default();
            if !sites.is_empty() {
                let node = Arc::clone(node);
                tokio::spawn(async move {
                    for site in sites {
                        node.purger.check(Some(&site)).await;
                    }
                });
            }
        }
    }

    async fn consume_with(&mut self, underway: &mut Underway) -> Result<Next, Trouble> {
        let engine = Arc::clone(&self.engine);
        loop {
            let now = Instant::now();
            self.take_news(now);
            self.hand_over_held(now);
            self.acknowledge_done().await;
            self.see_doubt();
            self.see_down();
            self.see_alone(now);
            if now >= underway.check_at {
                self.check_doubts();
                underway.check_at = now + EVERY;
            }
            if now >= underway.touch_at {
                self.touch(now).await;
                underway.touch_at = now + TOUCH;
            }
            self.see_connection(underway);
            if let Some(why) = self.must_empty.take().or_else(|| self.wants_emptying(now)) {
                return Ok(Next::Empty(why));
            }
            if underway.looking.is_none() {
                let is_due = now >= self.look_at;
                if is_due || self.next_saying(underway).is_some_and(|due| now >= due) {
                    self.start_look(underway, is_due);
                }
            }
            if underway.batch.is_some() && now >= underway.late_at {
                self.was_pulled(underway);
            }
            self.pull_if_room(underway, now).await?;
            self.show_numbers(underway);
            let due = self.next_due(underway, now);
            tokio::select! {
                // Answers first: they make room.
                biased;
                () = engine.tickets.changed() => {}
                ended = join(&mut underway.looking) => self.looked(underway, ended)?,
                message = next(&mut underway.batch) => match message {
                    Some(Ok(message)) => self.take_all(underway, message),
                    Some(Err(error)) => {
                        emit(|| tracing::debug!(target: "roan", %error, "a request for messages has failed"));
                        underway.batch = None;
                        underway.pull_at = now + PULL_AGAIN;
                        self.shared.failed(Asked::Messages, error.to_string());
                        self.look_at = Instant::now();
                    }
                    None => self.was_pulled(underway),
                },
                () = tokio::time::sleep_until(due.into()) => {}
            }
        }
    }

    fn next_due(&mut self, underway: &Underway, now: Instant) -> Instant {
        let room = self
            .held
            .wants_room(now)
            .then_some(self.held_at + ROOM_AGAIN);
        let look = underway.looking.is_none().then_some(self.look_at);
        let saying = self
            .next_saying(underway)
            .filter(|_| underway.looking.is_none());
        let pull = (underway.batch.is_none() && self.room() > 0).then_some(underway.pull_at);
        // The connection may come back without a sign here.
        let soon = now + Duration::from_secs(1);
        [
            room,
            look,
            saying,
            pull,
            self.held.next_due(),
            Some(underway.touch_at),
            underway.batch.as_ref().map(|_| underway.late_at),
        ]
        .into_iter()
        .flatten()
        .fold(soon, Instant::min)
        .max(now + Duration::from_millis(1))
    }

    /// When to say what was acknowledged, or that a node is down or back, if the servers do not know it.
    fn next_saying(&mut self, underway: &Underway) -> Option<Instant> {
        let has_more = self.position.acknowledged() > underway.said_floor;
        let is_new = has_more || self.warnings.has_turned;
        is_new.then_some(underway.said_at + SAY_AGAIN)
    }

    fn see_connection(&self, underway: &mut Underway) {
        let link = self.link.as_ref();
        let connected = link.is_some_and(|link| link.connection().is_connected());
        if connected && !underway.connected {
            // The server has forgotten the request; or it is another server.
            underway.batch = None;
        }
        if connected != underway.connected {
            underway.connected = connected;
            self.shared.set_connected(connected);
            let node = &self.agent.node;
            if connected {
                self.shared.note(|status| status.why = None);
                self.show_phase();
                emit(|| tracing::info!(target: "roan", node, "connected again"));
            } else {
                let problem = link.map(|link| link.connection().trouble("the connection is lost"));
                self.shared.note(|status| {
                    status.why = status.why.take().or_else(|| problem.clone());
                });
                emit(|| tracing::warn!(target: "roan", node, problem, "not connected"));
            }
        }
    }

    /// The number of messages to ask for.
    fn room(&self) -> usize {
        let outstanding = self.engine.tickets.outstanding();
        if !self.shared.takes() || self.held.len() >= MOST_HELD {
            return 0;
        }
        let answers = (self.policy.max_waiting / 2).saturating_sub(outstanding);
        let messages = self.agent.most_open.saturating_sub(self.open.len());
        answers.min(messages).min(BATCH)
    }

    async fn pull_if_room(&mut self, underway: &mut Underway, now: Instant) -> Result<(), Trouble> {
        if !self.shared.takes() {
            underway.batch = None;
        }
        if underway.batch.is_some() || now < underway.pull_at || !underway.connected {
            return Ok(());
        }
        let room = self.room();
        let Some(consumer) = self.consumer.as_ref().filter(|_| room > 0) else {
            if self.shared.is_well(Asked::Messages) {
                // It does not ask while it has enough to do.
                self.shared.answered(Asked::Messages);
            }
            return Ok(());
        };
        // Until the servers have answered one, they must do so at once.
        let expires = (self.shared.is_well(Asked::Messages)).then(|| self.every());
        (underway.pulled, underway.has_come) = (now, false);
        underway.late_at = now + expires.unwrap_or_default() + LATE;
        underway.batch = Some(pull(consumer, room, expires).await?);
        Ok(())
    }

    /// A request for messages is over: answered, or the servers do not answer it.
    fn was_pulled(&self, underway: &mut Underway) {
        underway.batch = None;
        let was_well = self.shared.is_well(Asked::Messages);
        if Instant::now() >= underway.late_at {
            if underway.has_come {
                return;
            }
            underway.pull_at = underway.late_at + LATE;
            if was_well {
                let problem = "its requests for messages have no answer in time";
                self.shared.failed(Asked::Messages, problem.to_owned());
            }
            return;
        }
        self.shared.answered(Asked::Messages);
        // A server that ends requests at once must not be asked all the time.
        if was_well && !underway.has_come {
            underway.pull_at = underway.pulled + PULL_AGAIN;
        }
    }

    /// Takes a message, and those that have come with it.
    fn take_all(&mut self, underway: &mut Underway, first: Message) {
        self.shared.answered(Asked::Messages);
        let mut message = Some(first);
        while let Some(one) = message.take() {
            self.take(one);
            underway.has_come = true;
            let more = underway
                .batch
                .as_mut()
                .and_then(|batch| batch.next().now_or_never());
            match more {
                Some(Some(Ok(next))) => message = Some(next),
                Some(Some(Err(_)) | None) => underway.batch = None,
                None => {}
            }
        }
        self.engine.handed_over();
    }

    fn take(&mut self, message: Message) {
        let now = Instant::now();
        let Ok(info) = message.info() else {
            // It was not delivered by the consumer, and cannot be acknowledged.
            emit(
                || tracing::warn!(target: "roan", subject = %message.subject, "not a message of the stream"),
            );
            return;
        };
        let (number, pending, again) = (info.stream_sequence, info.pending, info.delivered > 1);
        let published = SystemTime::from(info.published);
        // A clock that is wrong matters only while others wait behind it.
        self.behind = match pending {
            0 => Duration::ZERO,
            _ => published.elapsed().unwrap_or_default(),
        };
        self.shared
            .note(|status| status.waiting_in_stream = pending);
        let (message, acker) = message.split();
        if again {
            self.shared.again.fetch_add(1, Ordering::Relaxed);
        }
        if self.position.is_open(number)
            && let Some(open) = (self.numbers.get(&number)).and_then(|id| self.open.get_mut(id))
        {
            // It came before, and is in progress.
            open.acker = acker;
            open.touched = now;
            return;
        }
        let had_missing = self.position.has_missing();
        self.position.took(number);
        if self.position.has_missing() && !had_missing {
            // Those before it are late, or gone.
            self.look_at = now;
        }
        self.shared.taken.fetch_add(1, Ordering::Relaxed);
        let intake = Intake::of(&message.payload, &self.agent.sites, &self.engine.sites);
        self.shared
            .elsewhere
            .fetch_add(intake.elsewhere, Ordering::Relaxed);
        let given_up = self.unread(number, &message.subject, &intake);
        self.see_other_host(&intake);
        self.last_number += 1;
        let id = self.last_number;
        self.numbers.insert(number, id);
        self.open.insert(
            id,
            Open {
                acker,
                number,
                since: now,
                touched: now,
                parts: 1,
                given_up,
            },
        );
        let notes = std::mem::take(&mut self.notes)
            .then(|| Notes::new(intake.targets.clone(), String::new()));
        let tickets = &self.engine.tickets;
        let ticket = tickets.open_noting(Row::Purge(id), Created::now(), None, notes);
        for target in &intake.targets {
            self.engine
                .accept_message(target, Asking::of(now, &[]), ticket, now);
        }
        self.engine.tickets.handed_over(ticket);
    }

    /// Counts and logs what of a message cannot be read.
    fn unread(&self, number: u64, subject: &str, intake: &Intake) -> Option<String> {
        let first = intake.unread.first()?;
        if intake.is_newer {
            self.shared.newer.fetch_add(1, Ordering::Relaxed);
        }
        let count = self.shared.unread.fetch_add(1, Ordering::Relaxed) + 1;
        let why = format!("message {number} of the subject {subject}: {first}");
        let node = &self.agent.node;
        loudly_at_times(
            count,
            format_args!("the agent of {node} cannot read a message (number {count}): {why}"),
            || tracing::error!(target: "roan", node, why, "a message cannot be read"),
        );
        Some(why)
    }

    async fn acknowledge_done(&mut self) {
        self.warnings.sent_acks(self.done.len());
        for acker in self.done.drain(..) {
            // If it does not arrive, the message comes again, and its purges are repeated.
            let _ = acker.ack().await;
        }
    }

    /// Says of each message that has been open for a while that it is in progress.
    async fn touch(&mut self, now: Instant) {
        let is_due = |open: &&mut Open| now >= open.touched + TOUCH;
        for open in self.open.values_mut().filter(is_due) {
            open.touched = now;
            let _ = open.acker.ack_with(AckKind::Progress).await;
        }
    }

    /// Why the cache is to be emptied now.
    fn wants_emptying(&self, now: Instant) -> Option<String> {
        let again = self.last_emptied.map(|last| last + self.empty_again);
        // What is stored while purges do not reach the cache, or are lost, would be stale again.
        let is_open = self.doubt.is_some() || self.unfit.is_some();
        if !self.can_empty() || is_open || again.is_some_and(|again| now < again) {
            return None;
        }
        if let Some(why) = &self.unclean {
            return Some(why.clone());
        }
        (self.held.len() >= MOST_HELD).then(|| {
            let held = counted(self.held.len(), "purge");
            format!("{held} wait for a node that is down, and emptying the cache is faster")
        })
    }

    fn show_numbers(&mut self, underway: &mut Underway) {
        let acknowledged = self.position.acknowledged();
        let (open, held) = (self.open.len(), self.held.len());
        self.shared.note(|status| {
            (status.acknowledged, status.open, status.held) = (acknowledged, open, held);
        });
        let taken = self.position.taken();
        underway.awaited = underway.awaited.filter(|(last, _)| *last > taken);
        let open = self.open.first_key_value().map(|(_, open)| open.since);
        let awaited = underway.awaited.map(|(_, since)| since);
        let oldest = [open, awaited].into_iter().flatten().min();
        self.shared.set_lag(oldest, self.behind);
    }
}

/// The next message; never, if none was asked for.
async fn next(batch: &mut Option<Batch>) -> Option<Result<Message, async_nats::Error>> {
    match batch {
        Some(batch) => batch.next().await,
        None => std::future::pending().await,
    }
}

/// The result of a look; never, if none is on its way.
async fn join(looking: &mut Option<Looking>) -> Option<Looked> {
    match looking {
        Some(looking) => looking.await.ok(),
        None => std::future::pending().await,
    }
}
