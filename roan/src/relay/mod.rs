//! The relay: takes committed purges from the durable outbox, passes them to the dispatcher, and records the results. It
//! is a task on the dispatcher's thread, with one connection.
//!
//! It selects rows by their state, never by the highest id seen: a transaction may commit long after a later one. It
//! holds tickets (`dispatcher/tickets.rs`); the rows stay *taken* in the database until all their answers are in.

mod alarms;
mod deliveries;
mod horizon;
#[cfg(feature = "metrics")]
mod measure;
mod nodes;
mod others;
mod pages;
mod schedule;
mod source;
#[cfg(feature = "web")]
mod stragglers;
mod versions;
mod write_down;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::deliveries::TakeMore;
use self::horizon::Horizon;
use self::others::Others;
use self::pages::Finding;
use self::schedule::{Look, Schedule};
use crate::base::backoff::Backoff;
use crate::base::cause::Cause;
#[cfg(feature = "nats")]
use crate::base::created::Created;
use crate::base::created::milliseconds;
use crate::base::log::{emit, end_loudly, loudly};
#[cfg(feature = "nats")]
use crate::base::purge_id::RowIdentity;
#[cfg(feature = "nats")]
use crate::dispatcher::tickets::Ticket;
use crate::dispatcher::{Engine, Policy};
use crate::outbox::link::Link;
use crate::outbox::store::{Store, Watch};
use crate::outbox::{Backlog, Outbox, OutboxError};
use crate::pages::Hosts;
use crate::triggers::{self, TriggerCheck};

pub(crate) use source::DurableOutbox;

type Result<T> = std::result::Result<T, sqlx::Error>;

/// The number of rows taken at a time.
const BATCH: usize = 1000;

/// This many rows at one look mean steady writes: the next rows are taken together.
const MANY: usize = 8;

/// Between attempts to reach a database that is gone.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A statement that takes longer than this means that the database is not reachable.
const LONGEST_STATEMENT: Duration = Duration::from_secs(60);

/// More conflicts with other transactions in a row are an error like others.
const MOST_CONFLICTS: u32 = 20;

/// No purge is too old before the relay has worked for so long, or for the maximum age if that is shorter: while the
/// program or its database was down, nobody tried.
const LEAST_TRIED: Duration = Duration::from_secs(60 * 60);

/// The number of answers that may be outstanding for each second of the rebound delay, during which each row is held; and
/// without a rebound. Each node has an equal share of it.
const HELD: usize = 32 * 1024;

/// The relay's state.
pub(crate) struct Relay {
    engine: Arc<Engine>,
    link: Arc<Link>,
    outbox: Outbox,
    backoff: Backoff,
    max_age: Duration,
    /// Rows are taken when there is room for so many.
    least: usize,
    schedule: Schedule,
    watch: Watch,
    horizon: Horizon,
    /// Numbers under which rows are taken that belong to no relay, when they were last looked for.
    strays: Vec<(i64, i64)>,
    /// Nodes that have come back, and for which deliveries wait, due or not.
    back: Vec<(Arc<str>, Arc<str>)>,
    /// Nodes that may take more deliveries before the next look.
    take_more: Vec<TakeMore>,
    /// Whether the backlog was over the threshold when it was last counted.
    alarmed: bool,
    /// Whether the next look is for a write of this program.
    expects: bool,
    /// The number of rows taken at a time.
    batch: usize,
    /// Whether the last look found as many purges as it could take.
    more_purges: bool,
    /// Whether it found so many that waiting for the next ones pays off.
    many_purges: bool,
    /// The number under which it holds rows, across connections.
    id: i64,
    /// Since when it works without a failure of the database.
    works_since: Instant,
    /// Conflicts with other transactions since the last turn that went well.
    conflicts: u32,
    /// See [`versions::knowledge`].
    knowledge: i64,
    /// Nodes that other programs have, and this one does not.
    others: Others,
    /// Nodes that deliveries wait for and this program does not have, and since when.
    unknown: HashMap<(String, String), Instant>,
    /// Nodes that are paused, as far as was logged that this program does not have them.
    paused_elsewhere: HashSet<(String, String)>,
    /// When the nodes of this program were written down.
    noted_nodes: Instant,
    /// Reasons for which rows were left, as far as they were logged.
    told: HashSet<String>,
    triggers: Option<TriggerCheck>,
    /// Looks at the triggers that failed, one after another.
    failed_looks: u32,
    hosts: Hosts,
    /// Where the rows are, for a fleet.
    #[cfg(feature = "nats")]
    database: Option<String>,
    /// What pages are still to be found.
    finding: Option<Finding>,
    /// When to count for the metrics again.
    #[cfg(feature = "metrics")]
    measure_at: Instant,
}

