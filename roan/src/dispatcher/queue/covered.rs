//! What a purge of a prefix, a host, everything or a tag purges besides.
//!
//! A page that waits for its purge need not be purged by itself when a purge leaves that includes it: the answer to that one
//! is an answer for the page, too. Under a limit this saves requests. If that one is not answered well, the page goes on
//! waiting as before.
//!
//! Of a tag that are the pages which are purged for this tag alone. They are asked for because a later cache knows URLs alone.

use std::time::Instant;

use super::Queue;
use super::batch::leave;
use super::entry::Phase;
use super::job::{Job, Request};
use crate::base::target::{Target, TargetKind};

/// Whether each page that `target` means is one that `broad` means.
pub(super) fn covers(broad: &Target, target: &Target) -> bool {
    let is_of_its_site = broad.site() == target.site();
    match (broad.kind(), target.kind()) {
        (TargetKind::Everything, _) => true,
        // Tags are of all sites.
        (TargetKind::Host, TargetKind::Url | TargetKind::Prefix) => is_of_its_site,
        (TargetKind::Prefix, TargetKind::Url | TargetKind::Prefix) => {
            is_of_its_site && target.as_str().starts_with(broad.as_str())
        }
        _ => false,
    }
}

/// Whether targets of a kind cover others.
fn is_broad(kind: TargetKind) -> bool {
    match kind {
        TargetKind::Url | TargetKind::Tag => false,
        TargetKind::Prefix | TargetKind::Host | TargetKind::Everything => true,
    }
}

impl Queue {
    /// Adds what is ready and covered by the targets of the request.
    pub(super) fn cover(&mut self, request: &mut Request, now: Instant) {
        let first = &request.first.target;
        let is_of_pages = request.jobs().any(|job| self.has_pages_of(&job.target));
        if !is_broad(first.kind()) && !is_of_pages {
            return;
        }
        let entries = &mut self.entries;
        let mut covered = Vec::new();
        for lane in [&mut self.ready, &mut self.retries.ready] {
            lane.retain(|place| {
                let entry = &mut entries[place as usize];
                let covers =
                    |target: &Target| covers(target, &entry.target) || entry.onward.is_for(target);
                let is_covered = request.jobs().any(|job| covers(&job.target));
                if is_covered {
                    covered.push(leave(entry, place, now));
                }
                !is_covered
            });
        }
        request.covered = covered;
    }

    /// The request that would have covered this target was not answered well.
    pub(in crate::dispatcher) fn uncovered(&mut self, job: &Job) {
        let place = job.place;
        let entry = &mut self.entries[place as usize];
        let Phase::InFlight { again } = entry.phase else {
            debug_assert!(false, "a target that was not covered");
            return;
        };
        let was_fresh = entry.is_fresh();
        self.uncount(place);
        let entry = &mut self.entries[place as usize];
        // What was asked for meanwhile is served by the same request.
        entry.rebound &= again.is_none_or(|again| again.rebound);
        entry.covered = 0;
        entry.attempts = entry.attempts.saturating_sub(1);
        self.fresh -= usize::from(was_fresh);
        self.make_ready(place);
        self.fresh += usize::from(self.entries[place as usize].is_fresh());
        self.count(place);
    }
}
