//! Marks what is purged, and finds the pages that it means, in the database: there are those of all processes. Why this is
//! sound is in `outbox/index/mod.rs`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Instant;

use super::versions::Read;
use super::{BATCH, Relay, Result, versions};
use crate::base::area::Area;
use crate::base::history::{Asking, Record, Unmarked};
use crate::base::log::loudly;
use crate::base::target::{Target, TargetKind};
use crate::dispatcher::Onward;
use crate::dispatcher::tickets::{Ticket, Unread};
use crate::outbox::index::Key;
use crate::outbox::store::{Found, Resolving, Store, TakenPurge};
use crate::pages::{Asked, Hosts};

/// The number of pages that are found at a time.
const PIECE: usize = 1000;

/// The number of purges of one tag or area for which the answers of its pages are noted.
const MOST_RECORDS: usize = 32;

/// Purges that were marked and handed over, and whose pages are still to be found.
#[derive(Default)]
pub(super) struct Finding {
    resolving: Resolving,
    /// By the hashes of their keys.
    wanted: HashMap<i64, Wanted>,
    /// Rows that stay open until all of their pages were found, and whether another version of the program may take them.
    rows: Vec<(Ticket, bool)>,
}

/// What pages are looked for.
struct Wanted {
    what: What,
    asked: Instant,
    records: Vec<Record>,
    /// One row that waits for the answers is enough. The youngest is given up last.
    ticket: Option<Ticket>,
    /// The number of pages so far.
    count: usize,
}

/// Why a page that was found is purged.
struct Meant {
    onward: Onward,
    asked: Instant,
    records: Vec<Record>,
    /// The row that waits for the answer.
    ticket: Option<Ticket>,
}

enum What {
    /// All pages that were found for a tag or an area, as it was asked for.
    All(Target),
    /// URLs with the same place.
    Urls(Vec<Asked>),
}

/// A target as index and fence know it.
enum Named {
    Tag(Target),
    Url(Asked),
    Area(Area),
}

impl Named {
    fn of(target: &Target, hosts: &Hosts) -> Self {
        let target = hosts.canonical(target).into_owned();
        if let Some(area) = Area::of(&target) {
            return Self::Area(area);
        }
        match target.kind() {
            TargetKind::Tag => Self::Tag(target),
            TargetKind::Url | TargetKind::Prefix | TargetKind::Host | TargetKind::Everything => {
                Self::Url(Asked::new(target))
            }
        }
    }

    fn key(&self) -> i64 {
        match self {
            Self::Tag(tag) => Key::of(tag).hash(),
            Self::Url(asked) => Key::of(&asked.place).hash(),
            Self::Area(area) => Key::of(area.target()).hash(),
        }
    }

    /// What the fence notes. A deep prefix is noted as one around it.
    fn mark(&self) -> i64 {
        match self {
            Self::Area(area) => Key::of(&area.mark()).hash(),
            Self::Tag(_) | Self::Url(_) => self.key(),
        }
    }
}

impl Relay {
    /// Notes when a process begins to record pages.
    pub(super) async fn look_for_index(&mut self, store: &mut Store) -> Result<()> {
        if store.look_for_use().await? && !self.engine.known.are_recorded() {
            self.engine.known.note_recorded();
            // All kinds of targets can be purged from now on.
            self.knowledge = versions::knowledge(&self.engine);
        }
        Ok(())
    }

    /// Marks the targets of rows, and hands them over. Returns the rows for which there was no room, if some may be given
    /// back.
    pub(super) async fn hand_over_all(
        &mut self,
        store: &mut Store,
        taken: Vec<TakenPurge>,
        may_give_back: bool,
    ) -> Result<Vec<i64>> {
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        self.look_for_index(store).await?;
        let rows: Vec<Read> = taken.into_iter().map(|purge| self.read(purge)).collect();
        let targets = rows.iter().flat_map(|row| &row.purges.fired);
        let keys: Vec<i64> = targets
            .map(|fired| Named::of(&fired.target, &self.hosts).mark())
            .collect();
        self.mark(store, &keys).await?;
        let mut given_back = Vec::new();
        for row in rows {
            if may_give_back && (self.room() == 0 || !given_back.is_empty()) {
                given_back.push(row.id);
            } else {
                self.hand_over(row);
            }
        }
        self.find_pages(store).await?;
        self.engine.handed_over();
        Ok(given_back)
    }

    async fn mark(&mut self, store: &mut Store, keys: &[i64]) -> Result<()> {
        if let Some(number) = store.mark(keys).await? {
            self.engine.known.marked(number);
        }
        Ok(())
    }

