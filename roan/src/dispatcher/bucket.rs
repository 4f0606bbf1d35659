//! Token buckets: how many requests, or targets, a cache accepts in a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::lock::Mutex;
use crate::base::target::TargetKind;
use crate::purger::{Capabilities, Limits};

/// A node whose turn it is, and that does not take its token for so long, loses its turn.
const TURN: Duration = Duration::from_millis(100);

/// A node that turns a request away, and does not say for how long, gets none for the time of one token, but at least
/// and at most for this.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A token bucket, as a time: a bucket that holds the time of three tokens lets three requests leave. So it is exact, and
/// nothing has to fill it.
///
/// The nodes that share it take turns while tokens are few.
#[derive(Debug)]
pub(super) struct Bucket {
    /// The time in which one token comes.
    token: Duration,
    /// The time in which an empty bucket becomes full.
    full: Duration,
    held: Duration,
    /// When it held so much. `None` for a bucket that is full since ever; in the future if it is closed until then.
    at: Option<Instant>,
    /// Since when it has held a token.
    since: Option<Instant>,
    /// The nodes that found too few tokens, the longest waiting first.
    waiting: VecDeque<u32>,
    /// When a request was turned away last.
    turned_away: Option<Instant>,
}

impl Bucket {
    /// `None` without a rate.
    fn new(limits: &Limits) -> Option<Self> {
        let token = token(limits)?;
        Some(Self {
            token,
            full: full(limits, token),
            held: Duration::ZERO,
            at: None,
            since: None,
            waiting: VecDeque::new(),
            turned_away: None,
        })
    }

    /// Another cache of the account has these limits for the same kinds: the lower ones count.
    fn restrict(&mut self, limits: &Limits) {
        if let Some(token) = token(limits) {
            // In tokens, since the time of a token may differ.
            let tokens = |full: Duration, token: Duration| full.div_duration_f64(token);
            let full = tokens(self.full, self.token).min(tokens(full(limits, token), token));
            self.token = self.token.max(token);
            self.full = self.token.mul_f64(full);
        }
    }

    /// The time in which one token comes.
    pub(super) fn token(&self) -> Duration {
        self.token
    }

    fn fill(&mut self, now: Instant) {
        let held = match self.at {
            None => self.full,
            Some(at) if at >= now => return,
            Some(at) => (self.held + (now - at)).min(self.full),
        };
        if self.since.is_none() && held >= self.token {
            self.since = Some(match self.at {
                Some(at) => at + self.token.saturating_sub(self.held),
                None => now,
            });
        }
        (self.held, self.at) = (held, Some(now));
    }

    /// Takes note that a node has something to send, and says for how many tokens it may do so now, up to `wanted`.
    pub(super) fn offers(&mut self, node: u32, wanted: usize, now: Instant) -> usize {
        self.fill(now);
        if self.at.is_some_and(|at| at <= now) {
            while let Some(since) = self.since.filter(|since| *since + TURN <= now) {
                match self.waiting.front() {
                    Some(front) if *front != node => self.waiting.pop_front(),
                    _ => break,
                };
                self.since = Some(since.max(now));
            }
            let left = self.held.saturating_sub(self.token * self.ahead_of(node));
            let tokens = self.tokens(left).min(wanted);
            if tokens >= self.worth_a_request(wanted) {
                return tokens;
            }
        }
        if !self.waiting.contains(&node) {
            self.waiting.push_back(node);
        }
        0
    }

    /// Takes tokens that were offered.
    pub(super) fn take(&mut self, node: u32, tokens: usize, now: Instant) {
        self.fill(now);
        self.waiting.retain(|waiting| *waiting != node);
        self.held = self.held.saturating_sub(times(self.token, tokens));
        self.since = (self.held >= self.token).then_some(now);
    }

    /// When that node may send what needs up to `wanted` tokens.
    pub(super) fn opens_at(&self, node: u32, wanted: usize) -> Option<Instant> {
        let at = self.at?;
        let ahead = self.ahead_of(node);
        let needed = times(self.token, self.worth_a_request(wanted));
        let when = |needed: Duration| at + needed.saturating_sub(self.held);
        let alone = when(needed);
        if ahead == 0 {
            return Some(alone);
        }
        let its_turn = self.since.unwrap_or_else(|| when(self.token)) + TURN;
        Some(when(needed + self.token * ahead).min(alone.max(its_turn)))
    }

