//! What the operator should know although the cache is clean, as far as the agent knows. Its heartbeat says it, so that
//! `roan fleet status` and `roan agent --check` show it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::Work;
use crate::agent::intake::Intake;
use crate::agent::link::ACK_WAIT;
use crate::base::counted::counted;
use crate::base::log::warn_loudly;
use crate::base::outcome::Failure;

/// So many hosts that the app has and this agent does not are kept and logged, and so many are in the heartbeat.
const MOST_HOSTS: usize = 100;
const SHOWN_HOSTS: usize = 3;

/// So many different denials are logged at once.
const MOST_DENIALS: usize = 100;

/// What was seen since the start.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// Hosts of sites as the app says them, and as this agent has them.
    other_hosts: BTreeMap<String, String>,
    /// What to allow this user, as far as that was logged.
    denials: BTreeSet<String>,
    /// What a server has first said when it denied acknowledgements, and how many had been sent when it last did.
    denied_acks: Option<(u64, String)>,
    /// How many acknowledgements were sent, now and at the last look.
    acks: u64,
    acks_at_look: u64,
    /// The longest time for which the stream kept messages.
    longest_age: Duration,
    /// The nodes of the caches that are down while messages are open, by their numbers.
    down: BTreeMap<usize, Down>,
    /// Whether others are down than the last heartbeat has said.
    pub(super) has_turned: bool,
    /// What the last heartbeat has said.
    pub(super) said: Vec<String>,
}

#[derive(Debug)]
struct Down {
    /// The cache, and its node.
    name: String,
    since: SystemTime,
    /// That of the last attempt before the last heartbeat.
    failure: Failure,
}

/// `None` is for ever.
fn kept(max_age: Option<Duration>) -> Duration {
    max_age.unwrap_or(Duration::MAX)
}

fn words(age: Duration) -> String {
    match age {
        Duration::MAX => "for ever".to_owned(),
        age => format!("for {}", humantime::format_duration(age)),
    }
}

fn other_host(said: &str, own: &str) -> String {
    format!(
        "the agent purges the pages of {own}, as its configuration says, where the app says {said}: if its cache has them as pages of \
         {said}, they stay stale: remove the site from the agent's configuration, or correct it"
    )
}

impl Warnings {
    pub(super) fn sent_acks(&mut self, count: usize) {
        self.acks += count as u64;
    }

    /// Notes what a server has denied since the last look, if it did.
    pub(super) fn see_denial(&mut self, denied: Option<&str>) {
        match denied.filter(|words| words.contains("\"$JS.ACK.")) {
            // The words have the numbers of the message, and the next ones would be news.
            Some(words) => {
                let denied = self.denied_acks.take();
                let words = denied.map_or_else(|| words.to_owned(), |(_, words)| words);
                self.denied_acks = Some((self.acks, words));
            }
            // An answer to one that was sent before the last look would have come by now.
            None => {
                let seen = self.acks_at_look;
                self.denied_acks = self.denied_acks.take().filter(|(then, _)| *then >= seen);
            }
        }
        self.acks_at_look = self.acks;
    }

    /// Whether what these words say to allow was not said before.
    pub(super) fn is_new_denial(&mut self, words: &str) -> bool {
        let allow = words.rsplit(": ").next().unwrap_or_default();
        self.denials.len() < MOST_DENIALS && self.denials.insert(allow.to_owned())
    }

    pub(super) fn see_max_age(&mut self, max_age: Option<Duration>) {
        self.longest_age = self.longest_age.max(kept(max_age));
    }

    /// Somebody has made the stream keep messages for a shorter time while the agent runs.
    pub(super) fn shortened(&self, stream: &str, max_age: Option<Duration>) -> Option<String> {
        let (now, longest) = (kept(max_age), self.longest_age);
        (now < longest).then(|| {
            format!(
                "the stream {stream} keeps messages {}, and kept them {} since this agent started: the purges of before are dropped, and \
                 a node that is away for longer empties its cache: set `max_age` back by `nats stream edit {stream}`, or restart the \
                 agent if you mean it",
                words(now),
                words(longest)
            )
        })
    }

