//! From the queues to the nodes, and from their answers to the reports.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
#[cfg(feature = "nats")]
use std::time::SystemTime;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::node::Node;
use super::queue::{Job, Lesson, Next, Request, Settled, Verdict};
use super::report::Ended;
use super::tickets::{Ticket, Why};
use super::tiers::Wanted;
use super::trace::Trace;
use crate::base::history::{Asking, NodeAnswer};
use crate::base::log::emit;
use crate::base::outcome::{Failure, Outcome};
#[cfg(feature = "nats")]
use crate::base::purge_id::{self, Mark};
use crate::purger::{Answer, PurgeRequest, caught};

/// An answer to a request, for each of its targets.
struct Answered<'a> {
    answer: &'a Answer,
    lesson: Lesson,
    now: Instant,
    /// Whether the node was down before the answer, and is now.
    change: (bool, bool),
    trace: &'a Trace,
}

impl Engine {
    pub(crate) fn pump_all(self: &Arc<Self>) {
        for node in &self.nodes {
            self.pump(node);
        }
    }

    /// Starts as many requests at the node as it may have in flight.
    pub(super) fn pump(self: &Arc<Self>, node: &Arc<Node>) {
        loop {
            let request = node.queue().next(Instant::now());
            let Some(request) = request else { break };
            tokio::spawn(Arc::clone(self).work(Arc::clone(node), request));
        }
    }

    /// Makes one request after the other while some are ready.
    async fn work(self: Arc<Self>, node: Arc<Node>, mut request: Request) {
        loop {
            let trace = Trace::of(&node, &request);
            let answer = trace.span.around(self.ask(&node, &request)).await;
            trace.answered(&answer);
            trace
                .span
                .inside(|| self.answered(&node, &request, &answer, &trace));
            drop(trace);
            let next = node.queue().next(Instant::now());
            self.pump(&node);
            self.wake_for(&node);
            match next {
                Some(next) => request = next,
                None => break,
            }
        }
    }

    /// Makes one request.
    async fn ask(&self, node: &Node, request: &Request) -> Answer {
        let first = &request.first.target;
        let site = self.sites.get(first.site());
        let as_known = |target| match &node.tag_header {
            Some(header) => header.target(target),
            None => Cow::Borrowed(target),
        };
        let (one, several);
        let targets = if request.others.is_empty() {
            one = as_known(first);
            std::slice::from_ref(&*one)
        } else {
            let jobs = request.jobs();
            several = jobs
                .map(|job| as_known(&job.target).into_owned())
                .collect::<Vec<_>>();
            &several
        };
        let id = request.id();
        #[cfg(feature = "nats")]
        let marks = self.marks(node, request);
        let expects = |job: &Job| !job.rebound && self.known.expect(&job.target, job.asked);
        let is_expected = request.jobs().all(expects);
        let mut request = PurgeRequest::new(targets, site.as_deref());
        (request.id, request.is_expected) = (id, is_expected);
        #[cfg(feature = "nats")]
        {
            request.marks = &marks;
        }
        // A panic on the way, of the purger or of a subscriber that it logs to, must not keep the request's place.
        caught(|| node.purger.purge(request))
            .await
            .unwrap_or_else(|panic| Answer::failed(Failure::Panic(panic)))
    }

    /// For a fleet, the id of each target, by which it recognizes what it has had, and since when that waits.
    #[cfg(feature = "nats")]
    fn marks(&self, node: &Node, request: &Request) -> Vec<Mark> {
        if !node.is_fleet {
            return Vec::new();
        }
        let now = SystemTime::now();
        let served: Vec<_> = {
            let queue = node.queue();
            request.jobs().map(|job| queue.served_by(job)).collect()
        };
        let jobs = request.jobs().zip(served);
        jobs.map(|(job, served)| {
            // A cache before it asks for one target of a row again, when it was purged again.
            let served = served.filter(|_| node.tier == 0);
            let rows = served.and_then(|served| self.tickets.identities(&served));
            let id = match rows {
                Some(rows) => purge_id::of_rows(rows, &job.target),
                None => purge_id::of_ask(job.id),
            };
            let asked = now.checked_sub(job.asked.elapsed()).unwrap_or(now);
            Mark { id, asked }
        })
        .collect()
    }

