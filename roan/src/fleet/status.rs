//! How each node of a fleet is: what it has, what it lacks, and when its agent was last heard.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::heartbeat::{AgentState, EVERY, Heartbeat, LastAnswer};
use super::problem::Said;

/// A fleet as its servers know it.
///
/// All times are those of the servers, so that a clock that is wrong elsewhere does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetStatus {
    /// The name of the stream.
    pub stream: String,
    /// What of the settings of the stream can lose purges, and what to type; or why the heartbeats of the agents cannot be read.
    pub problem: Option<String>,
    /// What else can lose some, such as a power failure, and what is good to know of the settings.
    pub warnings: Vec<String>,
    /// The number of messages in the stream.
    pub messages: u64,
    /// Their size, in bytes.
    pub bytes: u64,
    /// The sequence of the first message that the stream still has.
    pub first: u64,
    /// The sequence of the last message, 0 if there was none.
    pub last: u64,
    /// The nodes, in the order of their names.
    pub nodes: Vec<FleetNode>,
}

/// A node of a fleet: a cache with an agent beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetNode {
    /// Its name.
    pub node: String,
    /// How it is.
    pub state: FleetNodeState,
    /// The time since its agent was last heard; if it never was, since its consumer was last used.
    pub heard: Option<Duration>,
    /// The number of messages that it has not acknowledged.
    pub lag: u64,
    /// The oldest of these: its sequence, and its age.
    pub oldest: Option<(u64, Duration)>,
    /// The sequence up to which it has acknowledged every message, by what the servers say of its consumer and by what its
    /// agent says itself; `None` if it does not have a consumer.
    pub acknowledged: Option<u64>,
    /// The number of purges that wait in its agent.
    pub waiting: u64,
    /// The last answer of its cache: the time since, the outcome, and the target.
    pub last_answer: Option<(Duration, String, String)>,
    /// The kind of its cache, and the version of its agent.
    pub agent: Option<(String, String)>,
    /// Why its cache may have stale pages, if the agent has given up a purge.
    pub unclean: Option<String>,
    /// What makes it clean again, or ends that it is emptied again and again, if the agent says so.
    pub cure: Option<String>,
    /// Why its cache could not be emptied, while its agent tries that again.
    pub failure: Option<String>,
    /// What else its agent has seen: a site with another host than the app has, say, or that the cache has refused the last purge.
    pub warnings: Vec<String>,
    /// Whether messages are gone from the stream that it has not acknowledged. Its agent empties the cache when it finds out.
    pub has_gap: bool,
    /// Whether its agent may run although nothing is known of it: the heartbeats cannot be read, or the servers have had their
    /// bucket for a short time.
    pub may_run: bool,
}

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FleetNodeState {
    /// Its agent purges what comes.
    Consuming,
    /// It is new, or was away for too long: its agent empties the cache before it consumes.
    Emptying,
    /// The same, but its agent cannot empty the cache: somebody must.
    WaitingForOperator,
    /// Its agent has given up a purge: its cache may have stale pages until it is emptied.
    Unclean,
    /// Its agent is alive, but the stream does not keep messages for it: somebody has deleted its consumer, or it is about
    /// to make one.
    WithoutConsumer,
    /// No server answers for its consumer or its heartbeat, so nobody knows what it has.
    Unknown,
    /// Its agent has been silent for longer than [`FleetStatus::GONE_AFTER`].
    Gone,
}

impl FleetNodeState {
    /// A word that does not change.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consuming => "consuming",
            Self::Emptying => "emptying",
            Self::WaitingForOperator => "waiting for operator",
            Self::Unclean => "unclean",
            Self::WithoutConsumer => "without consumer",
            Self::Unknown => "unknown",
            Self::Gone => "gone",
        }
    }
}

