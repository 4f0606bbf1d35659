//! The work of an agent: a task on the dispatcher's thread.
//!
//! ```text
//! connect -> find the stream, the consumer and what was last said of the cache
//!   all known, and no gap ------------------------------> consume
//!   else: say "emptying", make the consumer, empty -----> consume
//! consume: a message -> its targets to the nodes, each with a ticket -> all answered -> acknowledge
//!   a gap, a missing consumer, a purge given up --------> empty
//! ```
//!
//! A message is open until all of its tickets are done, those of rebounds included. What the agent holds in memory is also in
//! the stream, so that a crash loses nothing: what is not acknowledged comes again.

mod consume;
mod empty;
mod look;
mod mute;
mod news;
mod twin;
mod warnings;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::message::Acker;

use self::twin::Twin;
use self::warnings::Warnings;
use super::beats::{Beats, Found};
use super::held::Held;
use super::link::{Link, Trouble};
use super::position::Position;
use super::proof::Asked;
use super::shared::{AgentPhase, Shared};
use super::spaced::Spaced;
use super::{Agent, AgentError};
use crate::base::backoff::Backoff;
use crate::base::log::{emit, loudly, warn_loudly};
use crate::base::target::TargetKind;
use crate::dispatcher::{Engine, Policy};
use crate::fleet::Connection;
use crate::fleet::heartbeat::{AgentState, EVERY, Heartbeat, LastAnswer};
use crate::purger::Doubt;

/// Between attempts to reach the servers.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The cache is not emptied for a second time, because of purges that were given up, before so much time has passed. Each time
/// this doubles, up to [`EMPTY_AGAIN_AT_MOST`], until there was peace for [`PEACE`].
const EMPTY_AGAIN: Duration = Duration::from_secs(10);
const EMPTY_AGAIN_AT_MOST: Duration = Duration::from_secs(60);
const PEACE: Duration = Duration::from_secs(10 * 60);

/// The time to hand messages back and to say so, at the end.
const ENDING: Duration = Duration::from_secs(3);

/// The state of the work.
pub(super) struct Work {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    agent: Agent,
    policy: Policy,
    backoff: Backoff,
    link: Option<Arc<Link>>,
    beats: Option<Beats>,
    consumer: Option<PullConsumer>,
    position: Position,
    /// The open messages, by numbers that no other message of this process has.
    open: BTreeMap<i64, Open>,
    /// Those numbers, by the numbers of the stream.
    numbers: HashMap<u64, i64>,
    last_number: i64,
    held: Held,
    /// Since when the consumer has not answered, although the stream has.
    mute_since: Option<Instant>,
    /// When the nodes were last asked for room for what is held.
    held_at: Instant,
    /// What is to be acknowledged now.
    done: Vec<Acker>,
    /// Messages that are given up, and to be acknowledged when the servers know that the cache is unclean.
    given_up: Vec<i64>,
    /// When to look at the consumer, and to say where it is.
    look_at: Instant,
    /// The ticket of the emptying, and what has become of it.
    emptying: Option<(i64, Emptying)>,
    /// Why the cache must be emptied before anything else.
    must_empty: Option<String>,
    /// Why the last attempt to empty the cache has failed.
    failure: Option<String>,
    /// Why the cache may have stale pages.
    unclean: Option<String>,
    /// Why nothing shows that purges reach the pages, as the cache last answered.
    doubt: Option<String>,
    /// Another agent that may run beside this one.
    twin: Option<Twin>,
    /// What of the settings of the stream can lose purges, since somebody has changed them.
    unfit: Option<String>,
    /// What was said of them.
    told: BTreeSet<String>,
    warnings: Warnings,
    /// When to log again that what is [`Asked`] has failed.
    failing: [Spaced; 3],
    /// How long the stream keeps messages. `None` for ever.
    max_age: Option<Duration>,
    last_emptied: Option<Instant>,
    /// The cache is not emptied again before so much time has passed, because of purges that were given up.
    empty_again: Duration,
    /// Whether somebody has said, while the cache was being emptied, that it is empty.
    said_emptied: bool,
    last_answer: Option<LastAnswer>,
    /// Whether the answers for a message are noted, for `last_answer`.
    notes: bool,
    /// How old the last message was, if others waited behind it.
    behind: Duration,
    /// How many messages had come when a server denied something to this user, and its words.
    denied: Option<(u64, String)>,
    started: u64,
    instance: u64,
}

