//! How purges, times and numbers are written.

use std::time::Duration;

use serde_json::Value;

use crate::output::visible;

/// The longest target or error in a line, in characters.
const LONGEST: usize = 200;

/// A target as its payload has it, as a person would write it.
pub(super) fn target(payload: &str) -> String {
    let text = match serde_json::from_str(payload) {
        Ok(Value::String(url)) => url,
        _ => payload.to_owned(),
    };
    line(&text)
}

/// A text of a program or a server that fits into a line of a terminal, and cannot control it.
pub(crate) fn line(text: &str) -> String {
    let mut letters = text.chars();
    let shown = letters.by_ref().take(LONGEST);
    let mut shown: String = shown.map(visible).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A duration in its two largest units: `2h 5m`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = Duration::from_secs(duration.as_secs());
    let all = humantime::format_duration(seconds).to_string();
    let largest: Vec<_> = all.split(' ').take(2).collect();
    largest.join(" ")
}

/// `1 purge`, `2 purges`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
