//! What a cache can purge, how, and how much of it at a time.

use std::fmt;
use std::num::NonZeroUsize;

use crate::base::target::TargetKind;

/// What a purge does to a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// The cache drops the page: the next visitor waits for a render.
    #[default]
    Hard,
    /// The cache marks the page as stale, and may serve it while it fetches a new one.
    Soft,
    /// The cache fetches the page anew and replaces it.
    Refresh,
}

/// How much of some kinds of target a cache accepts: how many in one request, and how many in a time.
///
/// The dispatcher keeps to it with a token bucket, which is full at the start. Kinds that are named together in
/// [`Cache::purges`](super::Cache::purges) share a bucket, and so do the caches of an
/// [account](super::Cache::account). Rebounds and retries take tokens, too. A purger need not wait or count. The guide
/// says [how it works](crate::guide::failures#limits).
///
/// State the rate that the cache documents. For a cache whose limits you do not know, state none: if it turns requests away,
/// the dispatcher finds the rate that it takes.
///
/// ```
/// use roan::purger::Limits;
///
/// // 30 tags in a request, 5 requests a second, and 25 at once after a pause.
/// let limits = Limits::new().batch(30).rate(5.0).burst(25);
/// assert_eq!(limits.batch_size(), 30);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    batch: NonZeroUsize,
    rate: Option<f64>,
    burst: Option<f64>,
    by_target: bool,
}

impl Limits {
    /// One target in each request, and as many requests as the node answers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            batch: NonZeroUsize::MIN,
            rate: None,
            burst: None,
            by_target: false,
        }
    }

    /// Sets the maximum number of targets of one request. Zero counts as one.
    ///
    /// A request has targets of one kind and one site. It takes those that wait when it leaves; the dispatcher does not
    /// wait until it is full.
    #[must_use]
    pub fn batch(mut self, targets: usize) -> Self {
        self.batch = NonZeroUsize::new(targets).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Sets the maximum number of requests a second, on average. It may be less than one: 5 a minute are `5.0 / 60.0`. A
    /// number that is not greater than zero counts as no limit.
    #[must_use]
    pub fn rate(mut self, a_second: f64) -> Self {
        self.rate = (a_second > 0.0 && a_second.is_finite()).then_some(a_second);
        self
    }

    /// Sets how many requests may leave at once after a pause: the size of the token bucket. Default: those of one second, and
    /// at least one. Without a [`rate`](Self::rate) it means nothing.
    #[must_use]
    pub fn burst(mut self, requests: u32) -> Self {
        self.burst = Some(f64::from(requests.max(1)));
        self
    }

    /// [`rate`](Self::rate) and [`burst`](Self::burst) count targets instead of requests.
    #[must_use]
    pub fn by_target(mut self) -> Self {
        self.by_target = true;
        self
    }

    /// The maximum number of targets of one request.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.batch.get()
    }

    /// The maximum number of requests, or of targets, a second. `None` if there is no limit.
    #[must_use]
    pub fn a_second(&self) -> Option<f64> {
        self.rate
    }

    /// How many requests, or targets, may leave at once after a pause. At least a whole batch, if the rate counts targets.
    #[must_use]
    pub fn at_once(&self) -> f64 {
        let burst = self.burst.or(self.rate).unwrap_or(f64::INFINITY);
        #[expect(clippy::cast_precision_loss, reason = "no request has so many targets")]
        let least = if self.by_target {
            self.batch.get() as f64
        } else {
            1.0
        };
        burst.max(least)
    }

    /// Whether the rate counts targets instead of requests.
    #[must_use]
    pub fn counts_targets(&self) -> bool {
        self.by_target
    }
}