impl Relay {
    /// Connects for the first time.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or its tables cannot be used.
    pub(crate) async fn open(
        outbox: &Outbox,
    ) -> std::result::Result<(Store, Option<TriggerCheck>), OutboxError> {
        let mut store = outbox.open().await?;
        match Self::check(outbox, &mut store).await {
            Ok(triggers) => Ok((store, triggers)),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    async fn check(
        outbox: &Outbox,
        store: &mut Store,
    ) -> std::result::Result<Option<TriggerCheck>, OutboxError> {
        outbox.check_pooler(store)?;
        store.check().await?;
        let triggers = TriggerCheck::start(outbox, store).await?;
        triggers::check_cascades(outbox, store).await?;
        Ok(triggers)
    }

    pub(crate) fn new(
        engine: Arc<Engine>,
        link: Arc<Link>,
        outbox: Outbox,
        policy: &Policy,
        store: &Store,
        triggers: Option<TriggerCheck>,
    ) -> Self {
        if let Some(triggers) = &triggers {
            link.set_trigger_errors(triggers.errors());
        }
        let seconds = policy.rebound.map_or(1, |delay| delay.as_secs().max(1));
        let window = HELD.saturating_mul(usize::try_from(seconds).unwrap_or(usize::MAX));
        let window = window.min(policy.max_waiting / 2).max(1);
        let share = (window / engine.nodes.len().max(1)).max(window.min(BATCH));
        engine.tickets.limit(share);
        let knowledge = versions::knowledge(&engine);
        Self {
            hosts: engine.sites.hosts(),
            #[cfg(feature = "nats")]
            database: engine.has_fleet().then(|| outbox.place()),
            finding: None,
            engine,
            link,
            backoff: Backoff::new(policy.backoff_base, policy.backoff_cap),
            max_age: policy.max_age,
            least: share.min(BATCH / 4),
            schedule: Schedule::new(&outbox, Instant::now()),
            outbox,
            watch: Watch::default(),
            horizon: Horizon::default(),
            strays: Vec::new(),
            back: Vec::new(),
            take_more: Vec::new(),
            alarmed: false,
            failed_looks: 0,
            expects: false,
            batch: BATCH,
            more_purges: false,
            many_purges: false,
            id: store.relay(),
            works_since: Instant::now(),
            conflicts: 0,
            knowledge,
            others: Others::default(),
            unknown: HashMap::new(),
            paused_elsewhere: HashSet::new(),
            noted_nodes: Instant::now(),
            told: HashSet::new(),
            triggers,
            #[cfg(feature = "metrics")]
            measure_at: Instant::now(),
        }
    }

    /// Gives a row the identity by which a fleet recognizes its purges.
    #[cfg(feature = "nats")]
    fn identify(&self, ticket: Ticket, purge: i64, created: Created) {
        if let Some(database) = self.database.as_ref().filter(|_| created.at_ms != 0) {
            let identity = RowIdentity::new(database, purge, created.at_ms);
            self.engine.tickets.identify(ticket, identity);
        }
    }

    /// Runs until it receives the order to stop.
    pub(crate) async fn run(mut self, store: Store) {
        let mut store = Some(store);
        let mut pauses = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut failures = 0;
        loop {
            let result = match store.take() {
                Some(store) => self.serve(store, &mut failures).await,
                None => self.reopen().await.map(Next::Serve),
            };
            match result {
                Ok(Next::End) => break,
                Ok(Next::Serve(opened)) => {
                    self.link.set_trouble(None);
                    store = Some(opened);
                    continue;
                }
                // What was under way is as after a connection that was lost.
                Ok(Next::Reopen) => {}
                Err(error) => {
                    failures += 1;
                    self.tell_trouble(&error, failures);
                    self.link.set_trouble(Some(error));
                    #[cfg(feature = "metrics")]
                    self.engine.note_census(None);
                    if failures == 1 {
                        self.send_unmarked();
                    }
                }
            }
            if self.link.is_stopping() {
                break;
            }
            let pause = pauses.after(failures).max(SHORTEST_PAUSE);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stopped() => break,
            }
        }
        self.link.end();
    }

    /// Connects again. The relay still holds the rows of the old connection, and returns those whose answer was lost.
    async fn reopen(&mut self) -> std::result::Result<Store, OutboxError> {
        let mut store = self.outbox.open().await?;
        store.go_on_as(self.id);
        let looking = async {
            self.give_back_strangers(&mut store).await?;
            // Nodes may have been paused meanwhile.
            self.note_nodes(&mut store).await
        };
        match tokio::time::timeout(LONGEST_STATEMENT, looking).await {
            Ok(Ok(())) => Ok(store),
            Ok(Err(error)) => Err(OutboxError::of(error)),
            Err(_) => Err(OutboxError::Database(Cause::new("no answer for a minute"))),
        }
    }

    /// Returns rows to the queue that are marked as taken by this relay, but that it does not hold.
    async fn give_back_strangers(&self, store: &mut Store) -> Result<()> {
        let (purges, deliveries) = self.engine.tickets.held();
        let count = store.release_but(&purges, &deliveries).await?;
        if count > 0 {
            emit(
                || tracing::warn!(target: "roan", count, "rows were taken, but the answer was lost; they return to the queue"),
            );
        }
        Ok(())
    }

    async fn stopped(&self) {
        while !self.link.is_stopping() {
            self.link.changed().await;
        }
    }

    /// Uses one connection until it fails.
    async fn serve(
        &mut self,
        mut store: Store,
        failures: &mut u32,
    ) -> std::result::Result<Next, OutboxError> {
        self.horizon.look_at_all();
        loop {
            let turn = tokio::time::timeout(LONGEST_STATEMENT, self.turn(&mut store)).await;
            self.id = store.relay();
            match turn {
                Ok(Ok(())) => self.conflicts = 0,
                Ok(Err(error)) if self.is_passing(&error) => {
                    emit(
                        || tracing::debug!(target: "roan", %error, "the outbox's transaction is tried again"),
                    );
                    store.close().await;
                    return Ok(Next::Reopen);
                }
                Ok(Err(error)) => return Err(OutboxError::of(error)),
                Err(_) => {
                    return Err(OutboxError::Database(Cause::new(
                        "no answer for a minute; reconnecting",
                    )));
                }
            }
            if *failures > 0 {
                end_loudly(
                    format_args!("the outbox's database is reachable again"),
                    || tracing::info!(target: "roan", "the outbox's database is reachable again"),
                );
                *failures = 0;
                self.works_since = Instant::now();
            }
            if self.link.is_stopping() {
                // If this fails, the lease recovers the rows.
                let _ = self.write_down(&mut store).await;
                let _ = store.release_own().await;
                store.close().await;
                return Ok(Next::End);
            }
            self.wait().await;
        }
    }

    /// Whether it is a conflict with another transaction, which will be over when it is tried again.
    fn is_passing(&mut self, error: &sqlx::Error) -> bool {
        if !Store::is_conflict(error) {
            return false;
        }
        self.conflicts += 1;
        self.conflicts < MOST_CONFLICTS
    }

    /// Whether age alone may end a purge: see [`LEAST_TRIED`].
    fn has_tried_long_enough(&self) -> bool {
        self.works_since.elapsed() >= self.max_age.min(LEAST_TRIED)
    }

    fn tell_trouble(&self, error: &OutboxError, failures: u32) {
        if failures == 1 {
            loudly(format_args!(
                "cannot read the outbox; its purges wait until it can be read: {error}"
            ));
        } else {
            emit(|| tracing::warn!(target: "roan", %error, failures, "cannot read the outbox"));
        }
    }

    async fn wait(&self) {
        let has_news = self.engine.tickets.has_news();
        let mut due = self.schedule.next(self.holds_rows(), has_news);
        if self.waits_for_room() {
            due = due.min(Instant::now() + schedule::GATHER);
        }
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = self.engine.tickets.changed() => {}
            () = self.link.changed() => {}
        }
    }

