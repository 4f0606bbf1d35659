//! Purges as they happen.

use std::collections::HashMap;

use super::OutboxError;
use super::admin::Admin;
use crate::base::history::{Filter, PurgeRecord};

/// A row that was committed late may have ended before rows that were seen already.
const LATE: i64 = 5000;

/// The number of rows that one look takes.
const MOST: usize = 10_000;

/// Finds purges as they happen, of all programs that use the outbox. From [`Admin::watch`].
#[derive(Debug)]
pub struct Watch<'a> {
    admin: &'a Admin,
    filter: Filter,
    /// The time of the database from which rows may be new.
    since: i64,
    /// What was seen since then, with the times at which it ended.
    seen: HashMap<i64, i64>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(admin: &'a Admin, filter: Filter, now: i64, seen: Vec<(i64, i64)>) -> Self {
        Self {
            admin,
            filter,
            since: now,
            seen: seen.into_iter().collect(),
        }
    }

    pub(super) fn late(now: i64) -> i64 {
        now.saturating_sub(LATE)
    }

    pub(super) const fn most() -> usize {
        MOST
    }

    /// Returns the purges that have ended since the last call, or of which a node has answered that was late; those of the
    /// filter, the lowest ids first. A purge that a node has not answered at first comes when it is known so, and again
    /// with each answer.
    ///
    /// It asks the database at once, and reads an index if there is nothing new: call it every half a second or so.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, lacks the tables, or refuses the statement. The next call connects again, and
    /// returns what ended meanwhile, too.
    pub async fn poll(&mut self) -> Result<Vec<PurgeRecord>, OutboxError> {
        let ended = self.admin.ended_since(Self::late(self.since)).await?;
        let is_new = |(id, at): &&(i64, i64)| self.seen.get(id) != Some(at);
        let new: Vec<i64> = ended.iter().filter(is_new).map(|(id, _)| *id).collect();
        // Before they count as seen: after an error the next call looks for them again.
        let records = match new.is_empty() {
            true => Vec::new(),
            false => self.admin.history_of(&self.filter, &new).await?,
        };
        if let Some((_, last)) = ended.last() {
            self.since = self.since.max(*last);
        }
        let least = Self::late(self.since);
        self.seen.extend(ended);
        self.seen.retain(|_, at| *at >= least);
        Ok(records)
    }
}