    /// Marks purges that are not in the outbox, and sends them.
    pub(super) async fn take_unmarked(&mut self, store: &mut Store) -> Result<()> {
        let taken = self.link.take_unmarked();
        if taken.is_empty() {
            return Ok(());
        }
        let marking = Marking { relay: self, taken };
        marking.send(store).await?;
        self.find_pages(store).await?;
        self.engine.handed_over();
        Ok(())
    }

    /// Sends what could not be marked, because the database cannot be used. It is sent again when that can be used.
    pub(super) fn send_unmarked(&self) {
        let now = Instant::now();
        for purge in self.link.unmarked() {
            let asking = Asking::of(purge.asked, purge.record.as_slice());
            self.engine.accept(&purge.target, asking, now);
        }
        self.engine.handed_over();
    }

    /// Looks for the pages of a target from now on.
    pub(super) fn want_pages(
        &mut self,
        target: &Target,
        asking: Asking<'_>,
        ticket: Option<Ticket>,
    ) {
        if !self.engine.known.are_recorded() {
            return;
        }
        let named = Named::of(target, &self.hosts);
        let all_can_purge = self.engine.cache_without(target.kind()).is_none();
        if all_can_purge && !matches!(named, Named::Url(_)) {
            return;
        }
        let key = named.key();
        let finding = self.finding.get_or_insert_default();
        match &named {
            Named::Area(area) => finding.resolving.add_area(key, area.target()),
            Named::Tag(_) | Named::Url(_) => finding.resolving.add([key]),
        }
        let wanted = finding.wanted.entry(key).or_insert_with(|| Wanted {
            what: match &named {
                Named::Tag(_) | Named::Area(_) => What::All(target.clone()),
                Named::Url(_) => What::Urls(Vec::new()),
            },
            asked: asking.asked,
            records: Vec::new(),
            ticket,
            count: 0,
        });
        wanted.ticket = ticket.or(wanted.ticket);
        // The pages of a tag are asked for once. A few of those that have asked for it learn the answers.
        let room = MOST_RECORDS.saturating_sub(wanted.records.len());
        let records = asking.records.iter().take(room).cloned();
        wanted.records.extend(records);
        if let (What::Urls(all), Named::Url(url)) = (&mut wanted.what, named) {
            // A page that has the place for its URL does not carry it as a key.
            let place = url.place.clone();
            if !url.has_parameters() && place != *target && Target::url(place.as_str()).is_ok() {
                let onward = Onward::default();
                self.engine
                    .accept_page(&place, &onward, asking, ticket, Instant::now());
            }
            if !all.iter().any(|known| known.includes(&url)) {
                all.push(url);
            }
        }
    }

    /// The row stays open until all of its pages were found.
    pub(super) fn close_row(&mut self, ticket: Ticket, may_be_left: bool) {
        match &mut self.finding {
            Some(finding) => finding.rows.push((ticket, may_be_left)),
            None => self.engine.tickets.done(ticket),
        }
    }

    /// Finds the pages of what was handed over, as far as there is room for them.
    pub(super) async fn find_pages(&mut self, store: &mut Store) -> Result<()> {
        while let Some(finding) = &self.finding {
            // The rows themselves wait for this.
            let room = self.room_but(finding.rows.len());
            if room == 0 && !finding.resolving.is_done() {
                // Answers will make room.
                self.schedule.expect(Instant::now());
                return Ok(());
            }
            let mut resolving = finding.resolving.clone();
            // What is found before an error is found again.
            let found = store.resolve(&mut resolving, PIECE.min(room)).await?;
            let is_done = resolving.is_done();
            self.leave_pages(resolving.take_newer());
            if let Some(finding) = &mut self.finding {
                finding.resolving = resolving;
                for (page, meant) in finding.meant(found) {
                    let Meant {
                        onward,
                        asked,
                        records,
                        ticket,
                    } = meant;
                    let asking = Asking::of(asked, &records);
                    self.engine
                        .accept_page(&page, &onward, asking, ticket, Instant::now());
                }
            }
            if is_done && let Some(finding) = self.finding.take() {
                self.tell_large(&finding);
                for wanted in finding.wanted.values().filter(|wanted| wanted.count == 0) {
                    if let What::All(target) = &wanted.what {
                        let asking = Asking::of(wanted.asked, &wanted.records);
                        let (ticket, now) = (wanted.ticket, Instant::now());
                        self.engine
                            .accept_without_pages(target, asking, ticket, now);
                    }
                }
                for (ticket, _) in finding.rows {
                    self.engine.tickets.done(ticket);
                }
            }
            self.engine.handed_over();
            self.beat_if_due(store).await?;
        }
        Ok(())
    }