    /// A request that left at `started` was turned away, and the node has asked for a pause: the bucket is empty until then.
    /// Says whether that is news: what left before the last such answer says nothing new.
    pub(super) fn close(&mut self, started: Instant, now: Instant, pause: Duration) -> bool {
        let pause = if pause.is_zero() {
            self.token.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
        } else {
            pause
        };
        let until = now + pause;
        self.fill(now);
        if self.at.is_none_or(|at| at < until) {
            // The cache takes one request then, and what its rate is from then on.
            (self.held, self.at, self.since) = (self.token, Some(until), Some(until));
        }
        let is_news = self.turned_away.is_none_or(|last| started > last);
        if is_news {
            self.turned_away = Some(now);
        }
        is_news
    }

    fn ahead_of(&self, node: u32) -> u32 {
        let position = self.waiting.iter().position(|waiting| *waiting == node);
        u32::try_from(position.unwrap_or(self.waiting.len())).unwrap_or(u32::MAX)
    }

    /// For how many tokens to wait, if so many are wanted: what comes in a tenth of a second, so that a fast rate of targets
    /// does not become requests for one target each.
    fn worth_a_request(&self, wanted: usize) -> usize {
        self.tokens(Duration::from_millis(100))
            .min(self.tokens(self.full))
            .min(wanted)
            .max(1)
    }

    fn tokens(&self, time: Duration) -> usize {
        usize::try_from(time.as_nanos() / self.token.as_nanos()).unwrap_or(usize::MAX)
    }
}

fn times(token: Duration, tokens: usize) -> Duration {
    token.saturating_mul(u32::try_from(tokens).unwrap_or(u32::MAX))
}

/// The time of one token, rounded up: never faster than the rate.
fn token(limits: &Limits) -> Option<Duration> {
    let rate = limits.a_second()?;
    let token = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(LONGEST_TOKEN);
    Some(token.clamp(Duration::from_nanos(1), LONGEST_TOKEN))
}

/// A rate is not slower than this: what waits longer is dead before.
const LONGEST_TOKEN: Duration = super::LONGEST;

fn full(limits: &Limits, token: Duration) -> Duration {
    let most = super::LONGEST.div_duration_f64(token).max(1.0);
    token.mul_f64(limits.at_once().min(most))
}

/// A bucket that nodes share.
pub(super) type Shared = Arc<Mutex<Bucket>>;

/// The buckets of all accounts, while the nodes are made.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    of_accounts: Vec<(Arc<str>, Vec<TargetKind>, Shared)>,
}

impl Buckets {
    /// The buckets of a node, one for each group of kinds with a rate: those of the account, or its own.
    pub(super) fn of(
        &mut self,
        account: Option<&Arc<str>>,
        capabilities: &Capabilities,
    ) -> Vec<Option<Shared>> {
        let groups = capabilities.groups();
        groups
            .map(|(kinds, limits)| match account {
                Some(account) => self.of_account(account, kinds, &limits),
                None => Some(Arc::new(Mutex::new(Bucket::new(&limits)?))),
            })
            .collect()
    }

    /// Two caches of an account share the bucket of each kind that both have.
    fn of_account(
        &mut self,
        account: &Arc<str>,
        kinds: &[TargetKind],
        limits: &Limits,
    ) -> Option<Shared> {
        let bucket = Bucket::new(limits)?;
        let known = self.of_accounts.iter_mut().find(|(name, known, _)| {
            name == account && kinds.iter().any(|kind| known.contains(kind))
        });
        if let Some((_, known, shared)) = known {
            known.extend(kinds);
            shared.lock().restrict(limits);
            return Some(Arc::clone(shared));
        }
        let shared = Arc::new(Mutex::new(bucket));
        self.of_accounts
            .push((Arc::clone(account), kinds.to_vec(), Arc::clone(&shared)));
        Some(shared)
    }
}
