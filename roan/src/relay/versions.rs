//! Rows that name what this version of the program may not have. During a deploy another version may have it: a row is
//! left to that one, after this one has purged what it can.

use std::time::Instant;

use super::{BATCH, Relay, Result, since};
use crate::base::created::{Created, milliseconds};
use crate::base::history::{Asking, Causes, Fired, PurgeCause, Record};
use crate::base::log::{emit, loudly};
use crate::base::target::Target;
use crate::dispatcher::tickets::{Notes, Row, Unread};
use crate::dispatcher::{Engine, Onward};
use crate::outbox::history;
use crate::outbox::payload::{self, Content, Payload};
use crate::outbox::store::{Store, TakenPurge};
use crate::outbox::stored_target;
use crate::triggers;
use crate::triggers::apply::{self, Yielded};

/// In milliseconds. A database can subtract it from its time.
const NEVER: i64 = i64::MAX / 2;

/// A row that was taken, as far as this program can read it.
pub(super) struct Read {
    pub(super) id: i64,
    created: Created,
    pub(super) purges: Purges,
    /// Whether another version of the program may still take it.
    may_be_left: bool,
}

/// What it asks for.
#[derive(Default)]
pub(super) struct Purges {
    pub(super) fired: Vec<Fired>,
    /// For the history: all of them, and the line of those that rules have yielded.
    targets: Vec<Target>,
    yielded: String,
    unread: Option<Unread>,
}

impl Relay {
    /// Takes what other versions of the program have left, and what has waited for one long enough.
    pub(super) async fn take_left(&mut self, store: &mut Store) -> Result<()> {
        let limit = self.room().min(BATCH);
        // While no version of the program ran, none could take it.
        let is_over = self.works_since.elapsed() >= self.outbox.grace;
        let grace_ms = if is_over {
            milliseconds(self.outbox.grace)
        } else {
            NEVER
        };
        if self.finding.is_some()
            || limit < self.least
            || !store.is_left(self.knowledge, grace_ms).await?
        {
            return Ok(());
        }
        self.beat_if_due(store).await?;
        let taken = store.take_left(self.knowledge, grace_ms, limit).await?;
        self.hand_over_all(store, taken, false).await?;
        Ok(())
    }

    /// Reads the targets of a row. If this program cannot purge all of it, the row is left to another version of the program,
    /// or is dead, after the rest of it is purged.
    pub(super) fn read(&mut self, purge: TakenPurge) -> Read {
        let decoded = purge.payload.and_then(|payload| payload::decode(&payload));
        let unread_all = |unread| Purges {
            unread: Some(unread),
            ..Purges::default()
        };
        let mut purges = match decoded {
            Ok(Payload::Readable(content)) => self.apply(purge.id, content),
            Ok(Payload::Newer(version)) => unread_all(Unread::Foreign(payload::newer(version))),
            Err(error) => unread_all(Unread::Invalid(error)),
        };
        let unread = &mut purges.unread;
        let may_be_left = !purge.is_overdue && !self.outbox.grace.is_zero();
        if !may_be_left {
            *unread = match unread.take() {
                Some(Unread::Foreign(why)) => Some(Unread::Invalid(why)),
                Some(Unread::OtherRules(_)) => None,
                other => other,
            };
        } else {
            purges.fired.retain(|fired| {
                let target = &fired.target;
                let refusal = self.engine.cannot_serve(target.kind(), target.site());
                if let Some(refusal) = &refusal {
                    *unread = Some(Unread::Foreign(refusal.to_string()));
                }
                refusal.is_none()
            });
        }
        Read {
            id: purge.id,
            created: purge.created,
            purges,
            may_be_left,
        }
    }

    fn apply(&self, id: i64, content: Content) -> Purges {
        let table = content.rows.as_ref().map(|rows| rows.table.clone());
        let yielded = content.rows.as_ref().map(apply::targets);
        let Yielded {
            fired: of_rows,
            refused,
            unread,
            ..
        } = yielded.unwrap_or_default();
        for invalid in &refused {
            let table = content.rows.as_ref().map_or("", |rows| &rows.table);
            let place = format_args!("row {id} of the outbox, table {table:?}, ");
            self.engine.invalid(place, invalid);
        }
        let mut fired = with_causes(content.targets, &content.causes);
        let named = fired.len();
        fired.extend(
            of_rows
                .into_iter()
                .map(|one| one.of_table(table.as_deref())),
        );
        let mut purges = Purges {
            unread: with_errors(unread, &content.errors),
            ..Purges::default()
        };
        if self.outbox.history {
            purges.targets = fired.iter().map(|one| one.target.clone()).collect();
            if fired.len() > named {
                purges.yielded = history::yielded_line(&fired[named..]);
            }
        }
        purges.fired = fired;
        purges
    }

    /// Hands the targets of a row to the dispatcher.
    pub(super) fn hand_over(&mut self, row: Read) {
        let Read {
            id,
            created,
            purges:
                Purges {
                    fired,
                    targets,
                    yielded,
                    unread,
                },
            may_be_left,
        } = row;
        self.tell_unread(id, unread.as_ref());
        let notes = self.outbox.history.then(|| Notes::new(targets, yielded));
        let tickets = &self.engine.tickets;
        let ticket = tickets.open_noting(Row::Purge(id), created, unread, notes);
        #[cfg(feature = "nats")]
        self.identify(ticket, id, created);
        let now = Instant::now();
        let asked = since(created.age_ms(), now);
        for Fired { target, causes } in fired {
            let records = [Record::of_row(causes)];
            let asking = Asking::of(asked, &records);
            self.engine
                .accept_marked(&target, asking, Some(ticket), now);
            self.others
                .leave(&self.engine, (&target, &Onward::default()), ticket);
            for other in target.other_spellings(self.engine.spellings) {
                let onward = Onward::of_page(&other, &target);
                self.others.leave(&self.engine, (&other, &onward), ticket);
            }
            self.want_pages(&target, asking, Some(ticket));
        }
        self.close_row(ticket, may_be_left);
    }

