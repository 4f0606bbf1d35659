//! What has been purged lately: the newest purges with the answers of the nodes, and figures of the last ten minutes.
//!
//! Everything here comes from reports, so nothing runs while nothing is purged.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::base::outcome::Outcome;
use crate::base::report::Report;
use crate::base::target::Target;

/// The number of purges that are kept.
const KEPT: usize = 1000;

/// The number of answers that are kept of one purge. A purge of a tag without a cache for tags has one for each page.
const ANSWERS: usize = 64;

/// Answers to one purge that come later than this after the one before are shown as a purge of their own.
const TOGETHER: Duration = Duration::from_secs(120);

/// The time of one point of the charts.
pub(super) const STEP: Duration = Duration::from_secs(5);

/// The number of points: ten minutes.
pub(super) const STEPS: usize = 120;

/// The rate and the lag of a node are those of so many steps: a minute.
const SHORT: u64 = 12;

/// A purge of one target, with the answers of the nodes.
#[derive(Debug, Clone)]
pub(super) struct Purge {
    /// Counts from 1.
    pub(super) id: u64,
    pub(super) target: Target,
    /// When its first answer came.
    pub(super) since: SystemTime,
    /// When its last answer came.
    last: Instant,
    pub(super) answers: Vec<Answer>,
}

/// How one node answered, at last.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) cache: Arc<str>,
    pub(super) node: Arc<str>,
    pub(super) outcome: Outcome,
    pub(super) status: Option<u16>,
    pub(super) verified: bool,
    pub(super) rebound: bool,
    pub(super) attempts: u32,
    pub(super) waited: Duration,
    pub(super) took: Duration,
}

/// The figures of one step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    /// Which step it is, counted from the start.
    step: u64,
    pub(super) purged: u64,
    pub(super) not_cached: u64,
    /// Attempts that will be repeated.
    pub(super) failed: u64,
    /// Purges that were given up, refused or dropped.
    pub(super) lost: u64,
    lag: Duration,
    pub(super) longest_lag: Duration,
}

impl Figures {
    fn add(&mut self, report: &Report) {
        match &report.outcome {
            Outcome::Purged => self.purged += 1,
            Outcome::NotCached => self.not_cached += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Refused(_) | Outcome::Dead(_) | Outcome::Dropped | Outcome::Abandoned => {
                self.lost += 1;
            }
        }
        if report.outcome.is_done() {
            let lag = report.waited.saturating_add(report.took);
            self.lag = self.lag.saturating_add(lag);
            self.longest_lag = self.longest_lag.max(lag);
        }
    }

    pub(super) fn done(&self) -> u64 {
        self.purged + self.not_cached
    }

    /// The mean time from the hook to the answer.
    pub(super) fn mean_lag(&self) -> Option<Duration> {
        let done = u32::try_from(self.done()).unwrap_or(u32::MAX);
        self.lag.checked_div(done)
    }
}

/// Figures of the last steps, the oldest first; steps without a report are missing.
#[derive(Debug, Default)]
struct Series(VecDeque<Figures>);

impl Series {
    fn add(&mut self, step: u64, most: usize, report: &Report) {
        match self.0.back_mut() {
            Some(last) if last.step == step => return last.add(report),
            _ => {}
        }
        if self.0.len() >= most {
            self.0.pop_front();
        }
        let mut figures = Figures {
            step,
            ..Figures::default()
        };
        figures.add(report);
        self.0.push_back(figures);
    }

    /// The sum of the last `steps` steps.
    fn sum(&self, now: u64, steps: u64) -> Figures {
        let since = now.saturating_sub(steps.saturating_sub(1));
        let recent = self.0.iter().filter(|figures| figures.step >= since);
        recent.fold(Figures::default(), |sum, one| Figures {
            step: now,
            purged: sum.purged + one.purged,
            not_cached: sum.not_cached + one.not_cached,
            failed: sum.failed + one.failed,
            lost: sum.lost + one.lost,
            lag: sum.lag.saturating_add(one.lag),
            longest_lag: sum.longest_lag.max(one.longest_lag),
        })
    }
}

