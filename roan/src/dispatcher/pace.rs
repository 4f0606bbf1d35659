//! How many requests a second a node takes, learned from those that it turns away (503, 429).

use std::time::{Duration, Instant};

/// So many different targets that are turned away within [`WINDOW`], and more than one in [`PART`] of
/// all, are the sign of a limit.
const SIGNS: u32 = 3;
const WINDOW: Duration = Duration::from_secs(1);
const PART: u32 = 5;

/// Requests a second: at first, at least, and so many that no pace is needed any more.
const FIRST: f64 = 10.0;
const SLOWEST: f64 = 4.0;
const FASTEST: f64 = 2000.0;

/// A request that is turned away takes the pace to this part of what it was; so many seconds of answers
/// take it back.
const DECREASE: f64 = 0.7;
const SECONDS: f64 = 4.0;

/// Beyond the last known limit each answer makes the pace faster by this factor, or by one a second.
const SEARCH: f64 = 1.1;

/// Timers are this exact, so that requests may come so much too early after others that were late.
const TICK: Duration = Duration::from_millis(2);

/// The pace of the requests to one node: none, until the node has turned some away. Then as TCP does:
/// additive increase, multiplicative decrease (RFC 5681), and a fast search where no limit is known.
#[derive(Debug)]
pub(super) enum Pace {
    Free {
        /// Since the first of `signs`.
        since: Option<Instant>,
        signs: u32,
        answers: u32,
    },
    Limited {
        rate: f64,
        /// The rate at which a request was last turned away; 0 if unknown.
        limit: f64,
        noted: Instant,
        next_at: Instant,
    },
}

impl Pace {
    pub(super) const FREE: Self = Self::Free {
        since: None,
        signs: 0,
        answers: 0,
    };

    /// When the next request may leave; `None` for at once.
    pub(super) fn next_at(&self) -> Option<Instant> {
        match self {
            Self::Free { .. } => None,
            Self::Limited { next_at, .. } => Some(*next_at),
        }
    }

    /// Requests a second, if there is a limit.
    pub(super) fn rate(&self) -> Option<f64> {
        match self {
            Self::Free { .. } => None,
            Self::Limited { rate, .. } => Some(*rate),
        }
    }

    /// A request leaves.
    pub(super) fn sent(&mut self, now: Instant) {
        if let Self::Limited { rate, next_at, .. } = self {
            let gap = Duration::from_secs_f64(1.0 / *rate);
            if *next_at > now {
                // A probe does not keep to the pace: many of them must not put off what comes after them.
                *next_at = (*next_at).max(now + gap);
                return;
            }
            let early = if gap < TICK {
                now.checked_sub(TICK)
            } else {
                None
            };
            *next_at = (*next_at).max(early.unwrap_or(now)) + gap;
        }
    }

    /// A request got its answer.
    pub(super) fn answered(&mut self) {
        match self {
            Self::Free { since: None, .. } => {}
            Self::Free { answers, .. } => *answers = answers.saturating_add(1),
            Self::Limited { rate, limit, .. } => {
                if *rate < *limit {
                    *rate += *limit * (1.0 - DECREASE) / (SECONDS * *rate);
                } else {
                    *rate = (*rate * SEARCH).max(*rate + 1.0);
                }
                if *rate > FASTEST {
                    *self = Self::FREE;
                }
            }
        }
    }

    /// The node was down, so that what is known of its limit may be of no use.
    pub(super) fn begin_anew(&mut self) {
        if let Self::Limited { rate, limit, .. } = self {
            (*rate, *limit) = (FIRST, 0.0);
        }
    }