    async fn turn(&mut self, store: &mut Store) -> Result<()> {
        let now = Instant::now();
        if self.link.take_poked() {
            self.schedule.poke(now);
        }
        // Other writes need not wake the relay until the look for this write has begun.
        if !self.expects && self.link.is_expected() {
            self.expects = true;
            self.schedule.expect(now);
        }
        let wanted = self.link.wanted_look();
        if wanted.is_some() {
            self.horizon.look_at_all();
            self.hurry_all(now);
        }
        self.back.extend(self.engine.tickets.take_back());
        self.find_pages(store).await?;
        self.take_unmarked(store).await?;
        if self.schedule.is_due(Look::Purges, now) {
            self.take_purges(store).await?;
        }
        #[cfg(feature = "web")]
        self.look_for_stragglers(store).await?;
        if self.schedule.is_due(Look::Deliveries, now)
            || !self.back.is_empty()
            || self.can_take_more()
        {
            self.take_deliveries(store).await?;
        }
        if self.schedule.is_due(Look::Write, now) && self.engine.tickets.has_news() {
            self.write_down(store).await?;
            self.schedule.looked(Look::Write, false, Instant::now());
        }
        if self.link.take_renewed() {
            self.horizon.look_for_renewed();
            self.hurry_all(now);
        }
        if let Some(number) = wanted {
            let unknown: Vec<_> = self.unknown.keys().cloned().collect();
            let backlog = store.backlog(BATCH, &unknown, Some(self.knowledge)).await?;
            let Backlog { purges, deliveries } = backlog;
            let here = self.link.unmarked_count() + self.rows_in_search();
            self.link.looked(number, purges + deliveries + here as u64);
            self.engine.wake();
        }
        self.keep_house(store).await
    }