/// A message that is not acknowledged.
struct Open {
    acker: Acker,
    /// Its number in the stream.
    number: u64,
    /// When it came.
    since: Instant,
    /// When the agent last said that it is in progress.
    touched: Instant,
    /// Outstanding tickets, and purges that are held.
    parts: usize,
    /// Why it cannot be purged, in part or whole.
    given_up: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Emptying {
    Underway,
    Failed(String),
    Done,
}

/// What follows.
#[derive(Debug)]
enum Next {
    /// Nobody knows whether the cache is clean, and this is why.
    Empty(String),
    /// The same, after a restart: the consumer is there.
    WaitForOperator(String),
    Consume,
}

impl Work {
    pub(super) fn new(
        engine: Arc<Engine>,
        shared: Arc<Shared>,
        agent: Agent,
        policy: Policy,
    ) -> Self {
        Self {
            backoff: Backoff::new(policy.backoff_base, policy.backoff_cap),
            engine,
            shared,
            agent,
            policy,
            link: None,
            beats: None,
            consumer: None,
            mute_since: None,
            position: Position::after(0),
            open: BTreeMap::new(),
            numbers: HashMap::new(),
            last_number: 0,
            held: Held::default(),
            held_at: Instant::now(),
            done: Vec::new(),
            given_up: Vec::new(),
            look_at: Instant::now(),
            emptying: None,
            must_empty: None,
            failure: None,
            unclean: None,
            doubt: None,
            twin: None,
            unfit: None,
            told: BTreeSet::new(),
            warnings: Warnings::default(),
            failing: Default::default(),
            max_age: None,
            last_emptied: None,
            empty_again: EMPTY_AGAIN,
            said_emptied: false,
            last_answer: None,
            notes: true,
            behind: Duration::ZERO,
            denied: None,
            started: unix_ms(),
            instance: fastrand::u64(1..=u64::MAX >> 1),
        }
    }

    /// Works until it is stopped, or cannot go on.
    pub(super) async fn run(self) {
        let (shared, node) = (Arc::clone(&self.shared), self.agent.node.clone());
        let most_lag = self.agent.ready_lag;
        tokio::select! {
            () = self.try_on() => {}
            () = shared.watch(&node, most_lag) => {}
        }
    }

    async fn try_on(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut pauses = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut failures = 0;
        let failed = loop {
            let result = tokio::select! {
                result = self.work(&mut failures) => result,
                () = shared.stopped() => break None,
            };
            match result {
                Ok(never) => match never {},
                Err(Trouble::Fatal(error)) => {
                    // Before, the caller of `start` gets it.
                    if shared.is_started() {
                        let node = &self.agent.node;
                        loudly(format_args!("the agent of {node} ends: {error}"));
                    }
                    if matches!(error, AgentError::SameName { .. }) {
                        // The last words are those of the other agent.
                        self.beats = None;
                    }
                    break Some(error);
                }
                Err(trouble) => {
                    failures += 1;
                    let error = AgentError::from(trouble);
                    self.tell_trouble(&error, failures);
                    shared.failed(Asked::Look, error.to_string());
                    shared.note(|status| match (status.phase, &self.must_empty) {
                        (AgentPhase::Connecting, _) => status.why = Some(error.to_string()),
                        (AgentPhase::Emptying, Some(why)) => {
                            status.why = Some(format!("{why}; {error}"));
                        }
                        _ => {}
                    });
                    shared.started(Ok(()));
                }
            }
            let pause = pauses.after(failures).max(SHORTEST_PAUSE);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shared.stopped() => break None,
            }
        };
        shared.started(failed.clone().map_or(Ok(()), Err));
        self.end().await;
        shared.end(failed);
    }

    /// Whether to log now that this has failed.
    fn logs(&mut self, failed: Asked) -> bool {
        self.failing[failed as usize].is_due(Instant::now())
    }

    fn tell_trouble(&mut self, error: &AgentError, failures: u32) {
        let is_due = self.logs(Asked::Look);
        let node = &self.agent.node;
        // The second one says more of a stream that is gone.
        if is_due || (failures == 2 && self.must_empty.is_some()) {
            warn_loudly(format_args!("the agent of {node} tries again: {error}"));
        } else {
            emit(|| tracing::debug!(target: "roan", %error, failures, "the agent tries again"));
        }
    }

