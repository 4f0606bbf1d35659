//! Figures of the last ten minutes. They come from reports, so nothing runs while nothing is purged.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::base::outcome::Outcome;
use crate::base::report::Report;

/// The time of one point of the charts.
pub(super) const STEP: Duration = Duration::from_secs(5);

/// The number of points: ten minutes.
pub(super) const STEPS: usize = 120;

/// The rate and the lag of a node are those of so many steps: a minute.
const SHORT: u64 = 12;

/// The figures of one step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Point {
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

impl Point {
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
struct Series(VecDeque<Point>);

impl Series {
    fn add(&mut self, step: u64, most: usize, report: &Report) {
        match self.0.back_mut() {
            Some(last) if last.step == step => return last.add(report),
            _ => {}
        }
        if self.0.len() >= most {
            self.0.pop_front();
        }
        let mut figures = Point {
            step,
            ..Point::default()
        };
        figures.add(report);
        self.0.push_back(figures);
    }

    /// The sum of the last `steps` steps.
    fn sum(&self, now: u64, steps: u64) -> Point {
        let since = now.saturating_sub(steps.saturating_sub(1));
        let recent = self.0.iter().filter(|figures| figures.step >= since);
        recent.fold(Point::default(), |sum, one| Point {
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
    pub(super) last_minute: Point,
    pub(super) last_error: Option<(String, SystemTime)>,
}

#[derive(Debug)]
pub(super) struct Figures {
    began: Instant,
    /// Counts the reports, so that a page knows whether there are new ones.
    pub(super) version: u64,
    /// Reports that were pushed out before they were read.
    pub(super) missed: u64,
    series: Series,
    nodes: HashMap<(Arc<str>, Arc<str>), AtNode>,
}

impl Figures {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            version: 0,
            missed: 0,
            series: Series::default(),
            nodes: HashMap::new(),
        }
    }

    fn step(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs() / STEP.as_secs()
    }

    pub(super) fn add(&mut self, report: &Report, now: Instant, clock: SystemTime) {
        self.version += 1;
        if !report.rebound {
            let step = self.step(now);
            self.series.add(step, STEPS, report);
            if !report.node.is_empty() {
                let place = (Arc::clone(&report.cache), Arc::clone(&report.node));
                let at_node = self.nodes.entry(place).or_default();
                // A minute, and one more that may have just begun.
                at_node.series.add(step, 1 + SHORT as usize, report);
            }
        }
        if !report.outcome.is_done() && !report.node.is_empty() {
            let place = (Arc::clone(&report.cache), Arc::clone(&report.node));
            let error = report.outcome.to_string();
            self.nodes.entry(place).or_default().last_error = Some((error, clock));
        }
    }

    /// The figures of each step of the last ten minutes, the oldest first.
    pub(super) fn chart(&self, now: Instant) -> Vec<Point> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::history::Causes;
    use crate::base::outcome::Failure;
    use crate::base::target::Target;

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
            causes: Causes::default(),
        }
    }

    struct Sender {
        figures: Figures,
        began: Instant,
    }

    impl Sender {
        fn new() -> Self {
            let began = Instant::now();
            Self {
                figures: Figures::new(began),
                began,
            }
        }

        fn send(&mut self, second: u64, report: &Report) {
            let now = self.began + Duration::from_secs(second);
            self.figures.add(report, now, SystemTime::UNIX_EPOCH);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut sender = Sender::new();
        for second in 0..10_000 {
            sender.send(second, &report("/a", "1", Outcome::Purged));
        }
        assert_eq!(sender.figures.series.0.len(), STEPS);
    }

    #[test]
    fn the_chart_has_a_point_for_each_step_also_without_a_report() {
        let mut sender = Sender::new();
        sender.send(1, &report("/a", "1", Outcome::Purged));
        sender.send(12, &report("/a", "1", Outcome::NotCached));
        sender.send(13, &report("/b", "1", Outcome::Failed(Failure::Timeout)));
        let at = |second| {
            let now = sender.began + Duration::from_secs(second);
            let chart = sender.figures.chart(now);
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
        sender.send(0, &report("/a", "1", Outcome::Purged));
        sender.send(1, &report("/a", "1", Outcome::Failed(Failure::Timeout)));
        let of_node = |second| {
            let now = sender.began + Duration::from_secs(second);
            sender.figures.of_node(&"nginx".into(), &"1".into(), now)
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