impl fmt::Display for FleetNodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FleetNode {
    /// Whether its agent is alive.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state != FleetNodeState::Gone
    }

    /// Whether its cache has every purge up to the message of this sequence.
    ///
    /// It is also true of a node that does not serve the site of that message.
    #[must_use]
    pub fn has(&self, sequence: u64) -> bool {
        let is_clean = match self.state {
            FleetNodeState::Consuming => !self.has_gap,
            // What it has acknowledged does not go away with its agent.
            FleetNodeState::Gone => {
                // Without a heartbeat nobody knows what its agent has given up.
                let is_known = self.agent.is_some() && self.acknowledged.is_some();
                is_known && self.unclean.is_none() && !self.has_gap
            }
            _ => false,
        };
        is_clean && self.oldest.is_none_or(|(oldest, _)| oldest > sequence)
    }

    /// What is wrong with it and what to do, if it is behind by more than this, or if its pages may stay stale.
    #[must_use]
    pub fn problem(&self, max_lag: Duration) -> Option<String> {
        let name = &self.node;
        let gap = match self.has_gap {
            true => ", and messages have expired that it lacks, so its cache will be emptied",
            false => "",
        };
        if let Some(problem) = self.said_problem() {
            return Some(problem);
        }
        Some(match self.state {
            FleetNodeState::Gone if self.may_run => format!(
                "nothing is known of its agent, since the servers do not have the heartbeats of before{gap}: if it runs, it is heard \
                 within {} s, or its log says why not; if it does not, start it",
                FleetStatus::GONE_AFTER.as_secs()
            ),
            FleetNodeState::Gone => {
                let heard = match (&self.agent, self.heard) {
                    (Some(_), Some(heard)) => format!("no heartbeat of its agent came for {}", words(heard)),
                    (None, Some(used)) => format!(
                        "no heartbeat of its agent is there, and its consumer was last used {} ago",
                        words(used)
                    ),
                    (_, None) => "no heartbeat of its agent is there".to_owned(),
                };
                format!(
                    "{heard}{gap}: if it runs, its log says why; if it does not, start it, or if the node is away for good, type \
                     `roan fleet drop {name}`"
                )
            }
            FleetNodeState::WithoutConsumer => {
                "the stream does not keep messages for it: start its agent again, which makes a consumer and empties the cache"
                    .to_owned()
            }
            FleetNodeState::Unknown if self.may_run => {
                "nothing is known of its agent: the heartbeats cannot be read, for the reason that is said of the whole fleet".to_owned()
            }
            FleetNodeState::Unknown => {
                "no server answers for its consumer: see that all servers of the cluster are up".to_owned()
            }
            FleetNodeState::Consuming if self.has_gap => {
                "messages are gone from the stream before its agent has said that it has them, so its pages may be stale: its \
                 agent empties the cache when it finds out"
                    .to_owned()
            }
            // The rest of what the agent says of the other two is above.
            FleetNodeState::Consuming
            | FleetNodeState::Emptying
            | FleetNodeState::WaitingForOperator
            | FleetNodeState::Unclean => {
                let (sequence, age) = self.oldest.filter(|(_, age)| *age > max_lag)?;
                format!(
                    "it is behind by {}: message {sequence} waits, and {} in all",
                    words(age),
                    self.lag
                )
            }
        })
    }

    /// What its cache has last answered, if the purge was given up for that. No page is stale by it, since the cache was
    /// emptied. On a quiet site nothing shows for hours whether it is mended.
    fn bad_answer(&self) -> Option<String> {
        let (since, outcome, target) = self.last_answer.as_ref()?;
        let is_bad = self.state == FleetNodeState::Consuming && LastAnswer::is_given_up(outcome);
        is_bad.then(|| {
            format!(
                "its cache has answered the last purge, of {target}, {} ago: {outcome}: mend that, if it is not mended. The \
                 cache is emptied after each such answer, and the next purge that goes well ends this",
                words(*since)
            )
        })
    }

    /// What is wrong by the words of its agent.
    fn said_problem(&self) -> Option<String> {
        let state = match self.state {
            FleetNodeState::Emptying => AgentState::Emptying,
            FleetNodeState::WaitingForOperator => AgentState::WaitingForOperator,
            FleetNodeState::Unclean => AgentState::Unclean,
            _ => return None,
        };
        let said = Said {
            node: &self.node,
            unclean: self.unclean.as_deref(),
            cure: self.cure.as_deref(),
            failure: self.failure.as_deref(),
        };
        said.problem(state)
    }

    /// As an object, as `roan fleet status --format json` prints it.
    pub(crate) fn to_json(&self, max_lag: Duration) -> Value {
        let last = self.last_answer.as_ref();
        json!({
            "node": self.node,
            "state": self.state.as_str(),
            "heard_ms": self.heard.map(milliseconds),
            "lag": self.lag,
            "lag_ms": self.oldest.map_or(0, |(_, age)| milliseconds(age)),
            "oldest": self.oldest.map(|(sequence, _)| sequence),
            "acknowledged": self.acknowledged,
            "waiting": self.waiting,
            "last_answer": last.map(|(since, outcome, target)| json!({
                "since_ms": milliseconds(*since),
                "outcome": outcome,
                "target": target,
            })),
            "cache": self.agent.as_ref().map(|(cache, _)| cache),
            "version": self.agent.as_ref().map(|(_, version)| version),
            "unclean": self.unclean,
            "cure": self.cure,
            "failure": self.failure,
            "warnings": self.warnings,
            "gap": self.has_gap,
            "problem": self.problem(max_lag),
        })
    }
}

