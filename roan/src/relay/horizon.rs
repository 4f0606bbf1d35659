//! The id up to which no row can wait any more. On PostgreSQL the index keeps an entry of each finished row for as long as
//! any transaction of the server holds a snapshot from before: a look that began at the first id would pass all of them.
//!
//! A row may appear far below others, since a transaction may commit long after later ones. But ids come from a sequence,
//! so a row below the highest id belongs to a transaction that was running when that id was the highest. When all of
//! these have ended, and a look has taken what they left, nothing appears there any more. A few transactions run
//! for long (*stragglers*): they are not waited for, and the end of each is followed by a look at all ids.
//!
//! Rows may also return to the queue, or get their ids from a person. So now and then the relay looks at all ids anyway. A
//! high id that does not come from the sequence would make every later row wait for such a look: once they are seen to do
//! so, the relay does not pass ids any more.

use std::time::Instant;

use crate::base::created::milliseconds;

/// So many looks at all ids may find new rows where there cannot be any: to queue a dead row again makes it new.
const MOST_LATE: u32 = 3;

/// A transaction that runs at so many looks is a straggler.
const LOOKS: u32 = 8;

/// The transactions that ran at a look, from PostgreSQL's `xmin:xmax:xip_list`.
fn running(snapshot: &str) -> Option<Vec<u64>> {
    let list = snapshot.split(':').nth(2)?;
    let ids = list.split(',').filter(|id| !id.is_empty());
    ids.map(|id| id.parse().ok()).collect()
}

/// Ids that are about to be passed.
#[derive(Debug)]
struct Candidate {
    top: i64,
    /// The transactions that may insert ids up to `top`.
    running: Vec<u64>,
    looks: u32,
}

/// Below every id.
const ALL: i64 = i64::MIN;

/// How far ids are passed.
#[derive(Debug)]
pub(super) struct Horizon {
    passed: i64,
    stragglers: Vec<u64>,
    candidate: Option<Candidate>,
    /// Whether the candidate is to be passed after this look.
    is_ready: bool,
    /// The highest id at the look before.
    top: i64,
    is_full: bool,
    /// The id that was passed when the last look at all ids began, and when that was.
    before: Option<(i64, Instant)>,
    /// The number of looks at all ids, since the highest id last rose, that have found new rows at or below it.
    late: u32,
    /// Whether ids are not passed any more.
    is_off: bool,
}

impl Default for Horizon {
    fn default() -> Self {
        Self {
            passed: ALL,
            stragglers: Vec::new(),
            candidate: None,
            is_ready: false,
            top: ALL,
            is_full: false,
            before: None,
            late: 0,
            is_off: false,
        }
    }
}

impl Horizon {
    /// A look takes the rows above this.
    pub(super) fn bound(&self) -> i64 {
        if self.is_full || self.is_off {
            ALL
        } else {
            self.passed
        }
    }

    /// As [`look_at_all`](Self::look_at_all), for rows that this program has made new.
    pub(super) fn look_for_renewed(&mut self) {
        self.is_full = true;
        self.before = None;
    }

    /// Makes the next look one at all ids: a row may have returned to the queue.
    pub(super) fn look_at_all(&mut self) {
        self.is_full = true;
    }

    /// Notes what a look has seen: the snapshot in which it looked, and the highest id. If it returns true, look again.
    pub(super) fn saw(&mut self, snapshot: &str, top: i64) -> bool {
        let Some(running) = running(snapshot) else {
            self.is_full = true;
            return false;
        };
        let is_emptied = top < self.passed;
        if is_emptied {
            // The rows there were deleted, and their ids may come again.
            let is_off = self.is_off;
            *self = Self {
                is_off,
                ..Self::default()
            };
        }
        let known = self.stragglers.len();
        self.stragglers.retain(|id| running.contains(id));
        let has_ended = self.stragglers.len() < known && !self.is_full;
        self.is_full |= has_ended;

        // A statement draws its id a moment before its transaction can be seen: so not of this look.
        let highest = std::mem::replace(&mut self.top, top).min(top);
        let stragglers = &mut self.stragglers;
        let candidate = self.candidate.get_or_insert_with(|| Candidate {
            top: highest,
            running: running.clone(),
            looks: 0,
        });
        candidate.running.retain(|id| running.contains(id));
        candidate.looks += 1;
        if candidate.looks > LOOKS {
            stragglers.append(&mut candidate.running);
            stragglers.sort_unstable();
            stragglers.dedup();
        }
        let mut waited_for = candidate.running.iter();
        self.is_ready = candidate.looks > 1 && waited_for.all(|id| stragglers.contains(id));
        has_ended || is_emptied
    }

