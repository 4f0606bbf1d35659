//! What was done, counted.

use std::fmt::Write as _;

/// For one kind of database.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) database: &'static str,
    /// Writers killed.
    pub(crate) crashes: u64,
    /// Other faults.
    pub(crate) faults: u64,
    /// Transactions that committed, as far as the writers survived to report them.
    pub(crate) writes: u64,
    pub(crate) rolled_back: u64,
    pub(crate) savepoints: u64,
    /// Writes that failed with an error.
    pub(crate) failed: u64,
    /// Requests to purge that one of the nodes got.
    pub(crate) purges: u64,
    /// Pages filled by readers while all that went on.
    pub(crate) fills: u64,
    /// Pages out of a cache that were compared with their rows.
    pub(crate) comparisons: u64,
    /// Pages left out of it: their fill took longer than the rebound.
    pub(crate) slow: u64,
}

/// The table at the end.
pub(crate) fn table(tallies: &[Tally]) -> String {
    let mut text = format!(
        "{:10} {:>7} {:>6} {:>8} {:>11} {:>10} {:>6} {:>8} {:>8} {:>11} {:>10}\n",
        "database",
        "crashes",
        "faults",
        "writes",
        "rolled back",
        "savepoints",
        "failed",
        "purges",
        "fills",
        "comparisons",
        "slow fills",
    );
    for tally in tallies {
        let Tally {
            database,
            crashes,
            faults,
            writes,
            rolled_back,
            savepoints,
            failed,
            purges,
            fills,
            comparisons,
            slow,
        } = tally;
        let _never_fails = writeln!(
            text,
            "{database:10} {crashes:>7} {faults:>6} {writes:>8} {rolled_back:>11} {savepoints:>10} \
             {failed:>6} {purges:>8} {fills:>8} {comparisons:>11} {slow:>10}"
        );
    }
    text
}