impl FleetStatus {
    /// An agent that has been silent for so long is gone: three of its heartbeats are missing.
    pub const GONE_AFTER: Duration = EVERY.saturating_mul(3);

    /// How long a message may wait for a node, where nothing else is set: as long as an agent counts as ready.
    pub const MAX_LAG: Duration = Duration::from_secs(30);

    /// As a JSON object. `problem` of a node says what is wrong with it, if it is behind by more than this, or not well.
    #[must_use]
    pub fn to_json(&self, max_lag: Duration) -> String {
        self.to_value(max_lag).to_string()
    }

    pub(crate) fn to_value(&self, max_lag: Duration) -> Value {
        let nodes = self.nodes.iter().map(|node| node.to_json(max_lag));
        json!({
            "stream": self.stream,
            "problem": self.problem,
            "warnings": self.warnings,
            "messages": self.messages,
            "bytes": self.bytes,
            "first": self.first,
            "last": self.last,
            "nodes": nodes.collect::<Vec<_>>(),
        })
    }
}

/// What the stream says of a consumer.
#[derive(Debug, Clone)]
pub(super) struct Consumed {
    pub(super) acknowledged: u64,
    /// Messages that it has not acknowledged, delivered or not.
    pub(super) lag: u64,
    /// The oldest of these.
    pub(super) oldest: Option<(u64, SystemTime)>,
    /// Whether it receives every message.
    pub(super) is_of_all: bool,
    pub(super) used: SystemTime,
}

impl Consumed {
    /// Takes what the agent says for the truth, if that is less. The server moves the floor of a consumer past messages that
    /// have expired, and the one that answers for a consumer may lack what the stream has.
    pub(super) fn limit(&mut self, proven: u64) {
        if self.is_of_all {
            self.acknowledged = self.acknowledged.min(proven);
        }
    }
}

/// A heartbeat, and when the server got it.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) at: SystemTime,
    /// `Err` if this version of Roan cannot read it.
    pub(super) heartbeat: Result<Heartbeat, String>,
}

impl Heard {
    /// The message of a stream with this last one, up to which the cache has every purge. `None` if the agent does not say it
    /// in this state.
    pub(super) fn proven(&self, last: u64) -> Option<u64> {
        let heartbeat = self.heartbeat.as_ref().ok()?;
        match heartbeat.state {
            // More than there are: it speaks of another stream, before this one.
            AgentState::Consuming if heartbeat.acknowledged > last => Some(0),
            AgentState::Consuming => Some(heartbeat.acknowledged),
            // Its consumer begins where the cache will have been emptied.
            AgentState::Emptying | AgentState::WaitingForOperator | AgentState::Unclean => None,
        }
    }
}

