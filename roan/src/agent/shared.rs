//! What the agent's work, its health endpoint and its handles share.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::AgentError;
use super::proof::{Asked, Proofs};
use crate::base::lock::Mutex;
use crate::base::log::{loudly, warn_loudly};

/// Where an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AgentPhase {
    /// It has not reached the servers since its start.
    #[default]
    Connecting,
    /// The cache is being emptied, since nobody knows whether it is clean.
    Emptying,
    /// It cannot empty the cache by itself, and waits until somebody has.
    WaitingForOperator,
    /// It purges what comes.
    Consuming,
    /// The same, but it has given up a purge: the cache may have stale pages until it is emptied.
    Unclean,
    /// It has ended.
    Ended,
}

impl AgentPhase {
    /// A word that does not change.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Emptying => "emptying",
            Self::WaitingForOperator => "waiting-for-operator",
            Self::Consuming => "consuming",
            Self::Unclean => "unclean",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for AgentPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an agent is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentStatus {
    /// Where it is.
    pub phase: AgentPhase,
    /// Why it is there, if that is not the usual state.
    pub why: Option<String>,
    /// Whether it has a connection to a server.
    pub connected: bool,
    /// How far it is behind: the age of the oldest purge that is not answered, or the time since it lost the connection if
    /// that is longer.
    pub lag: Duration,
    /// The time since the servers last answered each of: a look at the stream and the consumer, a request for messages, and a
    /// heartbeat. `None` if one of them was never answered.
    pub answered: Option<Duration>,
    /// The last trouble with one of these, if it is not over.
    pub unanswered: Option<String>,
    /// Everything up to this sequence number of the stream is acknowledged.
    pub acknowledged: u64,
    /// The number of messages that it has taken, and not acknowledged.
    pub open: usize,
    /// The number of messages that the stream had for it when it last looked.
    pub waiting_in_stream: u64,
    /// The number of purges that wait for a node that is down, or for their next attempt.
    pub held: usize,
    /// Since its start: messages that it has taken, without those that came again.
    pub taken: u64,
    /// Those that came again, because of a lost acknowledgement or a crash.
    pub again: u64,
    /// Those that it could not read, or of which it could not read a part.
    pub unread: u64,
    /// Those of them that have a newer version than this program knows.
    pub newer: u64,
    /// Targets of sites that this node does not serve.
    pub elsewhere: u64,
    /// Messages that it has given up, in part or whole.
    pub given_up: u64,
    /// How often it has emptied the cache.
    pub emptied: u64,
}

impl AgentStatus {
    /// Why a load balancer should not send visitors to the cache; `None` if it may. `most_lag` is how far the agent may be
    /// behind.
    #[must_use]
    pub fn not_ready(&self, most_lag: Duration) -> Option<String> {
        let why = self.why.as_deref().unwrap_or("no reason is known");
        match self.phase {
            AgentPhase::Connecting => Some(match &self.why {
                Some(why) => format!("not connected: {why}"),
                None => "connecting: the servers have not answered yet".to_owned(),
            }),
            AgentPhase::Ended => Some("the agent has ended".to_owned()),
            AgentPhase::Emptying => Some(format!("emptying: {why}")),
            AgentPhase::WaitingForOperator => Some(format!("waiting for the operator: {why}")),
            AgentPhase::Unclean => Some(format!("unclean: {why}")),
            AgentPhase::Consuming if self.is_unproven(most_lag) => Some(self.silence()),
            AgentPhase::Consuming if self.lag > most_lag => {
                let lag = humantime::format_duration(Duration::from_secs(self.lag.as_secs()));
                Some(match (self.connected, self.open) {
                    (true, 0) => format!(
                        "{lag} behind: the stream has messages that the agent's consumer does not deliver{}",
                        self.why
                            .as_ref()
                            .map_or_else(String::new, |why| format!(": {why}"))
                    ),
                    (true, open) => format!("{lag} behind: {open} messages are open"),
                    (false, _) => format!("not connected for {lag}: {why}"),
                })
            }
            AgentPhase::Consuming => None,
        }
    }

    /// Whether nothing shows that the agent gets what the stream has. Where the connection is lost, that says more.
    fn is_unproven(&self, most_lag: Duration) -> bool {
        let is_away = !self.connected && self.lag > most_lag;
        let most = most_lag.max(LEAST_PROOF);
        !is_away && self.answered.is_none_or(|answered| answered > most)
    }

