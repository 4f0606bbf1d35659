//! What follows from the answer to a request.

use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use super::super::blame::Blame;
use super::entry::Phase;
use super::job::{Job, Lesson, Next, Request, Settled, Verdict};
use super::{MOST_SUSPECTS, Queue, REPEAT_GAP};

impl Queue {
    /// Takes from the answer to a request what it says about the node, and about requests of several targets. The caller
    /// then calls [`Queue::answered`] for each target.
    pub(in crate::dispatcher) fn learn(
        &mut self,
        request: &Request,
        verdict: Verdict,
        now: Instant,
    ) -> Lesson {
        self.in_flight -= 1;
        self.learn_of_node(request, verdict, now);
        let targets = u32::try_from(request.len()).unwrap_or(u32::MAX);
        let is_divided = match verdict {
            Verdict::Done | Verdict::Denied => false,
            Verdict::Refused => targets > 1,
            // Once is not enough for what may be too many requests: smaller ones are more of them.
            Verdict::Failed {
                blame: Blame::Load, ..
            } => request.first.is_retry,
            Verdict::Failed { blame, .. } => blame.may_be_one_target(),
        };
        let most = if is_divided {
            targets.div_ceil(2)
        } else {
            u32::MAX
        };
        let is_over = !is_divided && !matches!(verdict, Verdict::Failed { .. });
        if is_over && !self.suspects.is_empty() {
            let covered = request.covered.iter();
            for job in request
                .jobs()
                .chain(covered.filter(|_| verdict == Verdict::Done))
            {
                let hash = self.hasher.hash_one(&job.target);
                self.suspects.remove(&hash);
            }
        }
        let attempts = request.jobs().map(|job| job.attempts).max();
        let pause = match verdict {
            Verdict::Failed { pause, .. } => self.backoff.after(attempts.unwrap_or(1)).max(pause),
            Verdict::Done | Verdict::Refused | Verdict::Denied => Duration::ZERO,
        };
        Lesson {
            verdict,
            retry_at: now + pause,
            most,
        }
    }

    fn learn_of_node(&mut self, request: &Request, verdict: Verdict, now: Instant) {
        let Request { first, group, .. } = request;
        if first.is_retry {
            let failed = matches!(verdict, Verdict::Failed { .. });
            self.retries.answered(failed, now);
        }
        let was_down = self.health.is_down();
        let Verdict::Failed { blame, pause } = verdict else {
            return self.node_answered(*group, now);
        };
        let short = pause.min(self.policy.backoff_cap);
        // What has failed before may fail for itself again, whatever the node does.
        let says_something = match blame {
            Blame::Target => return self.node_answered(*group, now),
            Blame::Node => true,
            Blame::NodeOrTarget => was_down || !first.is_retry,
            Blame::Load | Blame::Rate => {
                match self.throttle.closed(*group, first.started, now, pause) {
                    Some(is_news) => {
                        was_down || is_news && (blame == Blame::Rate || !first.is_retry)
                    }
                    None if was_down => true,
                    None if first.is_retry => false,
                    // A node that turns requests away is slow, and not down, unless it takes none at all.
                    None => self.throttle.pace().turned_away(first.started, now, short),
                }
            }
        };
        if says_something {
            let probe_pause = self
                .throttle
                .probe_pause(*group)
                .min(self.policy.backoff_cap);
            let pause = short.max(probe_pause);
            self.health
                .failed(blame, first.started, now, pause, &mut self.backoff);
        }
    }

    fn node_answered(&mut self, group: usize, now: Instant) {
        let was_down = self.health.is_down();
        self.health.answered(now);
        self.throttle.answered(group);
        if was_down {
            self.throttle.pace().begin_anew();
            self.hurry_retries();
        }
    }

    /// After an outage: what failed during it need not wait any longer.
    fn hurry_retries(&mut self) {
        let entries = &mut self.entries;
        let ready = &mut self.retries.ready;
        self.timers.retain(|(_, place)| {
            let entry = &mut entries[*place as usize];
            if entry.failed {
                entry.phase = Phase::Ready;
                ready.push(entry.class, *place);
            }
            !entry.failed
        });
    }

    /// Says what follows from an answer for one target of the request.
    pub(in crate::dispatcher) fn answered(
        &mut self,
        job: &Job,
        lesson: &Lesson,
        now: Instant,
    ) -> (Next, Settled) {
        let verdict = lesson.verdict;
        let place = job.place;
        self.uncount(place);
        let entry = &mut self.entries[place as usize];
        let was_fresh = entry.is_fresh();
        let Phase::InFlight { again } = entry.phase else {
            debug_assert!(false, "an answer to a request that was not made");
            return (Next::Ended, Settled::default());
        };
        let is_divided = verdict == Verdict::Refused && lesson.most != u32::MAX;
        entry.failed = is_divided || matches!(verdict, Verdict::Failed { .. });
        entry.most = match verdict {
            Verdict::Done | Verdict::Denied => u32::MAX,
            Verdict::Refused => lesson.most,
            Verdict::Failed { .. } => entry.most.min(lesson.most),
        };
        let mut settled = if is_divided {
            entry.covered = 0;
            Settled::default()
        } else {
            entry.settle(verdict, job.started, now, self.policy.rebound)
        };
        settled.onward.clone_from(&entry.onward);
        let too_old = now.saturating_duration_since(entry.newest) >= self.policy.max_age;
        let next = match verdict {
            Verdict::Refused if is_divided => Next::Divided,
            Verdict::Failed { .. } if !entry.plain => Next::Deferred,
            Verdict::Failed { .. } if too_old => Next::Dead,
            Verdict::Failed { .. } => Next::Retry,
            Verdict::Done | Verdict::Refused | Verdict::Denied => Next::Ended,
        };
        let last_rebound = entry
            .tickets
            .iter()
            .filter_map(|held| held.rebound_at)
            .max();
        match (next, again, self.policy.rebound, last_rebound) {
            (Next::Retry | Next::Divided, ..) => {
                // An ask that came meanwhile is served by the retry.
                entry.rebound &= again.is_none_or(|again| again.rebound);
                entry.written = entry.written.or(again.and_then(|again| again.written));
                if next == Next::Retry {
                    self.wait_until(place, lesson.retry_at);
                } else {
                    self.rest_until_gap_is_over(place, now);
                }
            }
            (Next::Ended, Some(again), ..) => {
                entry.records.answered();
                entry.renew(again.asked, again.written, again.rebound);
                match again.gathers_until.filter(|due| *due > now + REPEAT_GAP) {
                    Some(due) => self.wait_until(place, due),
                    None => self.rest_until_gap_is_over(place, now),
                }
            }
            (Next::Ended, None, Some(delay), _) if verdict == Verdict::Done && !job.rebound => {
                let due = now + delay;
                entry.renew(due, None, true);
                self.wait_until(place, due);
            }
            (Next::Ended, None, _, Some(due)) => {
                entry.renew(due, None, true);
                self.wait_until(place, due);
            }
            (Next::Ended | Next::Dead | Next::Deferred, ..) => {
                let entry = self.remove(place);
                if next == Next::Deferred && self.suspects.len() < MOST_SUSPECTS {
                    self.suspects.insert(entry.hash, entry.most);
                }
                self.fresh -= usize::from(was_fresh);
                return (next, settled);
            }
        }
        let is_fresh = self.entries[place as usize].is_fresh();
        self.fresh = self.fresh + usize::from(is_fresh) - usize::from(was_fresh);
        self.count(place);
        (next, settled)
    }
}