    /// Leaves the rows that mean pages which this program cannot read to the one that has learned them.
    fn leave_pages(&mut self, newer: Vec<(i64, String)>) {
        for (key, why) in newer {
            let Some(finding) = &mut self.finding else {
                return;
            };
            let wanted = finding.wanted.get_mut(&key);
            let ticket = wanted.and_then(|wanted| {
                // Not found, but there.
                wanted.count += 1;
                wanted.ticket
            });
            let of_row = |(known, _): &&(Ticket, bool)| Some(*known) == ticket;
            let row = finding.rows.iter().find(of_row).copied();
            let unread = match row {
                Some((_, true)) => Unread::Foreign(why),
                Some((_, false)) | None => Unread::Invalid(why),
            };
            self.tell_unread_page(row.is_some(), &unread);
            if let Some((ticket, _)) = row {
                self.engine.tickets.cannot_read(ticket, unread);
            }
        }
    }

    /// The number of rows whose pages are still to be found.
    pub(super) fn rows_in_search(&self) -> usize {
        let finding = self.finding.as_ref();
        finding.map_or(0, |finding| finding.rows.len())
    }

    /// Logs tags that are on too many pages, each once.
    fn tell_large(&mut self, finding: &Finding) {
        let Some((_, most)) = self.engine.known.limits() else {
            return;
        };
        for wanted in finding.wanted.values() {
            let What::All(tag) = &wanted.what else {
                continue;
            };
            // A large area is no surprise.
            if tag.kind() != TargetKind::Tag {
                continue;
            }
            if wanted.count > most && self.told.len() < 100 && self.told.insert(tag.to_string()) {
                loudly(format_args!(
                    "{tag} is on {} pages, more than {most}: each of its purges sends a request for each page to a cache \
                     without tags (`Web::max_pages_of_a_tag`)",
                    wanted.count
                ));
            }
        }
    }

    /// Forgets the oldest pages and old marks. Returns whether there may be more.
    pub(super) async fn forget_old(&mut self, store: &mut Store) -> Result<bool> {
        self.look_for_index(store).await?;
        if !self.engine.known.are_recorded() {
            return Ok(false);
        }
        let more_marks = store.sweep().await?;
        let Some((keep, _)) = self.engine.known.limits() else {
            return Ok(more_marks);
        };
        let forgotten = store.forget(keep, BATCH / 2).await?;
        if forgotten > 0 {
            self.hurry_all(Instant::now());
        }
        Ok(more_marks || forgotten > 0)
    }
}

impl Finding {
    /// The pages that are meant, each once.
    fn meant(&mut self, found: Vec<Found>) -> Vec<(Target, Meant)> {
        let mut meant: Vec<(Target, Meant)> = Vec::new();
        let mut positions: HashMap<Target, usize> = HashMap::new();
        for Found { key, page } in found {
            let Some(wanted) = self.wanted.get_mut(&key) else {
                continue;
            };
            let onward = match &wanted.what {
                What::All(target) => Onward::of_page(&page, target),
                What::Urls(urls) => {
                    let asked = Asked::new(page.clone());
                    // It was handed over itself.
                    let is_itself = urls.iter().any(|url| url.url == page);
                    if is_itself || !urls.iter().any(|url| url.includes(&asked)) {
                        continue;
                    }
                    Onward::default()
                }
            };
            wanted.count += 1;
            match positions.entry(page) {
                Entry::Occupied(known) => meant[*known.get()].1.onward.merge(&onward),
                Entry::Vacant(new) => {
                    let why = Meant {
                        onward,
                        asked: wanted.asked,
                        records: wanted.records.clone(),
                        ticket: wanted.ticket,
                    };
                    meant.push((new.key().clone(), why));
                    new.insert(meant.len() - 1);
                }
            }
        }
        meant
    }
}

/// Purges that return to the queue if they are not sent, also if the work on them is given up.
struct Marking<'a> {
    relay: &'a mut Relay,
    taken: Vec<Unmarked>,
}

impl Marking<'_> {
    async fn send(mut self, store: &mut Store) -> Result<()> {
        let keys = self.taken.iter();
        let keys: Vec<i64> = keys
            .map(|purge| Named::of(&purge.target, &self.relay.hosts).mark())
            .collect();
        self.relay.mark(store, &keys).await?;
        let now = Instant::now();
        for purge in std::mem::take(&mut self.taken) {
            let asking = Asking::of(purge.asked, purge.record.as_slice());
            self.relay
                .engine
                .accept_marked(&purge.target, asking, None, now);
            self.relay.want_pages(&purge.target, asking, None);
        }
        Ok(())
    }
}

impl Drop for Marking<'_> {
    fn drop(&mut self) {
        if !self.taken.is_empty() {
            let taken = std::mem::take(&mut self.taken);
            self.relay.link.put_unmarked_back(taken);
        }
    }
}