    fn answered(
        self: &Arc<Self>,
        node: &Arc<Node>,
        request: &Request,
        answer: &Answer,
        trace: &Trace,
    ) {
        let now = Instant::now();
        let verdict = Verdict::of(answer);
        let is_paused;
        let (lesson, turn, change) = {
            let mut queue = node.queue();
            let was_down = queue.is_down();
            let lesson = queue.learn(request, verdict, now);
            let change = (was_down, queue.is_down());
            is_paused = queue.is_paused();
            (lesson, queue.tell(now), change)
        };
        if let Some(turn) = turn {
            node.tell(turn);
        }
        node.count_request();
        #[cfg(feature = "metrics")]
        node.measure_request(request, now);
        let answered = Answered {
            answer,
            lesson,
            now,
            change,
            trace,
        };
        for job in request.jobs() {
            self.answered_for(node, job, &answered);
        }
        for job in &request.covered {
            if verdict == Verdict::Done {
                self.answered_for(node, job, &answered);
            } else {
                trace.give_back(node, job);
                node.queue().uncovered(job);
            }
        }
        // What was in flight when a pause began may wait for its rebound now.
        if change == (false, true) || is_paused {
            self.will_not_answer(node, now);
        }
        if change == (true, false) {
            self.tickets.back(&node.cache, &node.name);
            self.pump(node);
        }
        for later in self.nodes.iter().filter(|later| later.tier > node.tier) {
            self.pump(later);
        }
        if !matches!(verdict, Verdict::Failed { .. }) {
            self.check(node);
        }
        #[cfg(feature = "metrics")]
        self.measure_soon();
    }

    /// Does what follows from an answer for one target of the request.
    fn answered_for(&self, node: &Node, job: &Job, answered: &Answered<'_>) {
        let Answered {
            answer,
            lesson,
            now,
            change,
            trace,
        } = *answered;
        let has_next_tier = node.tier + 1 < self.tiers.len();
        let failure = match &answer.outcome {
            Outcome::Failed(failure) => Some(failure.clone()),
            _ => None,
        };
        let (outcome, settled, first_of_a_run, handover, waits) = {
            let mut queue = node.queue();
            let (next, settled) = queue.answered(job, &lesson, now);
            if next == Next::Divided {
                drop(queue);
                trace.give_back(node, job);
                return divided(node, job, &answer.outcome);
            }
            let outcome = match (next, &failure) {
                (Next::Dead, Some(failure)) => Outcome::Dead(failure.clone()),
                _ => answer.outcome.clone(),
            };
            // Under the lock, so that nobody sees it neither waiting nor counted.
            let first_of_a_run = node.count(&outcome);
            if answer.verified {
                node.count_verified();
            }
            // Whoever waits for its next attempt in the database is not among those of the queue.
            let is_passed_on = has_next_tier
                && (failure.is_none() || queue.pass_on(job) || !settled.served.is_empty());
            let handover = is_passed_on.then(|| self.handovers.begin());
            let waits = next == Next::Retry;
            (outcome, settled, first_of_a_run, handover, waits)
        };
        if waits {
            trace.give_back(node, job);
        }
        if let (Some(failure), (_, false)) = (&failure, change) {
            node.count_failing(job, failure);
        }
        if let Some(_handover) = handover {
            let asking = Asking::of(now, job.records.as_slice())
                .written(job.written)
                .with_origin(trace.origin(job));
            // Not as a rebound: what this tier had until its second purge may be on its way to the next one.
            let wanted = Wanted {
                onward: &settled.onward,
                is_after_rebound: job.rebound,
                ..Wanted::new(&job.target, asking, &settled.served)
            };
            self.ask_tier(node.tier + 1, &wanted, now);
        }
        let ended = Ended {
            node,
            job,
            outcome,
            status: answer.status,
            verified: answer.verified,
            first_of_a_run,
            now,
        };
        #[cfg(feature = "metrics")]
        node.measure_purge(job, &ended.outcome, now);
        self.note(&ended, &settled);
        self.settle(node, job, &ended.outcome, failure, lesson.pause(), settled);
        self.reporter.ended(ended);
    }