    fn of_hosts(&self) -> Vec<String> {
        let hosts = self.other_hosts.iter().take(SHOWN_HOSTS);
        let mut warnings: Vec<_> = hosts.map(|(said, own)| other_host(said, own)).collect();
        if let more @ 1.. = self.other_hosts.len().saturating_sub(SHOWN_HOSTS) {
            let more = counted(more, "more host");
            warnings.push(format!("so it does with {more}: its log names them"));
        }
        warnings
    }

    fn of_down(&self) -> impl Iterator<Item = String> {
        self.down.values().map(|down| {
            let Down {
                name,
                since,
                failure,
            } = down;
            // An age would be news all the time.
            let since = humantime::format_rfc3339_seconds(*since);
            format!(
                "{name} is down, and its purges wait since {since} until it answers: see that it runs. Last attempt: {failure}"
            )
        })
    }

    /// Notes the nodes that are down, each with its number, its name, and why its last attempt has failed.
    fn see_down(&mut self, nodes: impl Iterator<Item = (usize, String, Failure)>) {
        let mut before = std::mem::take(&mut self.down);
        for (number, name, failure) in nodes {
            let known = before.remove(&number);
            self.has_turned |= known.is_none();
            let down = known.unwrap_or_else(|| Down {
                name,
                since: SystemTime::now(),
                failure,
            });
            self.down.insert(number, down);
        }
        self.has_turned |= !before.is_empty();
    }

    fn of_acks(&self) -> Option<String> {
        let (_, words) = self.denied_acks.as_ref()?;
        let again = ACK_WAIT.as_secs();
        Some(format!(
            "the servers do not take the acknowledgements of the agent, so each purge comes again every {again} s: {words}"
        ))
    }
}