    /// Ends a look, which began at that time and has taken all rows above the bound that it saw: up to the last of these, if
    /// there may be more. Each row is an id and its age in milliseconds.
    ///
    /// Returns an id if ids are not passed any more from now on, since new rows keep coming below this one.
    pub(super) fn took(
        &mut self,
        rows: &[(i64, i64)],
        has_more: bool,
        began: Instant,
    ) -> Option<i64> {
        let too_high = self.count_late(rows, began);
        let is_over = self.is_full && !has_more;
        self.is_full &= has_more;
        if std::mem::take(&mut self.is_ready)
            && let Some(candidate) = self.candidate.take()
        {
            let last = rows.last().filter(|_| has_more);
            let up_to = last.map_or(i64::MAX, |(id, _)| *id);
            self.passed = self.passed.max(candidate.top.min(up_to));
        }
        if is_over {
            self.before = Some((self.passed, began));
        }
        too_high
    }

    fn count_late(&mut self, rows: &[(i64, i64)], began: Instant) -> Option<i64> {
        let (passed, at) = self.before.filter(|_| self.is_full && !self.is_off)?;
        if self.top > passed {
            // The sequence is ahead of what was passed.
            self.late = 0;
            return None;
        }
        let since = milliseconds(began.duration_since(at));
        // What has returned to the queue is older. The millisecond is for rounding.
        let is_late = |&(id, age): &(i64, i64)| id <= passed && age.saturating_add(1) < since;
        self.late += u32::from(rows.iter().any(is_late));
        self.is_off = self.late > MOST_LATE;
        self.is_off.then_some(passed)
    }
}