    async fn work(&mut self, failures: &mut u32) -> Result<Infallible, Trouble> {
        let mut next = self.begin().await?;
        self.shared.started(Ok(()));
        *failures = 0;
        loop {
            next = match next {
                Next::Empty(why) => {
                    self.empty(&why).await?;
                    Next::Consume
                }
                Next::WaitForOperator(why) => {
                    self.wait_for_operator(&why).await?;
                    Next::Consume
                }
                Next::Consume => self.consume().await?,
            };
        }
    }

    /// Connects if need be, and finds out whether the cache is clean.
    async fn begin(&mut self) -> Result<Next, Trouble> {
        let connection = match &self.link {
            Some(link) => link.connection().clone(),
            None => {
                let name = format!("roan agent of {}", self.agent.node);
                Connection::open(&self.agent.nats, &name).await?
            }
        };
        let is_first = self.link.is_none();
        // A stream that was removed is made anew by the app, with its settings: as one of a cluster, say. An agent that does not
        // know them never makes it.
        let may_make = is_first && self.agent.stream.has_replicas();
        let link = Link::open(&self.agent, connection, may_make).await?;
        self.see_max_age(link.max_age());
        self.warn(link.warnings().to_vec());
        let link = Arc::new(link);
        self.link = Some(Arc::clone(&link));
        self.shared.set_connected(true);
        let caches = self.caches();
        let found = self.open_beats(&link, &caches).await?;
        if let (Some(found), Some(beats)) = (&found, &self.beats)
            && beats.is_of_another(found)
            && self.twin.is_none()
        {
            self.may_have_twin(match found.knows_of_two() {
                true => Twin::of_now(),
                false => Twin::of_the_start(),
            });
        }
        if let Some(why) = self.must_empty.take() {
            return Ok(Next::Empty(why));
        }
        if self.consumer.is_some() {
            // It has consumed before: what it knows is newer than what it has said.
            if self.is_mute() {
                let acknowledged = self.position.acknowledged();
                self.make_anew(&link, acknowledged).await?;
            }
            return Ok(Next::Consume);
        }
        let acknowledged = found
            .as_ref()
            .map_or(0, |found| found.heartbeat.acknowledged);
        if self.is_mute() && found.is_some() {
            self.make_anew(&link, acknowledged).await?;
        }
        let look = link.look_for(acknowledged, acknowledged + 1).await;
        self.see_consumer(matches!(look, Err(Trouble::Mute(_))));
        let look = match look {
            Ok(look) => look,
            Err(Trouble::NoConsumer) => {
                let why = "this node is new to the stream, or was away for longer than its consumer is kept";
                return Ok(Next::Empty(why.to_owned()));
            }
            Err(trouble) => return Err(trouble),
        };
        let Some(found) = found else {
            return Ok(Next::Empty(
                "nobody knows whether its cache is clean".to_owned(),
            ));
        };
        // What those had, or lacked, says nothing of these.
        if let Some(before) = found.caches.filter(|before| *before != caches) {
            return Ok(Next::Empty(format!(
                "this node has other caches than before ({before}), now {caches}"
            )));
        }
        let (only_twin, said) = (found.only_twin, found.heartbeat);
        if !look.is_ours {
            let why = "its consumer was made by somebody else, with other settings";
            return Ok(Next::Empty(why.to_owned()));
        }
        self.position = Position::after(said.acknowledged);
        if let Some(lost) = self.position.compare(look.known) {
            return Ok(Next::Empty(lost.to_string()));
        }
        let is_at = look.delivered == said.acknowledged && look.unacknowledged == 0;
        match said.state {
            AgentState::Consuming => {}
            AgentState::Emptying => {
                return Ok(Next::Empty(
                    "it ended while its cache was being emptied".to_owned(),
                ));
            }
            AgentState::WaitingForOperator => {
                self.say(AgentState::WaitingForOperator, said.unclean.clone())
                    .await?;
                let why = said
                    .unclean
                    .unwrap_or_else(|| "it waited for that before its restart".to_owned());
                self.consumer = Some(self.go_on(&link, is_at).await?);
                return Ok(Next::WaitForOperator(why));
            }
            AgentState::Unclean if only_twin => {}
            AgentState::Unclean => {
                let why = said.unclean.unwrap_or_default();
                if self.can_empty() {
                    return Ok(Next::Empty(why));
                }
                self.unclean = Some(why);
            }
        }
        // This proves that what was read is the last that was said.
        let (state, why) = self.state();
        self.say(state, why).await?;
        self.consumer = Some(self.go_on(&link, is_at).await?);
        Ok(Next::Consume)
    }