    fn tell_unread(&mut self, id: i64, unread: Option<&Unread>) {
        match unread {
            None => {}
            Some(Unread::Invalid(error)) => loudly(format_args!(
                "row {id} of the outbox is dead, at least in part: {error}"
            )),
            Some(Unread::Foreign(why) | Unread::OtherRules(why)) => {
                // Once for each reason: during a deploy there are many such rows.
                if self.told.len() < 100 && self.told.insert(why.clone()) {
                    loudly(format_args!(
                        "row {id} of the outbox waits up to {:?} for another version of the program: {why}",
                        self.outbox.grace
                    ));
                }
                emit(|| tracing::debug!(target: "roan", id, why, "left to another version"));
            }
        }
    }

    /// A page that this program cannot read.
    pub(super) fn tell_unread_page(&mut self, is_of_row: bool, unread: &Unread) {
        let (Unread::Invalid(why) | Unread::Foreign(why) | Unread::OtherRules(why)) = unread;
        if self.told.len() < 100 && self.told.insert(why.clone()) {
            match (is_of_row, unread) {
                (true, Unread::Foreign(_)) => loudly(format_args!(
                    "a purge waits up to {:?} for another version of the program: {why}",
                    self.outbox.grace
                )),
                (true, _) => loudly(format_args!("a row of the outbox is dead: {why}")),
                // It is not in the outbox.
                (false, _) => loudly(format_args!("{why}")),
            }
        }
    }

    pub(super) fn tell_unread_delivery(&mut self, id: i64, unread: Option<&Unread>) {
        match unread {
            None => {}
            Some(Unread::Invalid(error)) => {
                loudly(format_args!("delivery {id} of the outbox is dead: {error}"));
            }
            Some(Unread::Foreign(why) | Unread::OtherRules(why)) => {
                let key = format!("delivery: {why}");
                if self.told.len() < 100 && self.told.insert(key) {
                    loudly(format_args!(
                        "delivery {id} of the outbox waits for another version of the program, until it is {:?} old: {why}",
                        self.max_age
                    ));
                }
                emit(
                    || tracing::debug!(target: "roan", delivery = id, why, "left to another version"),
                );
            }
        }
    }

    /// Whether a node has been unknown for so long that no version of the program knows it.
    pub(super) fn is_gone(&mut self, cache: &str, node: &str) -> bool {
        let grace = self.outbox.grace;
        let place = (cache.to_owned(), node.to_owned());
        if self.others.has(cache, node) {
            self.unknown.insert(place, Instant::now());
            return false;
        }
        let since = self.unknown.entry(place).or_insert_with(|| {
            if !grace.is_zero() {
                loudly(format_args!(
                    "purges wait for {cache} {node}, which is not configured here: they end after {grace:?}, unless \
                     another version of the program has it"
                ));
            }
            Instant::now()
        });
        since.elapsed() >= grace
    }
}

/// The targets of a payload, each with what has asked for it.
fn with_causes(targets: Vec<Target>, causes: &[PurgeCause]) -> Vec<Fired> {
    let all = Causes::read(causes.to_vec());
    let is_of_all = causes.iter().all(|cause| cause.targets().is_empty());
    let targets = targets.into_iter().enumerate();
    let with_causes = targets.map(|(number, target)| {
        let causes = if is_of_all {
            all.clone()
        } else {
            let is_of = |cause: &&PurgeCause| {
                cause.targets().is_empty() || cause.targets().contains(&number)
            };
            let causes = causes.iter().filter(is_of);
            Causes::read(
                causes
                    .map(|cause| cause.clone().with_targets(Vec::new()))
                    .collect(),
            )
        };
        Fired { target, causes }
    });
    with_causes.collect()
}

/// Adds what is wrong with a payload to the reason why its rows may yield more.
fn with_errors(unread: Option<Unread>, errors: &[String]) -> Option<Unread> {
    if errors.is_empty() {
        return unread;
    }
    let errors = errors.join("; ");
    Some(match unread {
        None => Unread::Invalid(errors),
        Some(Unread::Invalid(why)) => Unread::Invalid(format!("{errors}; {why}")),
        // The version that has the rules finds the errors, too.
        Some(Unread::Foreign(why) | Unread::OtherRules(why)) => {
            Unread::Foreign(format!("{errors}; {why}"))
        }
    })
}

/// A hash of what rows and deliveries may name: sites, what the caches can purge, tables with their rules, the version of the
/// payload, and the keys of a target.
pub(super) fn knowledge(engine: &Engine) -> i64 {
    let mut known = engine.site_names();
    known.extend(triggers::fingerprints());
    known.sort_unstable();
    known.push(payload::newer(0));
    known.push(stored_target::known_keys());
    // FNV-1a: the same in each version of Rust.
    let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = known.join("\n").bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    i64::try_from(hash >> 1).unwrap_or_default()
}
