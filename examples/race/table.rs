//! What is printed.

use roan_examples::episodes::{Mode, Tally};

pub(crate) fn head() {
    println!(
        "{:<29} {:<7} {:<12} {:>14} {:>12} {:>16}",
        "", "writes", "slow renders", "stale for good", "stale reads", "renders a write"
    );
}

/// Some of the renders may be slow.
pub(crate) fn line(name: &str, mode: Mode, has_slow: bool, tally: &Tally, renders: Option<u64>) {
    let writes = tally.pages * mode.writes();
    let renders = renders.map_or_else(
        || "unknown".to_owned(),
        |renders| format!("{:.1}", renders as f64 / writes as f64),
    );
    println!(
        "{name:<29} {:<7} {:<12} {:>14} {:>12} {renders:>16}",
        mode.name(),
        if has_slow { "1 %" } else { "none" },
        format!("{} of {}", tally.stale_for_good, tally.pages),
        format!(
            "{:.1} %",
            100.0 * tally.stale_reads as f64 / tally.reads as f64
        ),
    );
}
