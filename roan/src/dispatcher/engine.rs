//! What the parts of a dispatcher share, and the way of a target from the inbox to the queues of the nodes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::batch::Waiting;
use super::command::{Command, Commands};
use super::history::Records;
use super::inbox::{Inbox, Put};
use super::known::KnownPages;
use super::node::Node;
use super::policy::Policy;
use super::queue::{Ask, Asked, Job};
use super::report::{Ended, Reporter};
use super::sites::Sites;
use super::source::Source;
use super::stats::{NodeRemaining, Remaining, Stats};
use super::tickets::{Deferred, Ticket, Tickets, Why};
use crate::base::history::{Asking, Because, Causes, Unmarked};
use crate::base::log::loudly_at_times;
use crate::base::outcome::{Outcome, Refusal};
use crate::base::spelling::Spellings;
use crate::base::target::{Target, TargetKind, TargetRef};
use crate::purger::Capabilities;

/// What the hooks, the dispatcher's thread and the handles share.
pub(crate) struct Engine {
    pub(super) inbox: Inbox,
    pub(crate) nodes: Vec<Arc<Node>>,
    spellings: Spellings,
    pub(crate) known: KnownPages,
    /// For each tier, what its cache can purge.
    pub(crate) tiers: Vec<Capabilities>,
    pub(crate) sites: Sites,
    pub(crate) reporter: Reporter,
    pub(super) commands: Commands,
    /// Of the rows that the relay has taken out of a durable outbox.
    pub(crate) tickets: Tickets,
    /// The durable outbox; `None` where purges wait in memory.
    pub(super) source: Option<Arc<dyn Source>>,
    /// Whether somebody waits for the queues to be empty.
    pub(super) watched: AtomicBool,
    /// Until when the thread sleeps; a timer that is due earlier must wake it.
    pub(super) sleeps_until: Mutex<Instant>,
    invalid: AtomicU64,
    /// Rows that the table of the outbox did not take.
    not_stored: AtomicU64,
}

impl Engine {
    /// The parts of a dispatcher; [`start`](super::start) makes it work.
    pub(crate) fn new(
        nodes: Vec<Arc<Node>>,
        tiers: Vec<Capabilities>,
        sites: Sites,
        policy: &Policy,
        source: Option<Arc<dyn Source>>,
        known: KnownPages,
    ) -> Self {
        Self {
            inbox: Inbox::new(policy.max_waiting),
            spellings: policy.spellings,
            known,
            nodes,
            tiers,
            sites,
            reporter: Reporter::new(source.is_none(), policy.max_reports, policy.history),
            commands: Commands::new(),
            tickets: Tickets::default(),
            source,
            watched: AtomicBool::new(false),
            sleeps_until: Mutex::new(Instant::now()),
            invalid: AtomicU64::new(0),
            not_stored: AtomicU64::new(0),
        }
    }

    /// Whether purges wait in a database.
    #[cfg(any(feature = "sea-orm", feature = "diesel"))]
    pub(crate) fn is_durable(&self) -> bool {
        self.source.is_some()
    }

    /// Asks for a look into the durable outbox, if there is one.
    pub(crate) fn want_look(&self) -> Option<u64> {
        self.source.as_ref().map(|source| source.want_look())
    }

    /// How many rows waited at that look; `None` when it was not made yet.
    pub(super) fn waiting_at(&self, look: Option<u64>) -> Option<u64> {
        match (&self.source, look) {
            (Some(source), Some(look)) => source.waiting_at(look),
            _ => Some(0),
        }
    }

    /// The number of purges that wait to be marked.
    pub(super) fn unmarked(&self) -> usize {
        self.source.as_ref().map_or(0, |source| source.unmarked())
    }

    pub(super) async fn stop_source(&self) {
        if let Some(source) = &self.source {
            source.stop().await;
            let now = Instant::now();
            for Unmarked {
                target,
                asked,
                record,
            } in source.take_unmarked()
            {
                self.accept(&target, Asking::of(asked, record.as_slice()), now);
            }
        }
    }

    pub(crate) fn command(&self, command: Command) {
        self.commands.push(command);
        self.inbox.wake();
    }

    /// Takes in a target that left the inbox. If other processes render pages, the relay says to them first that it is
    /// purged.
    pub(super) fn accept_direct(&self, waiting: Waiting, now: Instant) {
        let Waiting {
            target,
            asked,
            causes,
        } = waiting;
        let record = self.reporter.history.begin(&target, asked, causes);
        let unmarked = Unmarked {
            target,
            asked,
            record,
        };
        let unmarked = match &self.source {
            Some(source) if self.known.are_recorded() => source.mark_first(unmarked),
            _ => Some(unmarked),
        };
        if let Some(Unmarked {
            target,
            asked,
            record,
        }) = unmarked
        {
            self.accept(&target, Asking::of(asked, record.as_slice()), now);
        }
    }

    /// Puts a target into the inbox, and says whether there is room for it.
    pub(crate) fn lets_in(&self, target: TargetRef<'_>, because: Because<'_>) -> bool {
        self.inbox.put(target, self.noted(because)) == Put::Waits
    }