    fn silence(&self) -> String {
        let trouble = self.unanswered.as_deref().unwrap_or("no answer in time");
        match self.answered {
            Some(answered) => {
                let time = humantime::format_duration(Duration::from_secs(answered.as_secs()));
                format!("the servers have not answered for {time}: {trouble}")
            }
            None => format!("the servers have not answered all that the agent asks yet: {trouble}"),
        }
    }
}

/// The agent looks at the stream, and asks for messages anew, three times in the time of its `ready_lag`, but not more often than
/// each second.
const LEAST_PROOF: Duration = Duration::from_secs(3);

/// Between two looks whether the servers answer.
const WATCH: Duration = Duration::from_secs(1);

/// See [`AgentStatus`].
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) taken: AtomicU64,
    pub(super) again: AtomicU64,
    pub(super) unread: AtomicU64,
    pub(super) newer: AtomicU64,
    pub(super) elsewhere: AtomicU64,
    pub(super) given_up: AtomicU64,
    pub(super) emptied: AtomicU64,
    /// Nothing new is taken any more.
    is_full: AtomicBool,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    status: AgentStatus,
    has_been_connected: bool,
    /// When the oldest open message came, as far as one is open.
    oldest: Option<Instant>,
    /// Since when it has no connection.
    disconnected: Option<Instant>,
    /// How old the last message was when it came, if others waited behind it.
    behind: Duration,
    /// The result of the first attempt to reach the servers.
    started: Option<Result<(), AgentError>>,
    /// The work ends.
    stopping: bool,
    failed: Option<AgentError>,
    proofs: Proofs,
}

impl Shared {
    pub(super) fn status(&self) -> AgentStatus {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let state = self.state.lock();
        let oldest = state.oldest.into_iter().chain(state.disconnected).min();
        let oldest = oldest.map(|since| since.elapsed());
        let (answered, unanswered) = state.proofs.oldest();
        AgentStatus {
            answered,
            unanswered,
            lag: state.behind.max(oldest.unwrap_or_default()),
            connected: state.has_been_connected && state.disconnected.is_none(),
            taken: count(&self.taken),
            again: count(&self.again),
            unread: count(&self.unread),
            newer: count(&self.newer),
            elsewhere: count(&self.elsewhere),
            given_up: count(&self.given_up),
            emptied: count(&self.emptied),
            ..state.status.clone()
        }
    }

    pub(super) fn set_phase(&self, phase: AgentPhase, why: Option<String>) {
        let mut state = self.state.lock();
        (state.status.phase, state.status.why) = (phase, why);
    }

    pub(super) fn set_connected(&self, connected: bool) {
        let mut state = self.state.lock();
        if connected {
            state.has_been_connected = true;
            state.disconnected = None;
        } else {
            state.disconnected.get_or_insert_with(Instant::now);
        }
    }

    /// The servers have answered.
    pub(super) fn answered(&self, asked: Asked) {
        self.state.lock().proofs.answered(asked);
    }

    /// They have not, or refuse.
    pub(super) fn failed(&self, asked: Asked, trouble: String) {
        self.state.lock().proofs.failed(asked, trouble);
    }

    pub(super) fn ask_again(&self, asked: Asked) {
        self.state.lock().proofs.ask_again(asked);
    }

    /// Whether they have answered the last one.
    pub(super) fn is_well(&self, asked: Asked) -> bool {
        self.state.lock().proofs.is_well(asked)
    }

