//! How purges, times and numbers are written.

use std::time::Duration;

use serde_json::Value;

use crate::words::shown;

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

/// The text, shortened to fit into a line.
pub(crate) fn line(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => shown(&text[..end]) + "…",
        None => shown(text),
    }
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