    /// Opens the bucket, and returns what was last said of this node, if this agent has not said it.
    async fn open_beats(&mut self, link: &Link, caches: &str) -> Result<Option<Found>, Trouble> {
        let goes_on = self.consumer.is_some() && self.must_empty.is_none();
        if let Some(beats) = self.beats.as_mut().filter(|beats| beats.has_written)
            && (goes_on || self.must_empty.is_some())
        {
            match beats.reopen(&self.agent, link).await {
                // It purges while it cannot say so. What it has given up waits.
                Err(Trouble::Server(problem)) if goes_on => {
                    self.shared.failed(Asked::Heartbeat, problem);
                }
                reopened => reopened?,
            }
            return Ok(None);
        }
        let (mut beats, found) = Beats::open(&self.agent, link, self.instance).await?;
        if let Some(mine) = self.beats.take() {
            beats.remember(&mine);
        }
        beats.caches = Some(caches.to_owned());
        self.beats = Some(beats);
        Ok(found)
    }

    /// Finds the consumer, if it is at the position of this agent. If not, it is made anew there: what an agent before this one
    /// has not acknowledged comes at once, and not only when the servers have waited for that.
    async fn go_on(&self, link: &Link, is_at: bool) -> Result<PullConsumer, Trouble> {
        match is_at {
            true => link.find_consumer().await,
            false => link.make_consumer(self.position.taken()).await,
        }
    }

    /// Whether it can empty its caches without help.
    fn can_empty(&self) -> bool {
        let mut tiers = self.engine.tiers.iter();
        self.agent.empty_with.is_some() || tiers.all(|tier| tier.can_purge(TargetKind::Everything))
    }

    /// Its caches with their nodes, to notice others at a start.
    fn caches(&self) -> String {
        let nodes = self.engine.nodes.iter();
        let mut names: Vec<_> = nodes
            .map(|node| format!("{} at {}", node.cache, node.name))
            .collect();
        names.sort_unstable();
        names.join(", ")
    }

    fn link(&self) -> Result<Arc<Link>, Trouble> {
        let none = || Trouble::Server("not connected".to_owned());
        self.link.as_ref().map(Arc::clone).ok_or_else(none)
    }

    /// Why nothing shows that purges reach the pages of a cache.
    fn doubt_of_nodes(&self) -> Option<String> {
        let mut doubts = self
            .engine
            .nodes
            .iter()
            .filter_map(|node| node.purger.doubt());
        doubts.find_map(Doubt::why)
    }

    /// What it says of itself while it consumes.
    fn state(&self) -> (AgentState, Option<String>) {
        let whys = [&self.unfit, &self.unclean, &self.doubt];
        let twin = self.twin.as_ref().map(|twin| &twin.why);
        match whys.into_iter().flatten().chain(twin).next() {
            Some(why) => (AgentState::Unclean, Some(why.clone())),
            None => (AgentState::Consuming, None),
        }
    }

    /// What makes the cache clean again.
    fn cure(&self) -> String {
        if let Some(cure) = self.cure_of_twin() {
            return cure;
        }
        let node = &self.agent.node;
        let by_hand =
            format!("then empty its cache, and type `roan agent --node {node} --emptied`");
        match (
            self.unfit.as_ref().or(self.doubt.as_ref()),
            self.can_empty(),
        ) {
            (Some(_), true) => format!(
                "mend that, and the agent, which looks every {EVERY:?}, empties the cache by itself"
            ),
            (Some(_), false) if self.unclean.is_some() || self.unfit.is_some() => {
                format!("mend that, {by_hand}")
            }
            (Some(_), false) => format!("mend that: the agent looks every {EVERY:?}"),
            (None, true) => {
                let waits = self.last_emptied.map_or(Duration::ZERO, |last| {
                    (last + self.empty_again).saturating_duration_since(Instant::now())
                });
                format!(
                    "mend that, then wait: the agent empties its cache by itself, in at most {} s",
                    waits.as_secs() + 1
                )
            }
            (None, false) => format!("mend that, {by_hand}"),
        }
    }

