//! What a source of purges asks of the dispatcher: the relay of a durable outbox, or an agent of a fleet.

use std::sync::Arc;
use std::time::Instant;

use super::engine::Engine;
use super::node::Node;
use super::queue::{Ask, Job, Onward, Room};
use super::tickets::Ticket;
#[cfg(feature = "_sql")]
use super::tiers::Wanted;
use crate::base::history::Asking;
use crate::base::outcome::Outcome;
#[cfg(feature = "_sql")]
use crate::base::outcome::{Failure, Refusal};
use crate::base::target::Target;
#[cfg(feature = "_sql")]
use crate::base::target::TargetKind;

impl Engine {
    /// Takes in a target that was marked. The relay finds its pages, and says so if it finds none:
    /// [`Engine::accept_without_pages`].
    #[cfg(feature = "_sql")]
    pub(crate) fn accept_marked(
        &self,
        target: &Target,
        asking: Asking<'_>,
        ticket: Option<Ticket>,
        now: Instant,
    ) {
        let unable = self.cache_without(target.kind());
        // Which pages were on their way, the relay finds in the database.
        self.known.purge(target, unable);
        let has_pages = unable.is_some() && self.known.are_recorded();
        self.accept_with(target, &[], has_pages, asking, ticket, now);
    }

    /// No page is known that this target means, which was accepted before: the caches that waited for pages need not.
    #[cfg(feature = "_sql")]
    pub(crate) fn accept_without_pages(
        &self,
        target: &Target,
        asking: Asking<'_>,
        ticket: Option<Ticket>,
        now: Instant,
    ) {
        if !self.first_can_purge(target) {
            self.ask_tier(0, &Wanted::new(target, asking, ticket.as_slice()), now);
        }
    }

    /// Whether the first cache can purge a target itself.
    #[cfg(feature = "_sql")]
    fn first_can_purge(&self, target: &Target) -> bool {
        let tier = self.tiers.first();
        tier.is_some_and(|tier| tier.can_purge(target.kind()))
    }

    /// Takes in the URL of a page, and what it is purged for.
    #[cfg(feature = "_sql")]
    pub(crate) fn accept_page(
        &self,
        page: &Target,
        onward: &Onward,
        asking: Asking<'_>,
        ticket: Option<Ticket>,
        now: Instant,
    ) {
        match self.cannot_serve(TargetKind::Url, page.site()) {
            Some(_) => self.accept_with(page, &[], false, asking, ticket, now),
            None => {
                let wanted = Wanted {
                    onward,
                    ..Wanted::new(page, asking, ticket.as_slice())
                };
                // The next of its purges takes the page along.
                for target in onward.broader() {
                    if self.first_can_purge(target) {
                        self.ask_tier(0, &Wanted::new(target, asking, wanted.tickets), now);
                    }
                }
                self.ask_tier(0, &wanted, now);
            }
        }
    }

    /// Why one node cannot be asked for what another version of the program has left for it, if so.
    #[cfg(feature = "_sql")]
    pub(crate) fn cannot_ask_at(&self, place: (&str, &str), target: &Target) -> Option<Refusal> {
        let node = self.node(place)?;
        let kind = target.kind();
        let tier = self.tiers.get(node.tier);
        self.does_not_know(target.site()).or_else(|| {
            let problem = format!(
                "{} could purge by {kind} when this was asked for, and cannot now",
                node.cache
            );
            (!tier.is_some_and(|tier| tier.can_purge(kind))).then_some(Refusal::Node(problem))
        })
    }

    /// Takes in a target of a message.
    #[cfg(feature = "agent")]
    pub(crate) fn accept_message(
        &self,
        target: &Target,
        asking: Asking<'_>,
        ticket: Ticket,
        now: Instant,
    ) {
        self.accept_with(target, &[], false, asking, Some(ticket), now);
    }

    /// Takes in what one node has not answered yet. `None` if the node does not exist.
    pub(crate) fn accept_at(
        &self,
        place: (&str, &str),
        (target, onward): (&Target, &Onward),
        asking: Asking<'_>,
        (ticket, attempts): (Ticket, u32),
        now: Instant,
    ) -> Option<()> {
        let node = self.node(place)?;
        let ask = Ask {
            target,
            asking,
            rebound: false,
            ticket: Some((ticket, attempts)),
            onward,
            gathers: false,
        };
        self.ask_node(node, ask, now);
        Some(())
    }

    /// The thread looks after the flushes.
    pub(crate) fn wake(&self) {
        self.inbox.wake();
    }

    fn node(&self, (cache, node): (&str, &str)) -> Option<&Arc<Node>> {
        let mut nodes = self.nodes.iter();
        nodes.find(|known| *known.cache == *cache && *known.name == *node)
    }

    /// What to take from the database for a node; `None` if the node does not exist.
    pub(crate) fn room_at(&self, place: (&str, &str)) -> Option<Room> {
        Some(self.node(place)?.queue().room())
    }

    /// Starts the requests for what the relay has handed over, and wakes the thread for the rest.
    pub(crate) fn handed_over(self: &Arc<Self>) {
        self.pump_all();
        if self.is_due_early(0) {
            self.wake();
        }
    }

    #[cfg(feature = "_sql")]
    pub(crate) fn last_failure(&self, place: (&str, &str)) -> Failure {
        self.node(place)
            .map_or(Failure::Timeout, |node| node.last_failure())
    }

    /// Counts and reports a purge that the relay gives up.
    pub(crate) fn end_dead(
        &self,
        place: (&str, &str),
        target: &Target,
        outcome: Outcome,
        attempts: u32,
    ) {
        let Some(node) = self.node(place) else {
            return;
        };
        let now = Instant::now();
        let mut job = Job::unsent(target, now, false, now);
        job.attempts = attempts;
        self.end_unsent(node, &job, outcome, now);
    }
}
