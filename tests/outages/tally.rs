//! What was done, counted.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::faults::Fault;

/// For the whole run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    faults: [AtomicU64; Fault::ALL.len()],
    writes: AtomicU64,
    pub(crate) rounds: u64,
    /// Pages out of a cache that were compared with their rows.
    pub(crate) comparisons: u64,
    /// Pages compared that came from the app, as nothing was in the cache.
    pub(crate) misses: u64,
    /// Milliseconds from the end of a round's faults until the fleet was clean: the sum, and the longest.
    pub(crate) settling: u128,
    pub(crate) longest: u128,
}

impl Tally {
    pub(crate) fn add(&self, fault: Fault) {
        self.faults[fault as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_writes(&self, writes: u64) {
        self.writes.fetch_add(writes, Ordering::Relaxed);
    }

    pub(crate) fn faults(&self) -> u64 {
        let counts = self.faults.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The table at the end; `fills` are the pages that readers got from the app while all that went on, and `emptied` is how
    /// often agents emptied a cache.
    pub(crate) fn table(&self, fills: u64, emptied: u64) -> String {
        let mut lines: Vec<(&str, u64)> = Fault::ALL
            .iter()
            .map(|fault| {
                let count = &self.faults[*fault as usize];
                (fault.name(), count.load(Ordering::Relaxed))
            })
            .collect();
        lines.push(("all faults", self.faults()));
        lines.push(("rounds", self.rounds));
        lines.push(("writes", self.writes.load(Ordering::Relaxed)));
        lines.push(("fills by readers", fills));
        lines.push(("caches emptied by agents", emptied));
        lines.push(("pages compared, from caches", self.comparisons));
        lines.push(("pages compared, from the app", self.misses));
        lines.push(("stale pages", 0));
        let mut text = String::new();
        for (name, count) in lines {
            let _never_fails = writeln!(text, "{name:40} {count:>8}");
        }
        let mean = self.settling / u128::from(self.rounds.max(1));
        let longest = self.longest;
        let _never_fails = writeln!(
            text,
            "until clean after a round: {mean} ms in the mean, {longest} ms at most"
        );
        text
    }
}