impl Work {
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<_> = self.warnings.of_down().collect();
        warnings.extend(self.warnings.of_hosts());
        warnings.extend(self.warnings.of_acks());
        warnings.extend(self.shortened());
        warnings
    }

    /// Notices that nodes go down, or answer again.
    pub(super) fn see_down(&mut self) {
        // What fails without a purge that waits is news of nothing.
        let nodes = self.engine.nodes.iter().filter(|_| !self.open.is_empty());
        self.warnings.see_down(nodes.filter_map(|node| {
            let failure = node.why_down()?;
            Some((
                node.number,
                format!("{} {}", node.cache, node.name),
                failure,
            ))
        }));
    }

    /// The warnings for a heartbeat.
    pub(super) fn say_warnings(&mut self) -> Vec<String> {
        self.see_down();
        for node in &self.engine.nodes {
            let down = self.warnings.down.get_mut(&node.number);
            if let (Some(down), Some(failure)) = (down, node.why_down()) {
                down.failure = failure;
            }
        }
        self.warnings.has_turned = false;
        self.warnings.said = self.warnings();
        self.warnings.said.clone()
    }

    pub(super) fn shortened(&self) -> Option<String> {
        let stream = self.agent.stream.name();
        self.warnings.shortened(stream, self.max_age)
    }

    pub(super) fn see_max_age(&mut self, max_age: Option<Duration>) {
        self.max_age = max_age;
        self.warnings.see_max_age(max_age);
    }

    /// Says once that the app has another address for a site: one of the two may be wrong, and then nothing is purged.
    pub(super) fn see_other_host(&mut self, intake: &Intake) {
        let Some((said, own)) = &intake.other_host else {
            return;
        };
        let hosts = &mut self.warnings.other_hosts;
        if hosts.len() < MOST_HOSTS && !hosts.contains_key(said) {
            hosts.insert(said.clone(), own.clone());
            let node = &self.agent.node;
            warn_loudly(format_args!("{node}: {}", other_host(said, own)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_acknowledgements_are_a_warning_until_others_are_taken() {
        let mut warnings = Warnings::default();
        let denied = "Permissions Violation for Publish to \"$JS.ACK.ROAN.roan-a.1.1.1.1.1\"";
        warnings.see_denial(Some(
            "Permissions Violation for Publish to \"$JS.API.STREAM.INFO.ROAN\"",
        ));
        assert_eq!(warnings.of_acks(), None);
        warnings.sent_acks(2);
        warnings.see_denial(Some(denied));
        assert!(warnings.of_acks().unwrap().contains(denied));
        let before = warnings.of_acks();
        let again = denied.replace("1.1.1.1.1", "2.1.1.2.2");
        warnings.see_denial(Some(&again));
        assert_eq!(warnings.of_acks(), before);
        let of = |denied: &str| format!("{denied}: allow this user to publish to `$JS.ACK.ROAN.>`");
        assert!(warnings.is_new_denial(&of(denied)) && !warnings.is_new_denial(&of(&again)));
        // Nothing was sent since then; then the answer may be on its way.
        warnings.see_denial(None);
        warnings.sent_acks(1);
        warnings.see_denial(None);
        assert!(warnings.of_acks().is_some());
        warnings.see_denial(None);
        assert_eq!(warnings.of_acks(), None);
    }

    #[test]
    fn a_node_that_goes_down_or_answers_again_is_news_once() {
        let mut warnings = Warnings::default();
        let down = |number: usize, failure| (number, format!("nginx {number}"), failure);
        let refused = || Failure::Connect("refused".to_owned());
        let mut turns = |nodes: Vec<_>| {
            warnings.see_down(nodes.into_iter());
            let said: Vec<_> = warnings.of_down().collect();
            (std::mem::take(&mut warnings.has_turned), said)
        };
        assert_eq!(turns(vec![]), (false, vec![]));
        let (has_turned, first) = turns(vec![down(1, refused())]);
        assert!(has_turned && first.len() == 1);
        assert!(
            first[0].starts_with("nginx 1 is down, and its purges wait since 20"),
            "{first:?}"
        );
        assert!(
            first[0].ends_with("Last attempt: cannot connect: refused"),
            "{first:?}"
        );
        // Each attempt may fail in another way.
        assert_eq!(
            turns(vec![down(1, Failure::Timeout)]),
            (false, first.clone())
        );
        let (has_turned, both) = turns(vec![down(0, refused()), down(1, refused())]);
        assert!(
            has_turned && both.len() == 2 && both[1] == first[0],
            "{both:?}"
        );
        let (has_turned, other) = turns(vec![down(0, refused())]);
        assert!(has_turned && other == both[..1], "{other:?}");
        assert_eq!(turns(vec![]), (true, vec![]));
    }

    #[test]
    fn a_stream_that_keeps_messages_for_a_shorter_time_is_a_warning_until_that_is_changed_back() {
        let hour = Duration::from_secs(3600);
        let mut warnings = Warnings::default();
        let mut shortened = |max_age| {
            warnings.see_max_age(max_age);
            warnings.shortened("ROAN", max_age)
        };
        assert_eq!(shortened(Some(hour)), None);
        assert_eq!(shortened(Some(2 * hour)), None);
        let warning = shortened(Some(hour)).unwrap();
        let words = "the stream ROAN keeps messages for 1h, and kept them for 2h since";
        assert!(warning.starts_with(words), "{warning}");
        assert_eq!(shortened(None), None);
        let warning = shortened(Some(2 * hour)).unwrap();
        assert!(
            warning.contains("and kept them for ever since"),
            "{warning}"
        );
    }

    #[test]
    fn hosts_that_differ_are_named_up_to_a_few() {
        let mut warnings = Warnings::default();
        for number in 0..5 {
            let (said, own) = (format!("app-{number}.test"), "own.test".to_owned());
            warnings.other_hosts.insert(said, own);
        }
        let said = warnings.of_hosts();
        assert_eq!(said.len(), SHOWN_HOSTS + 1);
        assert!(said[0].starts_with("the agent purges the pages of own.test"));
        assert!(said[0].contains("where the app says app-0.test"));
        assert!(said[3].contains("2 more hosts"), "{}", said[3]);
    }
}