    /// The cause, if causes are noted.
    fn noted<'a>(&self, because: Because<'a>) -> Because<'a> {
        match self.reporter.history.is_on() {
            true => because,
            false => Because::Unsaid,
        }
    }

    /// Puts what a hook yields into the inbox.
    pub(crate) fn put(&self, target: TargetRef<'_>, because: Because<'_>) {
        let because = self.noted(because);
        let (why, count) = match self.inbox.put(target, because) {
            Put::Waits => return,
            Put::Closed(count) => (
                "the dispatcher was shut down (a guard is kept by `let _guard = ...`; `let _ = ...` drops it)",
                count,
            ),
            Put::Full(count) => ("the queue is full (`RoanBuilder::max_waiting`)", count),
        };
        let target = target.to_target();
        loudly_at_times(
            count,
            format_args!("{} is not purged (number {count}): {why}", target.shown()),
            || tracing::error!(target: "roan", %target, why, "not purged"),
        );
        let now = Instant::now();
        let record = self
            .reporter
            .history
            .begin(&target, now, Causes::of(because));
        let asking = Asking::of(now, record.as_slice());
        self.reporter.unsent(&target, Outcome::Dropped, asking, now);
    }

    /// Counts what a rule could not make a target of.
    pub(crate) fn invalid(&self, error: &dyn std::fmt::Display) {
        let count = self.invalid.fetch_add(1, Ordering::Relaxed) + 1;
        loudly_at_times(
            count,
            format_args!("a rule could not make a target (number {count}): {error}"),
            || tracing::error!(target: "roan", %error, "a rule could not make a target"),
        );
    }

    /// Counts the purges of a write that the durable outbox did not take, and that leave from memory.
    #[cfg(feature = "_sql")]
    pub(crate) fn not_stored(&self, error: &dyn std::fmt::Display) {
        let count = self.not_stored.fetch_add(1, Ordering::Relaxed) + 1;
        loudly_at_times(
            count,
            format_args!(
                "the outbox did not take the purges of a write outside of a transaction (number {count}): {error}. \
                 They are sent from memory: a crash loses those that have not left"
            ),
            || tracing::error!(target: "roan", %error, "the outbox did not take the purges of a write"),
        );
    }

    /// The names of the sites, and the kinds of targets besides URLs that can be purged.
    #[cfg(feature = "_sql")]
    pub(crate) fn site_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.sites.named.keys().cloned().collect();
        let kinds = [
            (TargetKind::Tag, "tags"),
            (TargetKind::Prefix, "prefixes"),
            (TargetKind::Host, "hosts"),
            (TargetKind::Everything, "everything"),
        ];
        let served = kinds
            .into_iter()
            .filter(|(kind, _)| self.cannot_serve(*kind, None).is_none());
        names.extend(served.map(|(_, name)| name.to_owned()));
        names
    }

    /// Why no cache can purge such a target, if so.
    pub(crate) fn cannot_serve(&self, kind: TargetKind, site: Option<&str>) -> Option<Refusal> {
        let can_purge = |kind| self.tiers.iter().any(|tier| tier.can_purge(kind));
        self.does_not_know(site).or_else(|| {
            let by_its_pages = can_purge(TargetKind::Url) && self.known.are_any();
            (!can_purge(kind) && !by_its_pages).then_some(Refusal::NoCacheFor(kind))
        })
    }

    /// Why the site cannot be purged, if so.
    pub(crate) fn does_not_know(&self, site: Option<&str>) -> Option<Refusal> {
        let unknown = site.filter(|name| !self.sites.named.contains_key(*name))?;
        Some(Refusal::UnknownSite(unknown.to_owned()))
    }

    /// Takes in a target that left the inbox.
    pub(crate) fn accept(&self, target: &Target, asking: Asking<'_>, now: Instant) {
        // First, so that no page that was rendered before enters a cache after its purge.
        let known = self.known.urls(target, self.cache_without(target.kind()));
        self.accept_with(target, &known, asking, None, now);
    }

    /// Takes in a target, with a ticket if it is from the durable outbox, and the URLs of pages that it means.
    pub(super) fn accept_with(
        &self,
        target: &Target,
        known: &[Target],
        asking: Asking<'_>,
        ticket: Option<Ticket>,
        now: Instant,
    ) {
        match self.cannot_serve(target.kind(), target.site()) {
            Some(refusal) => {
                if let Some(ticket) = ticket {
                    self.tickets.asked(ticket);
                    self.defer(None, target, &Why::Refused(refusal.clone()), 0, &[ticket]);
                }
                self.reporter.refused(target, refusal, asking, now);
            }
            None => {
                let tickets = ticket.as_slice();
                self.ask_tier(0, target, asking, false, tickets, now);
                let mut others = target.other_spellings(self.spellings);
                others.retain(|other| !known.contains(other));
                for other in known.iter().chain(&others) {
                    if other != target {
                        self.ask_tier(0, other, asking, false, tickets, now);
                    }
                }
            }
        }
    }

    /// The first cache that cannot purge targets of a kind.
    pub(crate) fn cache_without(&self, kind: TargetKind) -> Option<&str> {
        let tier = self.tiers.iter().position(|tier| !tier.can_purge(kind))?;
        let mut nodes = self.nodes.iter();
        nodes
            .find(|node| node.tier == tier)
            .map(|node| &*node.cache)
    }

    /// Asks the nodes of one tier. The next tier is asked after each answer of this one, so that it
    /// cannot stay filled from a stale one; and at once for a node that will not answer soon.
    pub(super) fn ask_tier(
        &self,
        tier: usize,
        target: &Target,
        asking: Asking<'_>,
        rebound: bool,
        tickets: &[Ticket],
        now: Instant,
    ) {
        let Some(capabilities) = self.tiers.get(tier) else {
            return;
        };
        let mut answer_comes = false;
        let mut one_is_silent = false;
        if capabilities.can_purge(target.kind()) {
            let ask = |ticket: Option<Ticket>| Ask {
                target,
                asking,
                rebound,
                ticket: ticket.map(|ticket| (ticket, 0)),
            };
            for node in self.nodes.iter().filter(|node| node.tier == tier) {
                if tickets.is_empty() {
                    answer_comes |= self.ask_node(node, ask(None), now);
                }
                for ticket in tickets {
                    answer_comes |= self.ask_node(node, ask(Some(*ticket)), now);
                }
                one_is_silent |= !node.queue().answers_soon();
            }
        }
        if !answer_comes || one_is_silent {
            self.ask_tier(tier + 1, target, asking, rebound, tickets, now);
        }
    }

    /// Asks one node, and says whether an answer will come soon.
    pub(super) fn ask_node(&self, node: &Node, ask: Ask<'_>, now: Instant) -> bool {
        let ticket = ask.ticket.map(|(ticket, _)| ticket);
        if let Some(ticket) = ticket {
            self.tickets.asked(ticket);
        }
        let (result, answers_soon) = {
            let mut queue = node.queue();
            (queue.ask(ask, now), queue.answers_soon())
        };
        match result {
            Asked::New | Asked::Merged => answers_soon,
            Asked::Instead(evicted) => {
                self.end_unsent(node, &evicted, Outcome::Dropped, now);
                answers_soon
            }
            Asked::Full | Asked::Busy => {
                if let Some((ticket, attempts)) = ask.ticket {
                    self.defer(Some(node), ask.target, &Why::Unsent, attempts, &[ticket]);
                } else {
                    let mut job = Job::unsent(ask.target, ask.asking.asked, ask.rebound, now);
                    job.records = Records::of(ask.asking.records);
                    self.end_unsent(node, &job, Outcome::Dropped, now);
                }
                false
            }
        }
    }

    /// Gives back to the durable outbox what a node has not answered.
    pub(super) fn defer(
        &self,
        node: Option<&Node>,
        target: &Target,
        why: &Why,
        attempts: u32,
        tickets: &[Ticket],
    ) {
        for ticket in tickets {
            let deferred = Deferred {
                node: node.map(|node| (Arc::clone(&node.cache), Arc::clone(&node.name))),
                target: target.clone(),
                why: why.clone(),
                attempts,
            };
            self.tickets.deferred(*ticket, deferred);
        }
    }

    /// Whether something is due before the thread means to wake, at this tier or a later one.
    pub(super) fn is_due_early(&self, tier: usize) -> bool {
        let sleeps_until = *self
            .sleeps_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut nodes = self.nodes.iter().filter(|node| node.tier >= tier);
        nodes.any(|node| {
            let due = node.queue().next_due();
            due.is_some_and(|due| due < sleeps_until)
        })
    }

    /// The thread ends: nothing is let in, taken or reported any more.
    pub(super) fn close(&self, left: Remaining) {
        self.inbox.close();
        self.commands.close(left);
        self.reporter.close();
    }

    pub(crate) fn left(&self, rebounds: bool) -> Remaining {
        let nodes = self.nodes.iter().filter_map(|node| {
            let queue = node.queue();
            let left = NodeRemaining {
                cache: Arc::clone(&node.cache),
                node: Arc::clone(&node.name),
                pending: queue.pending(),
                rebounds: queue.rebounds(),
                paused: queue.is_paused(),
            };
            (left.pending > 0 || rebounds && left.rebounds > 0).then_some(left)
        });
        Remaining {
            nodes: nodes.collect(),
            outbox: 0,
            outbox_unread: false,
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            asked: self.inbox.asked(),
            dropped: self.inbox.dropped(),
            waiting: self.inbox.waiting() + self.unmarked(),
            refused: self.reporter.refused_count(),
            invalid: self.invalid.load(Ordering::Relaxed),
            not_stored: self.not_stored.load(Ordering::Relaxed),
            nodes: self.nodes.iter().map(|node| node.stats()).collect(),
        }
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
        self.reporter.ended(Ended {
            node,
            job,
            outcome,
            status: None,
            verified: false,
            first_of_a_run,
            now,
        });
    }
}
