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
use crate::base::outcome::Refusal;
use crate::base::target::Target;
#[cfg(feature = "_sql")]
use crate::base::target::TargetKind;

/// So many purges that are ready keep a node busy until the relay brings more.
const BUSY: usize = 1000;

/// So many deliveries are held for a node even if more than [`BUSY`] purges of new rows wait for it.
const FEW: usize = 100;

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

    /// What deliveries to take from the database for a node; `None` if the node does not exist.
    pub(crate) fn room_at(&self, place: (&str, &str)) -> Option<Room> {
        let node = self.node(place)?;
        let (room, ready) = {
            let queue = node.queue();
            (queue.room(), queue.ready())
        };
        let (_, left) = self.tickets.room_at(node.number);
        // A long queue would only make new rows wait behind it. But a few are always among them.
        let most = BUSY
            .saturating_sub(ready)
            .max(FEW.saturating_sub(self.tickets.deliveries_at(node.number)));
        Some(Room {
            new: room.new.min(most).min(left),
            ..room
        })
    }

    /// The number of rows to take from the database: as many as the nodes have room for that are asked first, or a node that
    /// has room for `least`. What the others do not have room for becomes deliveries. So rows wait for answers only while
    /// none of these nodes has room.
    pub(crate) fn room_for_rows(&self, least: usize) -> usize {
        let is_up = |node: &&Arc<Node>| node.queue().answers_soon();
        let up: Vec<_> = self.nodes.iter().filter(is_up).collect();
        let first = up.iter().map(|node| node.tier).min();
        let nodes = up.iter().filter(|node| Some(node.tier) == first);
        let rooms: Vec<_> = nodes
            .map(|node| self.tickets.room_at(node.number).0)
            .collect();
        let enough = rooms.iter().filter(|room| **room >= least).min();
        // Where no node answers, all becomes deliveries.
        let most = rooms.iter().max();
        enough.or(most).copied().unwrap_or(usize::MAX)
    }

    /// Starts the requests for what the relay has handed over, and wakes the thread for the rest.
    pub(crate) fn handed_over(self: &Arc<Self>) {
        self.pump_all();
        if self.is_due_early(0) {
            self.wake();
        }
    }

    /// Why a purge that waited in the database became too old before it was sent.
    #[cfg(feature = "_sql")]
    pub(crate) fn why_unsent(&self, place: (&str, &str)) -> String {
        let unknown = || "never sent: the program that gave it up does not have the node";
        self.node(place)
            .map_or_else(|| unknown().to_owned(), |node| node.why_unsent())
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