    /// What it says of itself now.
    fn heartbeat(&mut self, state: AgentState, why: Option<String>) -> Heartbeat {
        let warnings = self.say_warnings();
        let mut kinds: Vec<_> = (self.engine.nodes.iter())
            .map(|node| &*node.cache)
            .collect();
        kinds.dedup();
        Heartbeat {
            node: self.agent.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            at: unix_ms(),
            state,
            acknowledged: self.position.acknowledged(),
            waiting: self.engine.tickets.outstanding().max(self.open.len()) as u64,
            last_answer: self.last_answer.clone(),
            cache: kinds.join(", "),
            cure: match state {
                AgentState::Unclean => Some(self.cure()),
                AgentState::Emptying => self.cure_of_emptying(),
                AgentState::Consuming | AgentState::WaitingForOperator => None,
            },
            failure: matches!(state, AgentState::Emptying)
                .then(|| self.failure.clone())
                .flatten(),
            unclean: why,
            warnings,
        }
    }

    /// Says where it is, and waits until the servers have that. Whether somebody has said that the cache is empty.
    async fn say(&mut self, state: AgentState, why: Option<String>) -> Result<bool, Trouble> {
        let heartbeat = self.heartbeat(state, why);
        let (only_twin, twins) = (self.is_only_twin(), self.has_twin_run());
        let Some(beats) = &mut self.beats else {
            return Err(Trouble::Server("not connected".to_owned()));
        };
        beats.set_twin(only_twin, twins);
        let is_emptied = beats.write(&heartbeat).await?;
        if beats.had_twin && !twins {
            self.may_have_twin(Twin::of_now());
        }
        self.shared.answered(Asked::Heartbeat);
        self.twin_can_know();
        Ok(is_emptied)
    }

    /// Says what is new of what the operator should know of the stream.
    fn warn(&mut self, mut warnings: Vec<String>) {
        warnings.extend(self.shortened());
        for warning in &warnings {
            if !self.told.contains(warning) {
                warn_loudly(format_args!("{warning}"));
            }
        }
        self.told = warnings.into_iter().collect();
    }

    /// The time between two heartbeats, and that after which a request for messages is made anew: shorter for a stream that does
    /// not keep messages for long, and for an agent that is not ready soon after the servers cease to answer.
    fn every(&self) -> Duration {
        let most = [
            self.max_age.map(|max_age| max_age / 8),
            Some(self.agent.ready_lag / 3),
        ];
        let most = most.into_iter().flatten().fold(EVERY, Duration::min);
        most.max(Duration::from_secs(1))
    }

    /// Forgets all messages: they are not acknowledged.
    fn forget(&mut self) {
        self.open.clear();
        self.numbers.clear();
        self.held.clear();
        self.done.clear();
        self.given_up.clear();
        self.behind = Duration::ZERO;
    }

    /// Hands back what is open, so that the next start has it at once.
    async fn end(&mut self) {
        let count = self.open.len();
        let ending = async {
            for open in self.open.values() {
                // If it fails, the servers deliver it again after a while.
                let _ = open.acker.ack_with(AckKind::Nak(None)).await;
            }
            let status = self.shared.status();
            let said = match status.phase {
                AgentPhase::Consuming | AgentPhase::Unclean if self.consumer.is_some() => {
                    Some(self.state())
                }
                AgentPhase::WaitingForOperator => {
                    Some((AgentState::WaitingForOperator, status.why))
                }
                // The last words are still right.
                _ => None,
            };
            if let (Some((state, why)), Some(beats)) = (said, &mut self.beats) {
                beats.ends = true;
                if let Ok(true) = self.say(state, why).await {
                    // Somebody has emptied the cache at the last moment.
                    self.unclean = None;
                    let (state, why) = self.state();
                    let _ = self.say(state, why).await;
                }
            }
            if let Some(link) = &self.link {
                let _ = link.connection().client().flush().await;
            }
        };
        let _ = tokio::time::timeout(ENDING, ending).await;
        if count > 0 {
            emit(|| tracing::info!(target: "roan", count, "messages return to the stream"));
        }
        let given_up = self.shared.given_up.load(Ordering::Relaxed);
        emit(
            || tracing::info!(target: "roan", node = self.agent.node, given_up, "the agent has ended"),
        );
    }
}

/// Now, in Unix milliseconds.
pub(super) fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
