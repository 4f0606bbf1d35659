//! What the parts of a dispatcher share, and the way of a target from the inbox to the queues of the nodes.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::batch::Waiting;
use super::command::{Command, Commands};
use super::handover::Handovers;
use super::inbox::{Inbox, Put};
use super::invalid::InvalidTargets;
use super::known::KnownPages;
#[cfg(feature = "metrics")]
use super::measure::Measures;
use super::node::Node;
use super::policy::Policy;
use super::queue::{ITSELF, Job, Onward};
use super::report::{Ended, Reporter};
use super::sites::Sites;
use super::source::Source;
use super::stats::{NodeRemaining, NodeStats, Remaining, Stats};
use super::stragglers::{Straggler, Stragglers};
use super::tickets::{Deferred, Ticket, Tickets, Why};
use super::tiers::Wanted;
use crate::base::history::{Asking, Because, Causes, Unmarked};
use crate::base::lock::Mutex;
use crate::base::log::loudly_at_times;
use crate::base::origin::Origin;
use crate::base::outcome::{Outcome, Refusal};
use crate::base::spelling::Spellings;
use crate::base::target::{Target, TargetKind, TargetRef};
use crate::model::InvalidTarget;
use crate::purger::Capabilities;

/// What the hooks, the dispatcher's thread and the handles share.
pub(crate) struct Engine {
    pub(super) inbox: Inbox,
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) spellings: Spellings,
    pub(crate) known: KnownPages,
    /// For each tier, what its cache can purge.
    pub(crate) tiers: Vec<Capabilities>,
    pub(crate) sites: Sites,
    pub(crate) reporter: Reporter,
    pub(super) commands: Commands,
    /// Of the rows that the relay has taken out of a durable outbox.
    pub(crate) tickets: Tickets,
    /// Of the pages that were purged while they were on their way.
    stragglers: Stragglers,
    /// The first tier that such a page may reach after the rebound.
    has_stragglers: Option<usize>,
    /// The durable outbox; `None` where purges wait in memory.
    pub(super) source: Option<Arc<dyn Source>>,
    /// Whether somebody waits for the queues to be empty.
    pub(super) watched: AtomicBool,
    /// Until when the thread sleeps; a timer that is due earlier must wake it.
    pub(super) sleeps_until: Mutex<Instant>,
    invalid: InvalidTargets,
    /// Rows that the table of the outbox did not take.
    not_stored: AtomicU64,
    /// From the queues of one cache to those of the next.
    pub(super) handovers: Handovers,
    #[cfg(feature = "metrics")]
    pub(super) measures: Measures,
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
            stragglers: Stragglers::new(policy.max_waiting),
            has_stragglers: (nodes.iter())
                .filter(|node| node.has_stragglers)
                .map(|node| node.tier)
                .min(),
            nodes,
            tiers,
            sites,
            reporter: Reporter::new(source.is_none(), policy.max_reports, policy.history),
            commands: Commands::new(),
            tickets: Tickets::default(),
            source,
            watched: AtomicBool::new(false),
            sleeps_until: Mutex::new(Instant::now()),
            invalid: InvalidTargets::default(),
            not_stored: AtomicU64::new(0),
            handovers: Handovers::default(),
            #[cfg(feature = "metrics")]
            measures: Measures::new(),
        }
    }

    /// Whether one of the caches is a fleet.
    #[cfg(all(feature = "nats", feature = "_sql"))]
    pub(crate) fn has_fleet(&self) -> bool {
        self.nodes.iter().any(|node| node.is_fleet)
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
            origin,
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
            let asking = Asking::of(asked, record.as_slice()).with_origin(Some(&origin));
            self.accept(&target, asking, now);
        }
    }

    /// Puts a target into the inbox, and says whether there is room for it.
    pub(crate) fn lets_in(&self, target: TargetRef<'_>, because: Because<'_>) -> bool {
        self.inbox
            .put(target, self.noted(because), &Origin::default())
            == Put::Waits
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
        let origin = Origin::of_hook(target);
        let (why, count) = match self.inbox.put(target, because, &origin) {
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

    /// Counts and logs what a rule could not make a target of. `place`: where its row is from.
    pub(crate) fn invalid(&self, place: impl Display, invalid: &InvalidTarget) {
        self.invalid.add(place, invalid);
        #[cfg(feature = "metrics")]
        self.measure_soon();
    }

    /// Counts the purges of a write that the durable outbox did not take, and that leave from memory.
    #[cfg(feature = "_sql")]
    pub(crate) fn not_stored(&self, error: &dyn Display) {
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
        for (number, tier) in self.tiers.iter().enumerate() {
            let kinds = kinds.iter().filter(|(kind, _)| tier.can_purge(*kind));
            names.extend(kinds.map(|(_, name)| format!("{name} at {number}")));
        }
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
        let unknown = site.filter(|name| !self.sites.has(name))?;
        Some(Refusal::UnknownSite(unknown.to_owned()))
    }

    /// Takes in a target that left the inbox.
    pub(crate) fn accept(&self, target: &Target, asking: Asking<'_>, now: Instant) {
        // First, so that no page that was rendered before enters a cache after its purge.
        let known = self.known.purge(target, self.cache_without(target.kind()));
        let has_pages = !known.urls.is_empty();
        self.accept_with(target, &known.urls, has_pages, asking, None, now);
        for (page, due) in known.stragglers {
            let onward = Onward::of_page(&page, target);
            self.purge_once_more(page, onward, due);
        }
    }

    /// Purges what is purged now once more at this time, since a page was on its way into a cache; and after its answer the next
    /// cache by `onward`.
    pub(crate) fn purge_once_more(&self, target: Target, onward: Onward, due: Instant) {
        let Some(first) = self.has_stragglers else {
            return;
        };
        let mut tiers = self.tiers.iter().skip(first);
        if !tiers.any(|tier| tier.can_purge(target.kind())) {
            return;
        }
        let _handover = self.handovers.begin();
        if let Some(early) = self.stragglers.note(target, onward, due) {
            self.purge_stragglers(vec![early], Instant::now());
        }
        self.inbox.wake();
    }

    /// Purges once more what is due, and returns when to do so again.
    pub(super) fn purge_due_stragglers(&self, now: Instant) -> Option<Instant> {
        if self.stragglers.next_due().is_some_and(|due| due <= now) {
            let _handover = self.handovers.begin();
            self.purge_stragglers(self.stragglers.take_due(now), now);
        }
        self.stragglers.next_due()
    }

    /// The end: what is not due yet waits as all else does.
    pub(super) fn purge_all_stragglers(&self, now: Instant) {
        let _handover = self.handovers.begin();
        self.purge_stragglers(self.stragglers.take_all(), now);
    }

    /// They have left their queue: call it in a handover.
    fn purge_stragglers(&self, stragglers: Vec<Straggler>, now: Instant) {
        let Some(first) = self.has_stragglers else {
            return;
        };
        for (target, onward) in stragglers {
            // A cache behind one that cannot purge such targets is not asked again after the answer of that one.
            let can_purge = |tier: &Capabilities| tier.can_purge(target.kind());
            let rebound = self.tiers.get(first).is_some_and(can_purge);
            let wanted = Wanted {
                onward: &onward,
                rebound,
                ..Wanted::new(&target, Asking::of(now, &[]).written(None), &[])
            };
            self.ask_tier(first, &wanted, now);
        }
    }

    /// Takes in a target, with a ticket if it is from the durable outbox, and the URLs of pages that it means. `has_pages` if
    /// there are any, now or soon.
    pub(super) fn accept_with(
        &self,
        target: &Target,
        known: &[Target],
        has_pages: bool,
        asking: Asking<'_>,
        ticket: Option<Ticket>,
        now: Instant,
    ) {
        match self.cannot_serve(target.kind(), target.site()) {
            Some(refusal) => {
                if let Some(ticket) = ticket {
                    self.tickets.asked(ticket, None);
                    let why = Why::Refused(refusal.clone());
                    self.defer(None, target, &ITSELF, &why, 0, &[ticket]);
                }
                self.reporter.refused(target, refusal, asking, now);
            }
            None => {
                let wanted = Wanted {
                    has_pages,
                    ..Wanted::new(target, asking, ticket.as_slice())
                };
                self.ask_tier(0, &wanted, now);
                let mut others = target.other_spellings(self.spellings);
                others.retain(|other| !known.contains(other));
                for other in known.iter().chain(&others) {
                    if other != target {
                        let page = Wanted {
                            onward: &Onward::of_page(other, target),
                            ..Wanted::new(other, asking, wanted.tickets)
                        };
                        self.ask_tier(0, &page, now);
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

    /// Gives back to the durable outbox what a node has not answered.
    pub(super) fn defer(
        &self,
        node: Option<&Node>,
        target: &Target,
        onward: &Onward,
        why: &Why,
        attempts: u32,
        tickets: &[Ticket],
    ) {
        for ticket in tickets {
            let deferred = Deferred {
                node: node.map(|node| (Arc::clone(&node.cache), Arc::clone(&node.name))),
                target: target.clone(),
                onward: onward.clone(),
                why: why.clone(),
                attempts,
            };
            let number = node.map(|node| node.number);
            self.tickets.deferred(*ticket, number, deferred);
        }
    }

    /// Whether something is due before the thread means to wake, at this tier or a later one.
    pub(super) fn is_due_early(&self, tier: usize) -> bool {
        let sleeps_until = *self.sleeps_until.lock();
        let nodes = self.nodes.iter().filter(|node| node.tier >= tier);
        let mut dues = nodes
            .map(|node| node.queue().next_due())
            .chain([self.stragglers.next_due()]);
        dues.any(|due| due.is_some_and(|due| due < sleeps_until))
    }

    /// The rebounds that a node has still to answer.
    fn rebounds(&self, node: &Node, of_queue: usize) -> usize {
        of_queue
            + match self.has_stragglers {
                Some(tier) if tier == node.tier => self.stragglers.len(),
                _ => 0,
            }
    }

    /// The thread ends: nothing is let in, taken or reported any more.
    pub(super) fn close(&self, left: Remaining) {
        self.inbox.close();
        self.commands.close(left);
        self.reporter.close();
        #[cfg(feature = "metrics")]
        self.measure();
    }

    pub(crate) fn left(&self, rebounds: bool) -> Remaining {
        let nodes = self.nodes.iter().filter_map(|node| {
            let queue = node.queue();
            let left = NodeRemaining {
                cache: Arc::clone(&node.cache),
                node: Arc::clone(&node.name),
                pending: queue.pending(),
                rebounds: self.rebounds(node, queue.rebounds()),
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
        loop {
            let begun = self.handovers.begun();
            let stats = self.stats_at_once();
            let mut nodes = stats.nodes.iter();
            let is_idle = stats.waiting == 0 && nodes.all(|node| node.pending + node.rebounds == 0);
            // A purge that moved meanwhile may be in none of the numbers.
            if !is_idle || self.handovers.begun() == begun {
                return stats;
            }
        }
    }

    fn stats_at_once(&self) -> Stats {
        Stats {
            asked: self.inbox.asked(),
            dropped: self.inbox.dropped(),
            waiting: self.inbox.waiting() + self.unmarked() + self.handovers.open(),
            refused: self.reporter.refused_count(),
            invalid: self.invalid.total(),
            not_stored: self.not_stored.load(Ordering::Relaxed),
            nodes: self.nodes.iter().map(|node| self.stats_of(node)).collect(),
        }
    }

    fn stats_of(&self, node: &Node) -> NodeStats {
        let stats = node.stats();
        NodeStats {
            rebounds: self.rebounds(node, stats.rebounds),
            ..stats
        }
    }

    /// Counts and reports what was not sent.
    pub(super) fn end_unsent(&self, node: &Node, job: &Job, outcome: Outcome, now: Instant) {
        self.defer(
            Some(node),
            &job.target,
            &job.onward,
            &Why::Unsent,
            job.attempts,
            &job.tickets,
        );
        node.origins.forget(&job.target);
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
