//! The results of purges: logged, counted, reported.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

#[cfg(feature = "_sql")]
use super::dead::Dead;
use super::history::{self, History};
use super::node::Node;
use super::queue::Job;
use crate::base::history::Asking;
use crate::base::log::{emit, errors_are_heard, loudly, loudly_at_times};
use crate::base::outcome::{Outcome, Refusal};
use crate::base::report::{Report, Reports};
use crate::base::tally::Tally;
use crate::base::target::Target;

/// Writes the log and sends the reports of a dispatcher.
pub(crate) struct Reporter {
    /// `None` after the end, so that subscriptions end.
    reports: RwLock<Option<broadcast::Sender<Report>>>,
    pub(crate) history: History,
    /// The number of targets that were not sent to any node.
    refused: Tally<Refusal>,
    /// The dead purges; `None` if a database keeps them.
    #[cfg(feature = "_sql")]
    dead: Option<Dead>,
}

impl Reporter {
    /// `keeps_dead`: there is no database that keeps dead purges.
    pub(super) fn new(keeps_dead: bool, max_reports: usize, history: usize) -> Self {
        #[cfg(not(feature = "_sql"))]
        let _ = keeps_dead;
        Self {
            reports: RwLock::new(Some(broadcast::Sender::new(max_reports))),
            history: History::new(history),
            refused: Tally::default(),
            #[cfg(feature = "_sql")]
            dead: keeps_dead.then(Dead::default),
        }
    }

    /// No cache can purge the target.
    pub(super) fn refused(
        &self,
        target: &Target,
        refusal: Refusal,
        asking: Asking<'_>,
        now: Instant,
    ) {
        let count = self.refused.add(refusal.clone());
        loudly_at_times(
            count,
            format_args!(
                "{} cannot be purged (number {count} of this kind): {refusal}",
                target.shown()
            ),
            || tracing::error!(target: "roan", %target, %refusal, "purge refused"),
        );
        self.unsent(target, Outcome::Refused(refusal), asking, now);
    }

    pub(super) fn refused_count(&self) -> u64 {
        self.refused.total()
    }

    /// Reports a target that was not sent to any node.
    pub(super) fn unsent(
        &self,
        target: &Target,
        outcome: Outcome,
        asking: Asking<'_>,
        now: Instant,
    ) {
        self.history.note_unsent(asking, target, &outcome, now);
        self.send(|| Report {
            target: target.clone(),
            cache: "".into(),
            node: "".into(),
            outcome,
            status: None,
            verified: false,
            rebound: false,
            attempts: 0,
            waited: now.saturating_duration_since(asking.asked),
            took: Duration::ZERO,
            causes: history::causes_of(asking.records),
        });
    }

    pub(super) fn ended(&self, ended: Ended<'_>) {
        ended.log();
        self.history.note(&ended);
        #[cfg(feature = "_sql")]
        if let Some(dead) = &self.dead {
            dead.note(&ended);
        }
        self.send(|| ended.into_report());
    }

    fn send(&self, report: impl FnOnce() -> Report) {
        let reports = self.reports.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(reports) = reports
            .as_ref()
            .filter(|reports| reports.receiver_count() > 0)
        {
            // Fails if the last subscriber has just gone, which does not matter.
            let _ = reports.send(report());
        }
    }

    pub(crate) fn subscribe(&self) -> Reports {
        let reports = self.reports.read().unwrap_or_else(PoisonError::into_inner);
        Reports::new(match reports.as_ref() {
            Some(reports) => reports.subscribe(),
            // The receiver of a dropped sender: it yields nothing.
            None => broadcast::Sender::new(1).subscribe(),
        })
    }

    /// The dead purges; `None` if a database keeps them.
    #[cfg(feature = "_sql")]
    pub(crate) fn dead(&self) -> Option<&Dead> {
        self.dead.as_ref()
    }

    pub(super) fn close(&self) {
        *self.reports.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The end of a request, or of a purge without a request.
pub(super) struct Ended<'a> {
    pub(super) node: &'a Node,
    pub(super) job: &'a Job,
    pub(super) outcome: Outcome,
    pub(super) status: Option<u16>,
    pub(super) verified: bool,
    /// Whether to log it as an error: see [`Node::count`].
    pub(super) first_of_a_run: bool,
    pub(super) now: Instant,
}
impl Ended<'_> {
    fn waited(&self) -> Duration {
        self.job.started.saturating_duration_since(self.job.asked)
    }

    /// From the write to the answer that its page is purged; of the first such answer.
    fn lag(&self) -> Option<Duration> {
        let written = self.job.written.filter(|_| self.outcome.is_done())?;
        Some(written.until(self.now))
    }

    fn took(&self) -> Duration {
        self.now.saturating_duration_since(self.job.started)
    }

    fn into_report(self) -> Report {
        Report {
            target: self.job.target.clone(),
            cache: Arc::clone(&self.node.cache),
            node: Arc::clone(&self.node.name),
            status: self.status,
            verified: self.verified,
            rebound: self.job.rebound,
            attempts: self.job.attempts,
            waited: self.waited(),
            took: self.took(),
            causes: history::causes_of(self.job.records.as_slice()),
            outcome: self.outcome,
        }
    }

    fn log(&self) {
        macro_rules! event {
            ($level:ident) => {{
                emit(|| tracing::event!(
                    target: "roan",
                    tracing::Level::$level,
                    target = %self.job.target,
                    cache = %self.node.cache,
                    node = %self.node.name,
                    outcome = %self.outcome,
                    status = self.status,
                    verified = self.verified,
                    rebound = self.job.rebound,
                    attempts = self.job.attempts,
                    waited_us = microseconds(self.waited()),
                    took_us = microseconds(self.took()),
                    lag_us = self.lag().map(microseconds),
                    "purge"
                ));
            }};
        }
        match self.outcome {
            Outcome::Purged | Outcome::NotCached => event!(DEBUG),
            Outcome::Failed(_) => event!(WARN),
            _ if self.first_of_a_run && !errors_are_heard() => {
                let (target, cache, node) = (&self.job.target, &self.node.cache, &self.node.name);
                let message =
                    format_args!("{} at {cache} {node}: {}", target.shown(), self.outcome);
                match self.outcome {
                    // There may be as many as purges wait.
                    Outcome::Dead(_) => {
                        let count = self.node.dead();
                        loudly_at_times(
                            count,
                            format_args!("{message} (number {count} there)"),
                            || (),
                        );
                    }
                    _ => loudly(message),
                }
            }
            _ if self.first_of_a_run => event!(ERROR),
            _ => event!(WARN),
        }
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
