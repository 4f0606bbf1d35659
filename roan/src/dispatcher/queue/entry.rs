//! A target that waits, or is in flight.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::history::Records;
use super::super::tickets::Ticket;
use super::job::{Settled, Verdict};
use super::onward::Onward;
use crate::base::moment::Moment;
use crate::base::target::Target;

pub(super) struct Entry {
    pub(super) target: Target,
    /// Of the target, so that the index need not read its text again.
    pub(super) hash: u64,
    /// What it may share a request with.
    pub(super) class: u32,
    /// With how many it may share a request at most, itself included: half as many as after each request that was refused,
    /// or failed for one of them.
    pub(super) most: u32,
    /// The oldest ask that was not answered yet; reports count the waiting time from it.
    pub(super) asked: Instant,
    /// See `Asking::written`: of the oldest ask that has one.
    pub(super) written: Option<Moment>,
    /// The newest such ask; the maximum age counts from it.
    pub(super) newest: Instant,
    /// Another one for each ask: a purge that left before an ask must not pass for one that serves it.
    pub(super) id: u64,
    pub(super) sent: Option<Instant>,
    pub(super) attempts: u32,
    pub(super) rebound: bool,
    /// Whether an attempt has failed since the target was last answered: then it waits behind others.
    pub(super) failed: bool,
    /// Whether the next cache was asked since the newest ask.
    pub(super) passed_on: bool,
    pub(super) phase: Phase,
    /// Whether somebody without a ticket has asked: then a failure is tried again from here.
    pub(super) plain: bool,
    /// So many of the tickets were there when the request left.
    pub(super) covered: u32,
    pub(super) tickets: Vec<Held>,
    pub(super) records: Records,
    /// Of all who have asked.
    pub(super) onward: Onward,
    /// Whether it is counted for its broader targets, and then as a rebound or not: see [`Queue::awaits`](super::Queue::awaits).
    pub(super) counted: Option<bool>,
}

/// A ticket that waits for this target to be purged, and purged once more after the rebound delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) ticket: Ticket,
    /// Since the first purge: when the second may leave.
    pub(super) rebound_at: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Ready,
    Timed(Instant),
    InFlight { again: Option<Again> },
}

/// An ask that came while a request was in flight.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) asked: Instant,
    pub(super) written: Option<Moment>,
    pub(super) rebound: bool,
    /// More such asks will follow, so the next request leaves at this time. `None` for at once.
    pub(super) gathers_until: Option<Instant>,
}

impl Held {
    /// A rebound has no rebound: the next request serves it.
    pub(super) fn of(ticket: Option<(Ticket, u32)>, rebound: bool, now: Instant) -> Option<Self> {
        ticket.map(|(ticket, _)| Self {
            ticket,
            rebound_at: rebound.then_some(now),
        })
    }
}

/// A number that no other ask in this process has.
pub(super) fn new_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Entry {
    pub(super) fn is_fresh(&self) -> bool {
        let is_asked_again = matches!(
            self.phase,
            Phase::InFlight {
                again: Some(Again { rebound: false, .. })
            }
        );
        !self.rebound || is_asked_again
    }

    /// Whether the next request serves this ticket already: the pages of one row ask for one target again and again.
    pub(super) fn holds(&self, held: Held) -> bool {
        // A few of the newest are enough.
        const LOOKED_AT: usize = 8;
        let sent = if matches!(self.phase, Phase::InFlight { .. }) {
            self.covered as usize
        } else {
            0
        };
        let waiting = self.tickets.iter().skip(sent).rev();
        held.rebound_at.is_none() && waiting.take(LOOKED_AT).any(|other| *other == held)
    }

    /// Gives back the tickets that an answer settles. A request that left after a ticket's rebound was
    /// due is its rebound, whatever it was sent for: so the tickets of a page that is saved all the
    /// time are settled, too.
    pub(super) fn settle(
        &mut self,
        verdict: Verdict,
        started: Instant,
        now: Instant,
        rebound: Option<Duration>,
    ) -> Settled {
        let mut settled = Settled::default();
        if self.tickets.is_empty() {
            return settled;
        }
        let covered = self.covered as usize;
        match verdict {
            Verdict::Failed { .. } => {
                let tickets = self.tickets.drain(..);
                settled.served.extend(tickets.map(|held| held.ticket));
            }
            Verdict::Refused | Verdict::Denied => {
                let tickets = self.tickets.drain(..covered);
                settled.served.extend(tickets.map(|held| held.ticket));
            }
            Verdict::Done => {
                let mut number = 0;
                self.tickets.retain_mut(|held| {
                    number += 1;
                    if number > covered {
                        return true;
                    }
                    settled.served.push(held.ticket);
                    if held.rebound_at.is_some() {
                        settled.rebounds.push(held.ticket);
                    }
                    let waits = match (held.rebound_at, rebound) {
                        (None, Some(delay)) => {
                            held.rebound_at = Some(now + delay);
                            true
                        }
                        (Some(at), Some(_)) => at > started,
                        (_, None) => false,
                    };
                    if !waits {
                        settled.done.push(held.ticket);
                    }
                    waits
                });
            }
        }
        self.covered = 0;
        settled
    }

    pub(super) fn take_tickets(&mut self) -> Vec<Ticket> {
        self.covered = 0;
        self.tickets.drain(..).map(|held| held.ticket).collect()
    }

    pub(super) fn renew(&mut self, asked: Instant, written: Option<Moment>, rebound: bool) {
        self.asked = asked;
        self.written = written;
        self.newest = asked;
        self.id = new_id();
        self.attempts = 0;
        self.rebound = rebound;
    }
}