    /// Says it once when the servers cease to answer, and once when they answer again, whatever the work waits for. It never
    /// ends.
    pub(super) async fn watch(&self, node: &str, most_lag: Duration) {
        let (mut before, mut said) = (false, false);
        loop {
            tokio::time::sleep(WATCH).await;
            let status = self.status();
            let consumes = matches!(status.phase, AgentPhase::Consuming | AgentPhase::Unclean);
            let is_silent = consumes && status.is_unproven(most_lag);
            // The first answers may be on their way.
            if is_silent && before && !said {
                said = true;
                let why = status.silence();
                loudly(format_args!("the agent of {node} is not ready: {why}"));
            } else if said && consumes && !is_silent {
                said = false;
                warn_loudly(format_args!("the servers answer the agent of {node} again"));
            }
            before = is_silent;
        }
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut AgentStatus)) {
        change(&mut self.state.lock().status);
    }

    pub(super) fn set_lag(&self, oldest: Option<Instant>, behind: Duration) {
        let mut state = self.state.lock();
        (state.oldest, state.behind) = (oldest, behind);
    }

    /// The first attempt to reach the servers has ended.
    pub(super) fn started(&self, result: Result<(), AgentError>) {
        self.change(|state| {
            state.started.get_or_insert(result);
        });
    }

    /// Whether it has.
    pub(super) fn is_started(&self) -> bool {
        self.state.lock().started.is_some()
    }

    /// Waits for that.
    pub(super) async fn has_started(&self) -> Result<(), AgentError> {
        self.wait(|state| state.started.clone()).await
    }

    /// The work has ended.
    pub(super) fn end(&self, failed: Option<AgentError>) {
        self.change(|state| {
            state.status.phase = AgentPhase::Ended;
            state.disconnected.get_or_insert_with(Instant::now);
            state.failed = failed;
        });
    }

    /// Waits for that.
    pub(super) async fn has_ended(&self) -> Result<(), AgentError> {
        let ended = |state: &State| {
            let has_ended = state.status.phase == AgentPhase::Ended;
            has_ended.then(|| state.failed.clone().map_or(Ok(()), Err))
        };
        self.wait(ended).await
    }

    /// Changes something that is waited for.
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_waiters();
    }

    async fn wait<T>(&self, condition: impl Fn(&State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // Before the look, so that no change is missed.
            changed.as_mut().enable();
            let found = condition(&self.state.lock());
            if let Some(found) = found {
                return found;
            }
            changed.await;
        }
    }

    /// Takes nothing new from now on.
    pub(super) fn stop_taking(&self) {
        self.is_full.store(true, Ordering::Release);
    }

    pub(super) fn takes(&self) -> bool {
        !self.is_full.load(Ordering::Acquire)
    }

    /// Ends the work.
    pub(super) fn stop(&self) {
        self.change(|state| state.stopping = true);
    }

    /// Waits for [`stop`](Self::stop).
    pub(super) async fn stopped(&self) {
        self.wait(|state| state.stopping.then_some(())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_agent_that_is_up_to_date_is_ready() {
        let most = Duration::from_secs(30);
        let mut status = AgentStatus {
            phase: AgentPhase::Consuming,
            connected: true,
            lag: most,
            answered: Some(most),
            ..AgentStatus::default()
        };
        assert_eq!(status.not_ready(most), None);
        status.lag = Duration::from_millis(31_500);
        status.open = 3;
        assert_eq!(
            status.not_ready(most).unwrap(),
            "31s behind: 3 messages are open"
        );
        status.open = 0;
        let why = status.not_ready(most).unwrap();
        assert!(why.contains("does not deliver"), "{why}");
        status.connected = false;
        let why = status.not_ready(most).unwrap();
        assert!(why.starts_with("not connected for 31s"), "{why}");
        // It may be back in a moment.
        status.lag = Duration::ZERO;
        assert_eq!(status.not_ready(most), None);
        status.connected = true;
        for (phase, words) in [
            (AgentPhase::Connecting, "connecting: the servers have not"),
            (AgentPhase::Emptying, "emptying"),
            (AgentPhase::WaitingForOperator, "waiting for the operator"),
            (AgentPhase::Unclean, "unclean"),
            (AgentPhase::Ended, "has ended"),
        ] {
            status.phase = phase;
            let why = status.not_ready(most).unwrap();
            assert!(why.contains(words), "{why}");
        }
        status.phase = AgentPhase::Connecting;
        status.why = Some("refused".to_owned());
        assert_eq!(status.not_ready(most).unwrap(), "not connected: refused");
    }

    #[test]
    fn a_connection_alone_does_not_make_an_agent_ready() {
        let most = Duration::from_secs(30);
        let mut status = AgentStatus {
            phase: AgentPhase::Consuming,
            connected: true,
            unanswered: Some("timed out".to_owned()),
            ..AgentStatus::default()
        };
        let why = status.not_ready(most).unwrap();
        assert_eq!(
            why,
            "the servers have not answered all that the agent asks yet: timed out"
        );
        status.answered = Some(Duration::from_millis(40_500));
        let why = status.not_ready(most).unwrap();
        assert_eq!(why, "the servers have not answered for 40s: timed out");
        status.answered = Some(most);
        assert_eq!(status.not_ready(most), None);
        // It does not ask that often.
        status.answered = Some(Duration::from_secs(2));
        assert_eq!(status.not_ready(Duration::ZERO), None);
    }
}
