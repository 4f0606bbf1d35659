//! What becomes of purges: counted, logged, reported.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::ending::Ending;
use super::engine::Engine;
use super::node::Node;
use super::queue::Job;
use super::tickets::Why;
use crate::announce::loudly;
use crate::outcome::{Outcome, Refusal};
use crate::report::{Report, Reports};
use crate::target::Target;

impl Engine {
    pub(super) fn refuse(&self, target: &Target, refusal: Refusal, asked: Instant, now: Instant) {
        let count = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            loudly(format_args!(
                "{target} cannot be purged (number {count}): {refusal}"
            ));
        } else {
            tracing::error!(target: "roan", %target, %refusal, "purge refused");
        }
        self.report_unsent(target, Outcome::Refused(refusal), asked, now);
    }

    pub(super) fn report_unsent(
        &self,
        target: &Target,
        outcome: Outcome,
        asked: Instant,
        now: Instant,
    ) {
        self.send_report(|| Report {
            target: target.clone(),
            cache: "".into(),
            node: "".into(),
            outcome,
            status: None,
            verified: false,
            rebound: false,
            attempts: 0,
            waited: now.saturating_duration_since(asked),
            took: Duration::ZERO,
        });
    }

    /// Counts and reports what was not sent.
    pub(super) fn end_unsent(&self, node: &Node, job: &Job, outcome: Outcome, now: Instant) {
        self.defer(
            Some(node),
            &job.target,
            &Why::Unsent,
            job.attempts,
            &job.tickets,
        );
        if !job.plain {
            return;
        }
        let first_of_a_run = node.count(&outcome);
        self.tell(Ending {
            node,
            job,
            outcome,
            status: None,
            verified: false,
            first_of_a_run,
            now,
        });
    }

    pub(super) fn tell(&self, ending: Ending<'_>) {
        ending.log();
        #[cfg(feature = "sql")]
        if self.durable.link().is_none() {
            self.dead.note(&ending);
        }
        self.send_report(|| ending.into_report());
    }

    fn send_report(&self, report: impl FnOnce() -> Report) {
        let reports = self.reports.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(reports) = reports
            .as_ref()
            .filter(|reports| reports.receiver_count() > 0)
        {
            // Fails when the last subscriber has just gone, and then nobody misses it.
            let _ = reports.send(report());
        }
    }

    pub(super) fn subscribe(&self) -> Reports {
        let reports = self.reports.read().unwrap_or_else(PoisonError::into_inner);
        Reports::new(match reports.as_ref() {
            Some(reports) => reports.subscribe(),
            // Of a sender that is gone: it gives nothing.
            None => broadcast::Sender::new(1).subscribe(),
        })
    }
}
