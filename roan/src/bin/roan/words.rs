//! How durations are written, and what other programs and servers say.

use std::time::Duration;

use crate::output::visible;

/// A duration in its two largest units: `2h 5m`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = Duration::from_secs(duration.as_secs());
    let all = humantime::format_duration(seconds).to_string();
    let largest: Vec<_> = all.split(' ').take(2).collect();
    largest.join(" ")
}

/// A text of a program or a server that fits into a line of a terminal, and cannot control it.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(visible).collect()
}