/// In words: `5 requests a minute, up to 100 targets in a request`.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, many) = if self.by_target {
            ("target", "targets")
        } else {
            ("request", "requests")
        };
        match self.rate {
            None => f.write_str("any number of requests")?,
            Some(rate) => {
                let (number, time) = match rate {
                    rate if rate >= 1.0 => (rate, "a second"),
                    rate if rate >= 1.0 / 60.0 => (rate * 60.0, "a minute"),
                    rate => (rate * 3600.0, "an hour"),
                };
                // Two digits are enough, and a rate such as `5.0 / 60.0` is not exact.
                let number = (number * 100.0).round() / 100.0;
                let noun = if number == 1.0 { one } else { many };
                write!(f, "{number} {noun} {time}")?;
            }
        }
        match self.batch.get() {
            1 => Ok(()),
            batch => write!(f, ", up to {batch} targets in a request"),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// What a cache can purge: see [`Cache::capabilities`](super::Cache::capabilities).
#[derive(Debug, Clone, PartialEq)]
pub struct Capabilities {
    /// Kinds that share a limit, with it. The last one that names a kind counts.
    groups: Vec<(Vec<TargetKind>, Limits)>,
    mode: Mode,
}

impl Capabilities {
    /// Nothing yet.
    pub(super) fn none() -> Self {
        Self {
            groups: Vec::new(),
            mode: Mode::Hard,
        }
    }

    /// URLs, without limits.
    pub(super) fn urls() -> Self {
        Self {
            groups: vec![(vec![TargetKind::Url], Limits::new())],
            ..Self::none()
        }
    }

    pub(super) fn add(&mut self, kinds: Vec<TargetKind>, limits: Limits) {
        for (others, _) in &mut self.groups {
            others.retain(|kind| !kinds.contains(kind));
        }
        self.groups.retain(|(kinds, _)| !kinds.is_empty());
        self.groups.push((kinds, limits));
    }

    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Whether the cache can purge targets of that kind.
    #[must_use]
    pub fn can_purge(&self, kind: TargetKind) -> bool {
        self.limits(kind).is_some()
    }

    /// The limits of that kind. `None` if the cache cannot purge it.
    #[must_use]
    pub fn limits(&self, kind: TargetKind) -> Option<Limits> {
        self.group(kind).map(|group| self.groups[group].1)
    }

    /// The place of the limits of a kind: kinds of one place share a token bucket.
    pub(crate) fn group(&self, kind: TargetKind) -> Option<usize> {
        let mut groups = self.groups.iter();
        groups.position(|(kinds, _)| kinds.contains(&kind))
    }

    /// The kinds that share limits, with those.
    pub fn groups(&self) -> impl Iterator<Item = (&[TargetKind], Limits)> {
        self.groups
            .iter()
            .map(|(kinds, limits)| (&**kinds, *limits))
    }

    /// What a purge does to a page.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_limit_of_a_kind_counts() {
        let mut can = Capabilities::urls();
        can.add(
            vec![TargetKind::Tag, TargetKind::Prefix],
            Limits::new().batch(3),
        );
        can.add(
            vec![TargetKind::Url, TargetKind::Tag],
            Limits::new().batch(2),
        );
        let batch = |kind| can.limits(kind).map(|limits| limits.batch_size());
        assert_eq!(batch(TargetKind::Url), Some(2));
        assert_eq!(batch(TargetKind::Tag), Some(2));
        assert_eq!(batch(TargetKind::Prefix), Some(3));
        assert_eq!(batch(TargetKind::Host), None);
        assert_eq!(can.group(TargetKind::Url), can.group(TargetKind::Tag));
        assert_ne!(can.group(TargetKind::Url), can.group(TargetKind::Prefix));
    }

    #[test]
    fn limits_are_shown_in_words() {
        let free = Limits::new().batch(100).rate(5.0 / 60.0);
        assert_eq!(
            free.to_string(),
            "5 requests a minute, up to 100 targets in a request"
        );
        assert_eq!(Limits::new().rate(1.0).to_string(), "1 request a second");
        assert_eq!(
            Limits::new().rate(2.5).by_target().to_string(),
            "2.5 targets a second"
        );
        assert_eq!(
            Limits::new().rate(0.001).to_string(),
            "3.6 requests an hour"
        );
        assert_eq!(Limits::new().to_string(), "any number of requests");
    }

    #[test]
    fn a_burst_is_never_too_small_for_a_request() {
        assert_eq!(Limits::new().rate(0.1).at_once(), 1.0);
        assert_eq!(Limits::new().rate(5.0).at_once(), 5.0);
        assert_eq!(Limits::new().rate(5.0).burst(0).at_once(), 1.0);
        assert_eq!(
            Limits::new().rate(5.0).batch(100).by_target().at_once(),
            100.0
        );
        assert_eq!(Limits::new().rate(0.0).a_second(), None);
        assert_eq!(Limits::new().rate(f64::NAN).a_second(), None);
    }
}