/// What it means that an id is too high, and what to type.
pub(super) fn warning(id: i64, table: &str) -> String {
    format!(
        "new rows of the table {table} have lower ids than an earlier row (up to {id}), so they were found late: somebody \
         inserted a row with a high id, or a restore or failover left the sequence behind. From now on each look reads all \
         ids, which takes longer beside long transactions. Type `SELECT setval(pg_get_serial_sequence('{table}', 'id'), \
         (SELECT max(id) FROM {table}))`, or delete the row with the high id once it is done; then restart this program"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A look that takes everything. Returns the bound that it used.
    fn look(horizon: &mut Horizon, running: &str, top: i64) -> i64 {
        let _ = horizon.saw(&format!("1:999:{running}"), top);
        let bound = horizon.bound();
        end(horizon, None);
        bound
    }

    /// Ends a look that took rows up to this id, and may have left some.
    fn end(horizon: &mut Horizon, up_to: Option<i64>) {
        let rows: Vec<_> = up_to.iter().map(|id| (*id, 0)).collect();
        let too_high = horizon.took(&rows, up_to.is_some(), Instant::now());
        assert_eq!(too_high, None);
    }

    #[test]
    fn what_is_taken_is_passed_when_nobody_can_add_to_it() {
        let mut horizon = Horizon::default();
        look(&mut horizon, "", 10);
        assert_eq!(look(&mut horizon, "7", 20), ALL);
        // 7 may still add ids up to 20, but not for ever: see the next test.
        for _ in 0..LOOKS - 1 {
            look(&mut horizon, "7", 30);
            assert!(horizon.passed <= 10, "{horizon:?}");
        }
        // This look takes what 7 has left, so it must not begin above it.
        assert!(look(&mut horizon, "", 30) <= 10);
        for _ in 0..4 {
            look(&mut horizon, "", 30);
        }
        assert_eq!(horizon.bound(), 30);
    }

    #[test]
    fn a_transaction_that_runs_for_long_holds_nothing_up_and_its_end_is_seen() {
        let mut horizon = Horizon::default();
        look(&mut horizon, "", 10);
        for round in 0..i64::from(3 * LOOKS) {
            // Short ones beside it.
            look(&mut horizon, &format!("7,{}", 100 + round), 1000 + round);
        }
        assert!(horizon.bound() >= 1000, "{horizon:?}");
        // The look in which it has ended is repeated at all ids.
        assert!(horizon.saw("1:999:", 2000));
        assert_eq!(horizon.bound(), ALL);
        end(&mut horizon, Some(5));
        assert_eq!(horizon.bound(), ALL, "there was more");
        assert!(!horizon.saw("1:999:", 2000));
        end(&mut horizon, None);
        assert!(horizon.bound() >= 1000);
    }

    #[test]
    fn a_backlog_is_passed_as_it_is_taken() {
        let mut horizon = Horizon::default();
        for taken in 1..=10 {
            let _ = horizon.saw("1:999:", 1_000_000);
            assert!(horizon.bound() < taken * 1000);
            end(&mut horizon, Some(taken * 1000));
        }
        assert!(horizon.bound() >= 5000, "{horizon:?}");
    }

    #[test]
    fn what_returns_to_the_queue_is_looked_for() {
        let mut horizon = Horizon::default();
        for _ in 0..10 {
            look(&mut horizon, "", 100);
        }
        assert_eq!(horizon.bound(), 100);
        horizon.look_at_all();
        assert_eq!(look(&mut horizon, "", 100), ALL);
        assert_eq!(horizon.bound(), 100);
        // Somebody has emptied the table, and its ids begin again.
        assert!(horizon.saw("1:999:", 1));
        assert_eq!(horizon.bound(), ALL);
        end(&mut horizon, None);
        assert_eq!(look(&mut horizon, "", 2), ALL);
        // Of what cannot be read, nothing is concluded.
        let _ = horizon.saw("?", 100);
        assert_eq!(horizon.bound(), ALL);
    }

    /// A look at all ids, 10 seconds after the last one, that finds a row of this age.
    fn look_at_all(
        horizon: &mut Horizon,
        now: &mut Instant,
        top: i64,
        (id, age): (i64, i64),
    ) -> Option<i64> {
        *now += Duration::from_secs(10);
        horizon.look_at_all();
        let _ = horizon.saw("1:999:", top);
        horizon.took(&[(id, age)], false, *now)
    }

    #[test]
    fn an_id_that_is_too_high_ends_the_passing() {
        let mut horizon = Horizon::default();
        let mut now = Instant::now();
        for _ in 0..4 {
            look(&mut horizon, "", 1000);
        }
        assert_eq!(horizon.bound(), 1000);
        let _ = look_at_all(&mut horizon, &mut now, 1000, (1000, 0));
        // What returns to the queue was written before.
        for _ in 0..9 {
            let returned = look_at_all(&mut horizon, &mut now, 1000, (7, 10_000));
            assert_eq!(returned, None);
        }
        for number in 0..3 {
            let late = look_at_all(&mut horizon, &mut now, 1000, (10 + number, 9000));
            assert_eq!(late, None);
        }
        let late = look_at_all(&mut horizon, &mut now, 1000, (13, 9000));
        assert_eq!(late, Some(1000));
        assert_eq!(look(&mut horizon, "", 1000), ALL);
        // It is said once, also after somebody has emptied the table.
        let late = look_at_all(&mut horizon, &mut now, 1000, (14, 9000));
        assert_eq!(late, None);
        for top in [1, 2, 3, 4, 5] {
            assert_eq!(look(&mut horizon, "", top), ALL);
        }
    }

    #[test]
    fn rows_that_a_person_queues_again_do_not_end_the_passing() {
        let mut horizon = Horizon::default();
        let mut now = Instant::now();
        for top in 1000..1009 {
            for _ in 0..4 {
                look(&mut horizon, "", top);
            }
            assert_eq!(look_at_all(&mut horizon, &mut now, top, (7, 10)), None);
        }
        for _ in 0..9 {
            horizon.look_for_renewed();
            assert_eq!(look_at_all(&mut horizon, &mut now, 1008, (7, 10)), None);
        }
    }
}