/// What a node did lately.
#[derive(Debug, Default)]
struct AtNode {
    series: Series,
    last_error: Option<(String, SystemTime)>,
}

/// What a page shows of a node besides its counters.
#[derive(Debug, Clone, Default)]
pub(super) struct NodeFigures {
    /// Answers of the last minute.
    pub(super) last_minute: Figures,
    pub(super) last_error: Option<(String, SystemTime)>,
}

#[derive(Debug)]
pub(super) struct Recent {
    began: Instant,
    last_id: u64,
    purges: VecDeque<Purge>,
    /// The newest purge of each target.
    newest: HashMap<Target, u64>,
    /// Counts the reports, so that a page knows whether there are new ones.
    pub(super) version: u64,
    /// Reports that were pushed out before they were read.
    pub(super) missed: u64,
    series: Series,
    nodes: HashMap<(Arc<str>, Arc<str>), AtNode>,
}

impl Recent {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            last_id: 0,
            purges: VecDeque::new(),
            newest: HashMap::new(),
            version: 0,
            missed: 0,
            series: Series::default(),
            nodes: HashMap::new(),
        }
    }

    fn step(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs() / STEP.as_secs()
    }

    pub(super) fn add(&mut self, report: Report, now: Instant, clock: SystemTime) {
        self.version += 1;
        if !report.rebound {
            let step = self.step(now);
            self.series.add(step, STEPS, &report);
            if !report.node.is_empty() {
                let place = (Arc::clone(&report.cache), Arc::clone(&report.node));
                let at_node = self.nodes.entry(place).or_default();
                // A minute, and one more that may have just begun.
                at_node.series.add(step, 1 + SHORT as usize, &report);
            }
        }
        if !report.outcome.is_done() && !report.node.is_empty() {
            let place = (Arc::clone(&report.cache), Arc::clone(&report.node));
            let error = report.outcome.to_string();
            self.nodes.entry(place).or_default().last_error = Some((error, clock));
        }
        self.remember(report, now, clock);
    }

    fn remember(&mut self, report: Report, now: Instant, clock: SystemTime) {
        let answer = Answer {
            cache: report.cache,
            node: report.node,
            outcome: report.outcome,
            status: report.status,
            verified: report.verified,
            rebound: report.rebound,
            attempts: report.attempts,
            waited: report.waited,
            took: report.took,
        };
        let known = self.newest.get(&report.target).copied();
        if let Some(purge) = known.and_then(|id| self.get_mut(id))
            && purge.takes(&answer, now)
        {
            return purge.put(answer, now);
        }
        if self.purges.len() >= KEPT
            && let Some(oldest) = self.purges.pop_front()
            && self.newest.get(&oldest.target) == Some(&oldest.id)
        {
            self.newest.remove(&oldest.target);
        }
        self.last_id += 1;
        self.newest.insert(report.target.clone(), self.last_id);
        self.purges.push_back(Purge {
            id: self.last_id,
            target: report.target,
            since: clock,
            last: now,
            answers: vec![answer],
        });
    }

    fn get_mut(&mut self, id: u64) -> Option<&mut Purge> {
        let first = self.purges.front()?.id;
        let place = usize::try_from(id.checked_sub(first)?).ok()?;
        self.purges.get_mut(place)
    }

    /// The purges, the newest first.
    pub(super) fn purges(&self) -> impl Iterator<Item = &Purge> {
        self.purges.iter().rev()
    }

    /// The figures of each step of the last ten minutes, the oldest first.
    pub(super) fn chart(&self, now: Instant) -> Vec<Figures> {
        let now = self.step(now);
        let mut known = self.series.0.iter().peekable();
        let first = (now + 1).saturating_sub(STEPS as u64);
        let steps = first..=now;
        steps
            .map(|step| {
                while known.next_if(|figures| figures.step < step).is_some() {}
                let found = known.next_if(|figures| figures.step == step);
                found.copied().unwrap_or_default()
            })
            .collect()
    }

    pub(super) fn of_node(&self, cache: &Arc<str>, node: &Arc<str>, now: Instant) -> NodeFigures {
        let place = (Arc::clone(cache), Arc::clone(node));
        let at_node = self.nodes.get(&place);
        at_node.map_or_else(NodeFigures::default, |at_node| NodeFigures {
            last_minute: at_node.series.sum(self.step(now), SHORT),
            last_error: at_node.last_error.clone(),
        })
    }

    /// The time that [`NodeFigures::last_minute`] is about.
    pub(super) fn short(&self, now: Instant) -> Duration {
        let steps = self.step(now).min(SHORT - 1);
        let current = now.saturating_duration_since(self.began).as_millis() % STEP.as_millis();
        let current = Duration::from_millis(u64::try_from(current).unwrap_or_default());
        let whole = STEP * u32::try_from(steps).unwrap_or_default();
        (whole + current).max(Duration::from_secs(1))
    }
}