/// What is known of a node, of which at least one of the two is there. A consumer is `None` if its server does not answer. `kept` is
/// how long the servers have had the bucket of the heartbeats, `None` if they do not answer for it.
pub(super) fn node(
    node: String,
    consumed: Option<&Option<Consumed>>,
    heard: Option<&Heard>,
    first: u64,
    (now, kept): (SystemTime, Option<Duration>),
) -> FleetNode {
    let is_unknown = consumed.is_some_and(Option::is_none);
    let consumed = consumed.and_then(Option::as_ref);
    let since = |time: SystemTime| now.duration_since(time).unwrap_or_default();
    let heartbeat = heard.and_then(|heard| heard.heartbeat.as_ref().ok());
    let unreadable = heard.and_then(|heard| heard.heartbeat.as_ref().err());
    let is_live = heard.is_some_and(|heard| since(heard.at) <= FleetStatus::GONE_AFTER);
    let said = heartbeat.map(|heartbeat| heartbeat.state);
    let may_run = heard.is_none() && kept.is_none_or(|kept| kept <= FleetStatus::GONE_AFTER);
    let state = match (is_live, consumed, said) {
        (false, ..) if kept.is_none() => FleetNodeState::Unknown,
        (false, ..) => FleetNodeState::Gone,
        // It makes its consumer soon, if it has not yet.
        (true, _, Some(AgentState::Emptying)) => FleetNodeState::Emptying,
        (true, _, Some(AgentState::WaitingForOperator)) => FleetNodeState::WaitingForOperator,
        (true, None, _) if is_unknown => FleetNodeState::Unknown,
        (true, None, _) => FleetNodeState::WithoutConsumer,
        (true, Some(_), Some(AgentState::Unclean) | None) => FleetNodeState::Unclean,
        (true, Some(_), Some(AgentState::Consuming)) => FleetNodeState::Consuming,
    };
    let answer = |answer: &LastAnswer| {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(answer.at);
        (since(at), answer.outcome.clone(), answer.target.clone())
    };
    // A server moves the floor of a consumer past messages that have expired, whoever has them.
    let own_floor = heartbeat.map_or(u64::MAX, |heartbeat| heartbeat.acknowledged);
    let has_gap = consumed.is_some_and(|consumed| {
        consumed.is_of_all && own_floor.min(consumed.acknowledged) + 1 < first
    });
    let mut node = FleetNode {
        node,
        state,
        has_gap,
        may_run,
        heard: heard
            .map(|heard| heard.at)
            .or(consumed.map(|consumed| consumed.used))
            .map(since),
        lag: consumed.map_or(0, |consumed| consumed.lag),
        oldest: consumed
            .and_then(|consumed| consumed.oldest)
            .map(|(sequence, time)| (sequence, since(time))),
        acknowledged: consumed.map(|consumed| consumed.acknowledged),
        waiting: heartbeat.map_or(0, |heartbeat| heartbeat.waiting),
        last_answer: heartbeat
            .and_then(|heartbeat| heartbeat.last_answer.as_ref())
            .map(answer),
        agent: heartbeat.map(|heartbeat| (heartbeat.cache.clone(), heartbeat.version.clone())),
        cure: heartbeat.and_then(|heartbeat| heartbeat.cure.clone()),
        failure: heartbeat.and_then(|heartbeat| heartbeat.failure.clone()),
        warnings: heartbeat.map_or_else(Vec::new, |heartbeat| heartbeat.warnings.clone()),
        unclean: match heartbeat {
            Some(heartbeat) => heartbeat.unclean.clone(),
            None => unreadable
                .map(|why| format!("its heartbeat cannot be read ({why}); install the same version of Roan here and there")),
        },
    };
    let bad_answer = node.bad_answer();
    node.warnings.extend(bad_answer);
    node
}

