//! How the figures of the page are written.

use std::time::Duration;

pub(super) fn ms(time: Duration) -> f64 {
    // Two digits are enough for a page.
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}