impl Purge {
    /// Whether this is one more answer to the same purge, rather than to the next one of the target.
    fn takes(&self, answer: &Answer, now: Instant) -> bool {
        let same = self.answers.iter().find(|known| known.is_of(answer));
        now.saturating_duration_since(self.last) < TOGETHER
            && match same {
                Some(known) => !known.outcome.is_final(),
                None => true,
            }
    }

    fn put(&mut self, answer: Answer, now: Instant) {
        self.last = now;
        let known = self.answers.iter().position(|known| known.is_of(&answer));
        match known {
            Some(place) => self.answers[place] = answer,
            None if self.answers.len() < ANSWERS => self.answers.push(answer),
            None => {}
        }
    }

    /// Whether one of its answers is one that `wanted` is true of.
    pub(super) fn has(&self, wanted: impl Fn(&Answer) -> bool) -> bool {
        self.answers.iter().any(wanted)
    }
}

impl Answer {
    /// Whether both are of one node, about the same of the two purges.
    fn is_of(&self, other: &Self) -> bool {
        self.rebound == other.rebound && self.node == other.node && self.cache == other.cache
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::outcome::Failure;

    fn report(url: &str, node: &str, outcome: Outcome) -> Report {
        Report {
            target: Target::url(url).expect("a URL"),
            cache: "nginx".into(),
            node: node.into(),
            outcome,
            status: None,
            verified: false,
            rebound: false,
            attempts: 1,
            waited: Duration::from_millis(3),
            took: Duration::from_millis(1),
        }
    }

    struct Sender {
        recent: Recent,
        began: Instant,
    }

    impl Sender {
        fn new() -> Self {
            let began = Instant::now();
            Self {
                recent: Recent::new(began),
                began,
            }
        }

        fn send(&mut self, second: u64, report: Report) {
            let now = self.began + Duration::from_secs(second);
            self.recent.add(report, now, SystemTime::UNIX_EPOCH);
        }

        /// The targets with the nodes that answered, the newest first.
        fn shown(&self) -> Vec<String> {
            let purges = self.recent.purges();
            purges
                .map(|purge| {
                    let answers = purge.answers.iter();
                    let answers: Vec<_> = answers
                        .map(|answer| format!("{} {}", answer.node, answer.outcome))
                        .collect();
                    format!("{}: {}", purge.target.as_str(), answers.join(", "))
                })
                .collect()
        }
    }

    #[test]
    fn the_answers_of_all_nodes_are_of_one_purge_and_the_next_purge_is_another() {
        let mut sender = Sender::new();
        sender.send(0, report("/a", "1", Outcome::Purged));
        sender.send(0, report("/b", "1", Outcome::Purged));
        sender.send(0, report("/a", "2", Outcome::NotCached));
        sender.send(1, report("/a", "1", Outcome::NotCached));
        assert_eq!(
            sender.shown(),
            [
                "/a: 1 not cached",
                "/b: 1 purged",
                "/a: 1 purged, 2 not cached"
            ]
        );
    }

    #[test]
    fn a_retry_takes_the_place_of_the_attempt_that_failed() {
        let mut sender = Sender::new();
        sender.send(0, report("/a", "1", Outcome::Failed(Failure::Timeout)));
        sender.send(30, report("/a", "1", Outcome::Failed(Failure::Timeout)));
        sender.send(60, report("/a", "1", Outcome::Purged));
        assert_eq!(sender.shown(), ["/a: 1 purged"]);
        sender.send(600, report("/a", "2", Outcome::Purged));
        assert_eq!(sender.shown().len(), 2, "too late to belong to it");
    }

    #[test]
    fn the_second_purge_is_an_answer_of_the_first() {
        let mut sender = Sender::new();
        sender.send(0, report("/a", "1", Outcome::Purged));
        let rebound = Report {
            rebound: true,
            ..report("/a", "1", Outcome::NotCached)
        };
        sender.send(2, rebound);
        assert_eq!(sender.shown(), ["/a: 1 purged, 1 not cached"]);
    }

    #[test]
    fn memory_is_bounded_in_purges_and_in_answers() {
        let mut sender = Sender::new();
        for number in 0..5_000 {
            sender.send(0, report(&format!("/{number}"), "1", Outcome::Purged));
            sender.send(0, report("/same", &format!("{number}"), Outcome::Purged));
        }
        assert_eq!(sender.recent.purges.len(), KEPT);
        assert!(sender.recent.newest.len() <= KEPT);
        let most = sender.recent.purges().map(|purge| purge.answers.len());
        assert!(most.max() <= Some(ANSWERS));
        for second in 0..10_000 {
            sender.send(second, report("/a", "1", Outcome::Purged));
        }
        assert_eq!(sender.recent.series.0.len(), STEPS);
    }

    #[test]
    fn the_chart_has_a_point_for_each_step_also_without_a_report() {
        let mut sender = Sender::new();
        sender.send(1, report("/a", "1", Outcome::Purged));
        sender.send(12, report("/a", "1", Outcome::NotCached));
        sender.send(13, report("/b", "1", Outcome::Failed(Failure::Timeout)));
        let at = |second| {
            let now = sender.began + Duration::from_secs(second);
            let chart = sender.recent.chart(now);
            let points = chart.iter();
            points
                .map(|point| (point.done(), point.failed))
                .collect::<Vec<_>>()
        };
        assert_eq!(at(14), [(1, 0), (0, 0), (1, 1)]);
        assert_eq!(at(24), [(1, 0), (0, 0), (1, 1), (0, 0), (0, 0)]);
        assert_eq!(at(6_000).len(), STEPS);
        assert!(at(6_000).iter().all(|point| *point == (0, 0)));
    }

    #[test]
    fn a_node_shows_its_last_minute_and_its_last_error() {
        let mut sender = Sender::new();
        sender.send(0, report("/a", "1", Outcome::Purged));
        sender.send(1, report("/a", "1", Outcome::Failed(Failure::Timeout)));
        let of_node = |second| {
            let now = sender.began + Duration::from_secs(second);
            sender.recent.of_node(&"nginx".into(), &"1".into(), now)
        };
        assert_eq!(of_node(10).last_minute.done(), 1);
        let lag = of_node(10).last_minute.mean_lag();
        assert_eq!(lag, Some(Duration::from_millis(4)));
        assert_eq!(of_node(70).last_minute.done(), 0);
        assert_eq!(of_node(70).last_minute.mean_lag(), None);
        let error = of_node(70).last_error.map(|(text, _)| text);
        assert_eq!(error.as_deref(), Some("failed: no answer in time"));
    }
}
