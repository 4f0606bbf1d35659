//! The id up to which no row can wait any more. On PostgreSQL the index keeps an entry of each finished row for as long as
//! any transaction of the server holds a snapshot from before: a look that began at the first id would pass all of them.
//!
//! A row may appear far below others, since a transaction may commit long after later ones. But ids come from a sequence,
//! so a row below the highest id belongs to a transaction that was running when that id was the highest. When all of
//! these have ended, and a look has taken what they left, nothing appears there any more. A few transactions run
//! for long (*stragglers*): they are not waited for, and the end of each is followed by a look at all ids.
//!
//! Rows may also return to the queue, or get their ids from a person. So now and then the relay looks at all ids anyway.

/// A transaction that runs at so many looks is a straggler.
const LOOKS: u32 = 8;

/// The transactions that ran at a look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Running(Vec<u64>);

impl Running {
    /// From PostgreSQL's `xmin:xmax:xip_list`.
    fn read(snapshot: &str) -> Option<Self> {
        let list = snapshot.split(':').nth(2)?;
        let ids = list.split(',').filter(|id| !id.is_empty());
        ids.map(|id| id.parse().ok())
            .collect::<Option<_>>()
            .map(Self)
    }
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

/// See the file.
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
        }
    }
}

impl Horizon {
    /// A look takes the rows above this.
    pub(super) fn bound(&self) -> i64 {
        if self.is_full { ALL } else { self.passed }
    }

    /// Makes the next look one at all ids: a row may have returned to the queue.
    pub(super) fn look_at_all(&mut self) {
        self.is_full = true;
    }

    /// Notes what a look has seen: the snapshot in which it looked, and the highest id. If it returns true, look again.
    pub(super) fn saw(&mut self, snapshot: &str, top: i64) -> bool {
        let Some(Running(running)) = Running::read(snapshot) else {
            self.is_full = true;
            return false;
        };
        let is_emptied = top < self.passed;
        if is_emptied {
            // The rows there were deleted, and their ids may come again.
            *self = Self::default();
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

    /// Ends a look, which has taken all rows above the bound that it saw: up to this id, if there may be more.
    pub(super) fn took(&mut self, up_to: Option<i64>) {
        self.is_full &= up_to.is_some();
        if !std::mem::take(&mut self.is_ready) {
            return;
        }
        if let Some(candidate) = self.candidate.take() {
            let up_to = up_to.unwrap_or(i64::MAX);
            self.passed = self.passed.max(candidate.top.min(up_to));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A look that takes everything. Returns the bound that it used.
    fn look(horizon: &mut Horizon, running: &str, top: i64) -> i64 {
        let _ = horizon.saw(&format!("1:999:{running}"), top);
        let bound = horizon.bound();
        horizon.took(None);
        bound
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
        horizon.took(Some(5));
        assert_eq!(horizon.bound(), ALL, "there was more");
        assert!(!horizon.saw("1:999:", 2000));
        horizon.took(None);
        assert!(horizon.bound() >= 1000);
    }

    #[test]
    fn a_backlog_is_passed_as_it_is_taken() {
        let mut horizon = Horizon::default();
        for taken in 1..=10 {
            let _ = horizon.saw("1:999:", 1_000_000);
            assert!(horizon.bound() < taken * 1000);
            horizon.took(Some(taken * 1000));
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
        horizon.took(None);
        assert_eq!(look(&mut horizon, "", 2), ALL);
        // Of what cannot be read, nothing is concluded.
        let _ = horizon.saw("?", 100);
        assert_eq!(horizon.bound(), ALL);
    }
}