/// A duration in its two largest units: `2h 5m`.
fn words(duration: Duration) -> String {
    let seconds = Duration::from_secs(duration.as_secs());
    let all = humantime::format_duration(seconds).to_string();
    let largest: Vec<_> = all.split(' ').take(2).collect();
    largest.join(" ")
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::outcome::{Failure, Outcome, Refusal};

    const NOW: u64 = 1_000_000;

    fn at(seconds_ago: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW - seconds_ago)
    }

    fn heard(seconds_ago: u64, state: AgentState) -> Heard {
        let heartbeat = Heartbeat {
            node: "a".to_owned(),
            version: "1".to_owned(),
            started: 0,
            at: 0,
            state,
            acknowledged: 10,
            waiting: 0,
            last_answer: None,
            cache: "nginx".to_owned(),
            unclean: None,
            cure: None,
            failure: None,
            warnings: Vec::new(),
        };
        Heard {
            at: at(seconds_ago),
            heartbeat: Ok(heartbeat),
        }
    }

    fn consumed(acknowledged: u64, oldest: Option<(u64, u64)>) -> Consumed {
        Consumed {
            acknowledged,
            lag: u64::from(oldest.is_some()),
            oldest: oldest.map(|(sequence, seconds_ago)| (sequence, at(seconds_ago))),
            is_of_all: true,
            used: at(500),
        }
    }

    fn seen(consumed: Option<&Consumed>, heard: Option<&Heard>, first: u64) -> FleetNode {
        let consumed = Some(consumed.cloned());
        let now = (at(0), Some(Duration::MAX));
        node("a".to_owned(), consumed.as_ref(), heard, first, now)
    }

    #[test]
    fn a_consumer_whose_server_is_away_is_not_one_that_is_missing() {
        let heard = heard(1, AgentState::Consuming);
        let unknown = seen(None, Some(&heard), 1);
        assert_eq!(unknown.state, FleetNodeState::Unknown);
        assert!(!unknown.has(1) && unknown.problem(Duration::MAX).is_some());
        let now = (at(0), Some(Duration::MAX));
        let without = node("a".to_owned(), None, Some(&heard), 1, now);
        assert_eq!(without.state, FleetNodeState::WithoutConsumer);
    }

    #[test]
    fn an_agent_is_gone_after_three_heartbeats() {
        let well = consumed(10, None);
        let live = seen(Some(&well), Some(&heard(30, AgentState::Consuming)), 1);
        assert_eq!(live.state, FleetNodeState::Consuming);
        assert_eq!(live.problem(Duration::ZERO), None);
        let gone = seen(Some(&well), Some(&heard(31, AgentState::Consuming)), 1);
        assert_eq!(gone.state, FleetNodeState::Gone);
        assert!(gone.has(10) && !gone.is_live());
        let problem = gone.problem(Duration::ZERO).unwrap();
        let words = "no heartbeat of its agent came for 31s: if it runs, its log says why; if it does not, start it, or if";
        assert!(problem.starts_with(words), "{problem}");
        let unheard = seen(Some(&well), None, 1);
        let problem = unheard.problem(Duration::ZERO).unwrap();
        assert!(problem.contains("last used 8m 20s ago"), "{problem}");
        assert!(problem.contains("`roan fleet drop a`"), "{problem}");
    }

    /// After a cluster without most of its servers, or with a bucket that was lost, running agents are not heard for a moment.
    #[test]
    fn an_agent_of_which_nothing_is_known_is_not_to_be_dropped() {
        let well = Some(consumed(10, None));
        for (kept, state) in [
            (None, FleetNodeState::Unknown),
            (Some(Duration::ZERO), FleetNodeState::Gone),
            (Some(FleetStatus::GONE_AFTER), FleetNodeState::Gone),
        ] {
            let node = node("a".to_owned(), Some(&well), None, 1, (at(0), kept));
            assert_eq!(node.state, state);
            assert!(!node.has(1), "{node:?}");
            let problem = node.problem(Duration::MAX).unwrap();
            assert!(
                problem.starts_with("nothing is known of its agent"),
                "{problem}"
            );
            assert!(!problem.contains("drop"), "{problem}");
        }
    }

    #[test]
    fn a_clock_that_runs_ahead_does_not_make_it_gone() {
        let mut early = heard(0, AgentState::Consuming);
        early.at += Duration::from_secs(3600);
        let live = seen(Some(&consumed(10, None)), Some(&early), 1);
        assert_eq!(
            (live.state, live.heard),
            (FleetNodeState::Consuming, Some(Duration::ZERO))
        );
    }

    #[test]
    fn a_node_is_behind_by_the_age_of_its_oldest_message() {
        let late = consumed(10, Some((11, 40)));
        let late = seen(Some(&late), Some(&heard(1, AgentState::Consuming)), 1);
        assert!(late.has(10) && !late.has(11));
        assert_eq!(late.problem(Duration::from_secs(40)), None);
        let problem = late.problem(Duration::from_secs(39)).unwrap();
        assert_eq!(
            problem,
            "it is behind by 40s: message 11 waits, and 1 in all"
        );
        let status = FleetStatus {
            problem: None,
            warnings: Vec::new(),
            stream: "ROAN".to_owned(),
            messages: 11,
            bytes: 1,
            first: 1,
            last: 11,
            nodes: vec![late],
        };
        let json = status.to_value(Duration::from_secs(39));
        assert_eq!(json["nodes"][0]["lag_ms"], 40_000);
        assert_eq!(json["nodes"][0]["oldest"], 11);
        assert_eq!(json["nodes"][0]["problem"], problem);
    }

    /// A server counts messages that have expired as acknowledged; the last heartbeat knows better.
    #[test]
    fn a_node_does_not_have_what_has_expired() {
        let floor_of_the_server = consumed(20, None);
        let away = heard(60, AgentState::Consuming);
        let gone = seen(Some(&floor_of_the_server), Some(&away), 21);
        assert!(gone.has_gap && !gone.has(15), "{gone:?}");
        let gone = seen(Some(&consumed(10, None)), Some(&away), 11);
        assert!(!gone.has_gap && gone.has(10), "{gone:?}");
        let live = heard(1, AgentState::Consuming);
        let live = seen(Some(&floor_of_the_server), Some(&live), 21);
        assert!(!live.has(15), "{live:?}");
        let problem = live.problem(Duration::MAX).unwrap();
        assert!(problem.contains("its pages may be stale"), "{problem}");
    }

    #[test]
    fn a_cache_that_cannot_be_emptied_is_a_problem() {
        let mut emptying = heard(1, AgentState::Emptying);
        let well = consumed(10, None);
        let node = seen(Some(&well), Some(&emptying), 1);
        assert_eq!(node.problem(Duration::ZERO), None);
        if let Ok(heartbeat) = &mut emptying.heartbeat {
            heartbeat.failure = Some("attempt 2: no disk".to_owned());
        }
        let node = seen(Some(&well), Some(&emptying), 1);
        let problem = node.problem(Duration::MAX).unwrap();
        assert!(
            problem.contains("does not give: attempt 2: no disk: mend that"),
            "{problem}"
        );
        assert_eq!(node.to_json(Duration::MAX)["problem"], problem);
    }

    /// The cache was emptied since. What refuses may be mended, and nothing shows that before the next purge.
    #[test]
    fn a_cache_that_has_refused_the_last_purge_is_a_warning_while_its_agent_consumes() {
        let well = consumed(10, None);
        let node = |state, outcome: &Outcome| {
            let mut heard = heard(1, state);
            if let Ok(heartbeat) = &mut heard.heartbeat {
                heartbeat.warnings.push("said".to_owned());
                heartbeat.last_answer = Some(LastAnswer {
                    at: (NOW - 3) * 1000,
                    outcome: outcome.to_string(),
                    target: "/a".to_owned(),
                });
            }
            seen(Some(&well), Some(&heard), 1)
        };
        let consuming = |outcome: &Outcome| node(AgentState::Consuming, outcome);
        let failed = Outcome::Failed(Failure::Timeout);
        for other in [Outcome::Purged, Outcome::NotCached, failed] {
            assert_eq!(consuming(&other).warnings, ["said"]);
        }
        let refused = Outcome::Refused(Refusal::Node("status 403".to_owned()));
        let seen = consuming(&refused);
        assert_eq!(seen.problem(Duration::ZERO), None);
        assert_eq!((seen.warnings.len(), &*seen.warnings[0]), (2, "said"));
        let words = "its cache has answered the last purge, of /a, 3s ago: refused: status 403: mend that, if it is not mended. The \
                     cache is emptied after each such answer, and the next purge that goes well ends this";
        assert_eq!(seen.warnings[1], words);
        assert_eq!(seen.to_json(Duration::ZERO)["warnings"][1], words);
        let dead = Outcome::Dead(Failure::Timeout);
        assert_eq!(consuming(&dead).warnings.len(), 2);
        // What is wrong then is said by the agent.
        for state in [AgentState::Emptying, AgentState::Unclean] {
            assert_eq!(node(state, &refused).warnings, ["said"]);
        }
    }

    #[test]
    fn a_node_that_is_not_clean_has_nothing() {
        let well = consumed(10, None);
        for state in [
            AgentState::Emptying,
            AgentState::Unclean,
            AgentState::WaitingForOperator,
        ] {
            let node = seen(Some(&well), Some(&heard(1, state)), 1);
            assert!(node.is_live() && !node.has(1), "{state:?}");
            let is_problem = node.problem(Duration::from_secs(1)).is_some();
            assert_eq!(is_problem, state != AgentState::Emptying, "{state:?}");
        }
    }
}
