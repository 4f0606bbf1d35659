//! How values are written for the page.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::base::target::Target;

/// Milliseconds, for the clock of the browser.
pub(super) fn at(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn ms(time: Duration) -> f64 {
    // Two digits are enough for a page.
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

pub(super) fn target(target: &Target) -> Value {
    json!({
        "kind": target.kind().to_string(),
        "text": target.as_str(),
        "site": target.site(),
    })
}