    /// Rows of any kind may be waiting.
    fn hurry_all(&mut self, now: Instant) {
        self.schedule.hurry(Look::Purges, now);
        self.schedule.hurry(Look::Deliveries, now);
    }

    /// The number of rows, or pages of them, to hand over.
    fn room(&self) -> usize {
        self.engine.room_for_rows(self.least)
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
        if self.finding.is_some() || room < self.least {
            // A small number is not worth a look: answers will make room.
            self.schedule.expect(Instant::now());
            return Ok(());
        }
        let limit = room.min(self.batch);
        let mut taken = Vec::new();
        let mut began = Instant::now();
        if self.is_purge_waiting(store).await? {
            self.beat_if_due(store).await?;
            began = Instant::now();
            taken = store.take_purges(self.horizon.bound(), limit).await?;
        }
        self.more_purges = taken.len() == limit;
        let rows: Vec<_> = taken
            .iter()
            .map(|purge| (purge.id, purge.created.age_ms))
            .collect();
        if let Some(id) = self.horizon.took(&rows, self.more_purges, began) {
            let table = format!("{}outbox", self.outbox.prefix);
            loudly(format_args!("{}", horizon::warning(id, &table)));
        }
        self.many_purges = taken.len() >= MANY;
        let more = self.more_purges;
        let count = taken.len();
        let given_back = self.hand_over_all(store, taken, true).await?;
        if given_back.is_empty() {
            self.batch = (2 * self.batch).min(BATCH);
        } else {
            // A row of a trigger may contain hundreds of targets. The rest returns to the queue.
            self.batch = (count - given_back.len()).max(1);
            store.release_purges(&given_back).await?;
            self.horizon.look_at_all();
        }
        self.schedule.looked(Look::Purges, more, Instant::now());
        if self.many_purges && !more {
            self.schedule.gather(Instant::now());
        }
        Ok(())
    }