    /// A request for a target that has not failed before was turned away. `pause` is the least until the
    /// next request, if this is the sign of a limit. Says whether there is no slower pace to try.
    pub(super) fn turned_away(&mut self, started: Instant, now: Instant, pause: Duration) -> bool {
        match self {
            Self::Free {
                since,
                signs,
                answers,
            } => {
                if since.is_none_or(|since| now.saturating_duration_since(since) > WINDOW) {
                    (*since, *signs, *answers) = (Some(now), 0, 0);
                }
                *signs += 1;
                if *signs >= SIGNS && *signs * (PART - 1) > *answers {
                    *self = Self::Limited {
                        rate: FIRST,
                        limit: 0.0,
                        noted: now,
                        next_at: now + pause.max(Duration::from_secs_f64(1.0 / FIRST)),
                    };
                }
                false
            }
            Self::Limited {
                rate,
                limit,
                noted,
                next_at,
            } => {
                *next_at = (*next_at).max(now + pause);
                // What left before says nothing about the present pace.
                if started <= *noted {
                    return false;
                }
                let is_slowest = *rate <= SLOWEST;
                // So slow a node is more likely to turn targets away for a reason of their own.
                *limit = if *rate > FIRST { *rate } else { 0.0 };
                *rate = (*rate * DECREASE).max(SLOWEST);
                *noted = now;
                is_slowest || !pause.is_zero()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that takes one request in each `gap`, as nginx's `limit_req` does, and its client.
    struct Server {
        pace: Pace,
        now: Instant,
        free_at: Instant,
        gap: Duration,
    }

    impl Server {
        fn of(rate: u32) -> Self {
            Self {
                pace: Pace::FREE,
                now: Instant::now(),
                free_at: Instant::now(),
                gap: Duration::from_secs(1) / rate,
            }
        }

        /// How many of `count` requests it turns away, and how long they all take. None is sent again.
        fn takes(&mut self, count: u32) -> (u32, Duration) {
            let start = self.now;
            let mut turned_away = 0;
            for number in 0..count {
                // Timers are late, and not always by as much.
                self.now += Duration::from_micros(u64::from(number % 7) * 200);
                self.now = self.pace.next_at().unwrap_or(self.now).max(self.now);
                self.pace.sent(self.now);
                let answered = self.now + Duration::from_micros(100);
                if self.now >= self.free_at {
                    self.free_at = self.now + self.gap;
                    self.pace.answered();
                } else {
                    turned_away += 1;
                    self.pace.turned_away(self.now, answered, Duration::ZERO);
                }
                self.now = answered;
            }
            (turned_away, self.now - start)
        }
    }

    #[test]
    fn a_limit_is_found_and_kept_to() {
        for rate in [20, 50, 500] {
            let mut server = Server::of(rate);
            server.takes(60);
            let (turned_away, took) = server.takes(500);
            assert!(turned_away <= 25, "{turned_away} of 500 at {rate}/s");
            let least = Duration::from_secs(500) / rate;
            assert!(took < least * 2, "{took:?} at {rate}/s");
        }
    }

    #[test]
    fn a_limit_that_is_gone_is_forgotten() {
        let mut server = Server::of(50);
        server.takes(500);
        assert!(server.pace.rate().is_some());
        server.gap = Duration::ZERO;
        server.takes(500);
        assert_eq!(server.pace.rate(), None);
    }

    #[test]
    fn a_few_that_are_turned_away_among_many_answers_are_no_limit() {
        let mut pace = Pace::FREE;
        let now = Instant::now();
        for number in 0..1000 {
            if number % 10 == 0 {
                pace.turned_away(now, now, Duration::ZERO);
            } else {
                pace.answered();
            }
            // The first few may look like one.
            if number == 5 {
                assert_eq!(pace.rate(), None);
            }
        }
        assert_eq!(pace.rate(), None);
    }

    #[test]
    fn the_probes_of_an_outage_do_not_put_off_what_comes_after_it() {
        let mut pace = Pace::FREE;
        let mut now = Instant::now();
        for _ in 0..10_000 {
            now += Duration::from_millis(20);
            pace.sent(now);
            pace.turned_away(now, now, Duration::ZERO);
        }
        pace.answered();
        pace.begin_anew();
        let next_at = pace.next_at().expect("it has a limit");
        assert!(
            next_at - now <= Duration::from_secs(1),
            "{:?}",
            next_at - now
        );
    }

    #[test]
    fn a_server_that_takes_nothing_gets_few_requests() {
        let mut pace = Pace::FREE;
        let start = Instant::now();
        let mut now = start;
        let mut is_slowest = false;
        for _ in 0..15 {
            now = pace.next_at().unwrap_or(now).max(now) + Duration::from_millis(1);
            pace.sent(now);
            is_slowest = pace.turned_away(now, now, Duration::ZERO);
        }
        assert!(is_slowest);
        assert_eq!(pace.rate(), Some(SLOWEST));
    }
}