    /// Asks the next cache for what waits for a node that went down or is paused, and gives the tickets back.
    pub(super) fn will_not_answer(&self, node: &Node, now: Instant) {
        let has_next_tier = node.tier + 1 < self.tiers.len();
        let (deferred, passed_on, _handover) = {
            let mut queue = node.queue();
            let deferred = queue.defer_all();
            let passed_on = if has_next_tier {
                queue.pass_all_on()
            } else {
                Vec::new()
            };
            let moves = has_next_tier && !deferred.is_empty() || !passed_on.is_empty();
            (deferred, passed_on, moves.then(|| self.handovers.begin()))
        };
        for passed in &passed_on {
            let asking = Asking::of(now, passed.records.as_slice()).written(passed.written);
            let wanted = Wanted {
                onward: &passed.onward,
                rebound: passed.rebound,
                ..Wanted::new(&passed.target, asking, &[])
            };
            self.ask_tier(node.tier + 1, &wanted, now);
        }
        for late in &deferred {
            let (target, onward, tickets) = (&late.target, &late.onward, &late.tickets);
            let asking = Asking::of(now, late.records.as_slice()).written(late.written);
            let wanted = Wanted {
                onward,
                rebound: late.rebound,
                ..Wanted::new(target, asking, tickets)
            };
            self.ask_tier(node.tier + 1, &wanted, now);
            self.defer(
                Some(node),
                target,
                onward,
                &Why::Unsent,
                late.attempts,
                tickets,
            );
        }
    }

    /// Notes the answer for the rows that it is for. What has failed, or was refused, has a row of its own.
    fn note(&self, ended: &Ended<'_>, settled: &Settled) {
        if !ended.outcome.is_done() || settled.served.is_empty() {
            return;
        }
        let Settled {
            served, rebounds, ..
        } = settled;
        let answer = |rebound| NodeAnswer {
            rebound,
            ..ended.to_answer()
        };
        let target = &ended.job.target;
        if rebounds.is_empty() {
            return self.tickets.answered(served, target, || answer(false));
        }
        let is_first = |ticket: &&Ticket| !rebounds.contains(ticket);
        let first: Vec<_> = served.iter().filter(is_first).copied().collect();
        self.tickets.answered(&first, target, || answer(false));
        if ended.outcome == Outcome::Purged {
            self.tickets.answered(rebounds, target, || answer(true));
        }
    }

    /// Says to the relay what the answer means for its rows.
    fn settle(
        &self,
        node: &Node,
        job: &Job,
        outcome: &Outcome,
        failure: Option<Failure>,
        pause: Duration,
        settled: Settled,
    ) {
        let why = match (outcome, failure) {
            (_, Some(failure)) => Why::Failed(failure, pause),
            (Outcome::Refused(refusal), _) => Why::Refused(refusal.clone()),
            _ => {
                return settled
                    .done
                    .into_iter()
                    .for_each(|ticket| self.tickets.done(ticket, node.number));
            }
        };
        let Settled { served, onward, .. } = &settled;
        self.defer(Some(node), &job.target, onward, &why, job.attempts, served);
    }

    /// Wakes the thread if something is due before it means to wake, at this node or one that was
    /// asked after it; or if nothing is left and somebody waits for that.
    fn wake_for(&self, node: &Node) {
        let is_early = self.is_due_early(node.tier);
        let is_watched = self.watched.load(Ordering::Relaxed);
        if is_early || is_watched && node.queue().pending() == 0 {
            self.inbox.wake();
        }
    }
}

/// A request for several targets was refused: each leaves again, so there is no report.
fn divided(node: &Node, job: &Job, outcome: &Outcome) {
    let (cache, name) = (&node.cache, &node.name);
    emit(|| {
        tracing::debug!(
            target: "roan", target = %job.target, cache = %cache, node = %name, outcome = %outcome,
            "a request for several targets was refused: they are sent again in smaller requests"
        );
    });
}
