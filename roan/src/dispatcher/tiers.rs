//! From one cache to the next.
//!
//! The next cache is asked after each answer of the one before it, so that it cannot stay filled from a stale one; and at once
//! where no answer will come soon. What it is asked for is as broad as it can be: see [`Onward`].

use std::time::Instant;

use super::engine::Engine;
use super::history::Records;
use super::node::Node;
use super::queue::{Ask, Asked, ITSELF, Job, Onward};
use super::tickets::{Ticket, Why};
use crate::base::history::Asking;
use crate::base::outcome::Outcome;
use crate::base::target::{Target, TargetKind};

/// What the nodes of a cache are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) target: &'a Target,
    /// What the cache after it is asked for.
    pub(super) onward: &'a Onward,
    pub(super) asking: Asking<'a>,
    pub(super) rebound: bool,
    pub(super) tickets: &'a [Ticket],
    /// Whether caches before it are about to be asked for pages that the target means.
    pub(super) has_pages: bool,
    /// Whether this follows from the second purge at the cache before it.
    pub(super) is_after_rebound: bool,
}

impl<'a> Wanted<'a> {
    /// What was not asked for at any cache yet.
    pub(super) fn new(target: &'a Target, asking: Asking<'a>, tickets: &'a [Ticket]) -> Self {
        Self {
            target,
            onward: &ITSELF,
            asking,
            rebound: false,
            tickets,
            has_pages: false,
            is_after_rebound: false,
        }
    }
}

impl Engine {
    /// Asks the nodes of one tier, in place of a URL for the broader targets for which it is purged, if this tier and all later
    /// ones can purge those.
    pub(super) fn ask_tier(&self, tier: usize, wanted: &Wanted<'_>, now: Instant) {
        let Some(tiers) = self.tiers.get(tier..).filter(|tiers| !tiers.is_empty()) else {
            return;
        };
        let broader = wanted.onward.broader();
        if broader.is_empty() {
            return self.ask_nodes(tier, wanted, now);
        }
        let all_can_purge =
            |target: &Target| tiers.iter().all(|tier| tier.can_purge(target.kind()));
        let (alone, rest): (Vec<_>, Vec<_>) = broader.iter().cloned().partition(all_can_purge);
        for target in &alone {
            let wanted = Wanted {
                target,
                onward: &ITSELF,
                ..*wanted
            };
            self.ask_nodes(tier, &wanted, now);
        }
        if !rest.is_empty() || wanted.onward.is_itself() {
            let onward = &Onward::from_parts(wanted.onward.is_itself(), rest);
            self.ask_nodes(tier, &Wanted { onward, ..*wanted }, now);
        }
    }

    /// Asks the nodes of one tier for one target.
    fn ask_nodes(&self, tier: usize, wanted: &Wanted<'_>, now: Instant) {
        let target = wanted.target;
        let mut answer_comes = false;
        let mut one_is_silent = false;
        if self.tiers[tier].can_purge(target.kind()) {
            let gathers = tier > 0 && self.more_will_follow(tier, wanted);
            let ask = |ticket: Option<Ticket>| Ask {
                target,
                asking: wanted.asking,
                rebound: wanted.rebound,
                ticket: ticket.map(|ticket| (ticket, 0)),
                onward: wanted.onward,
                gathers,
            };
            for node in self.nodes.iter().filter(|node| node.tier == tier) {
                if let Some(origin) = wanted.asking.origin {
                    node.origins.add(target, origin);
                }
                if wanted.tickets.is_empty() {
                    answer_comes |= self.ask_node(node, ask(None), now);
                }
                for ticket in wanted.tickets {
                    answer_comes |= self.ask_node(node, ask(Some(*ticket)), now);
                }
                one_is_silent |= !node.queue().answers_soon();
            }
        }
        if !answer_comes || one_is_silent {
            self.ask_tier(tier + 1, wanted, now);
        }
    }

    /// Whether answers of earlier tiers for pages that the target means will soon ask for it again.
    fn more_will_follow(&self, tier: usize, wanted: &Wanted<'_>) -> bool {
        let Wanted {
            target,
            is_after_rebound,
            ..
        } = *wanted;
        let mut earlier = self.nodes.iter().filter(|node| node.tier < tier);
        target.kind() != TargetKind::Url
            && (wanted.has_pages
                || earlier.any(|node| node.queue().awaits(target, is_after_rebound)))
    }

    /// Asks one node, and says whether an answer will come soon.
    pub(super) fn ask_node(&self, node: &Node, ask: Ask<'_>, now: Instant) -> bool {
        let ticket = ask.ticket.map(|(ticket, _)| ticket);
        let has_room = ticket.is_none_or(|ticket| self.tickets.asked(ticket, Some(node.number)));
        let (result, answers_soon) = {
            let mut queue = node.queue();
            let result = if has_room {
                queue.ask(ask, now)
            } else {
                Asked::Busy
            };
            (result, queue.answers_soon())
        };
        match result {
            Asked::New | Asked::Merged => answers_soon,
            Asked::Held => {
                if let Some(ticket) = ticket {
                    self.tickets.done(ticket, node.number);
                }
                answers_soon
            }
            Asked::Instead(evicted) => {
                self.end_unsent(node, &evicted, Outcome::Dropped, now);
                answers_soon
            }
            Asked::Full | Asked::Busy => {
                if let Some((ticket, attempts)) = ask.ticket {
                    let why = Why::Unsent;
                    self.defer(
                        Some(node),
                        ask.target,
                        ask.onward,
                        &why,
                        attempts,
                        &[ticket],
                    );
                } else {
                    let mut job = Job::unsent(ask.target, ask.asking.asked, ask.rebound, now);
                    job.records = Records::of(ask.asking.records);
                    self.end_unsent(node, &job, Outcome::Dropped, now);
                }
                false
            }
        }
    }
}