    /// This is cheaper than taking one. Where rows have come lately, it is not worth a statement. It also shows what other
    /// instances have purged, so that renders which begin from now on know of it.
    async fn is_purge_waiting(&mut self, store: &mut Store) -> Result<bool> {
        let more_are_likely = self.more_purges || self.many_purges;
        let began = Instant::now();
        if !store.has_snapshots() {
            if more_are_likely {
                return Ok(true);
            }
            let (is_one_waiting, number) = store.is_purge_waiting().await?;
            self.engine.known.looked(number, began);
            return Ok(is_one_waiting);
        }
        loop {
            let seen = store.see_purges(self.horizon.bound()).await?;
            self.engine.known.looked(seen.number, began);
            if !self.horizon.saw(&seen.snapshot, seen.top) {
                return Ok(more_are_likely || seen.is_one_waiting);
            }
        }
    }

    /// What need not be done soon.
    async fn keep_house(&mut self, store: &mut Store) -> Result<()> {
        let now = Instant::now();
        if self.holds_rows() {
            self.beat_if_due(store).await?;
        }
        if self.schedule.is_due(Look::Others, now) {
            let mut others = store.others().await?;
            others.extend(&self.strays);
            for relay in self.watch.look(&others, self.outbox.lease, now) {
                store.release(relay).await?;
                self.strays.retain(|(id, _)| *id != relay);
                self.horizon.look_at_all();
                emit(
                    || tracing::warn!(target: "roan", relay, "took over the rows of a relay that was silent"),
                );
                self.hurry_all(now);
            }
            self.take_left(store).await?;
            self.schedule.looked(Look::Others, false, now);
        }
        if self.schedule.is_due(Look::Counting, now) {
            self.watch_backlog(store).await?;
            #[cfg(feature = "metrics")]
            self.measure(store).await?;
            self.schedule.looked(Look::Counting, false, now);
        }
        if self.schedule.is_due(Look::Triggers, now) {
            let again = self.look_at_triggers(store).await?;
            self.schedule.looked(Look::Triggers, again, now);
        }
        if self.schedule.is_due(Look::Cleaning, now) {
            self.link.admin.close_idle().await;
            self.note_nodes_at_times(store).await?;
            self.give_back_strangers(store).await?;
            self.strays = store.strays().await?;
            self.horizon.look_at_all();
            let more = store.clean_up(milliseconds(self.outbox.retention)).await?;
            let expired = match self.has_tried_long_enough() {
                true => {
                    let why = |place: (&str, &str)| self.engine.why_unsent(place);
                    store.expire(milliseconds(self.max_age), why).await?
                }
                false => Vec::new(),
            };
            let more = more | (expired.len() >= BATCH) | self.forget_old(store).await?;
            self.tell_expired(expired);
            self.schedule.looked(Look::Cleaning, more, Instant::now());
        }
        Ok(())
    }
}

/// The relay's next step.
enum Next {
    Serve(Store),
    Reopen,
    End,
}

/// The time at that age.
fn since(age_ms: i64, now: Instant) -> Instant {
    // A clock that was set back makes an age negative.
    let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
    now.checked_sub(age).unwrap_or(now)
}
