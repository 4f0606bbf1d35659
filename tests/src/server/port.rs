//! Ports that stay ours while a server is down for a restart.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux picks the ports of outgoing connections: one of those could
/// take the port of a server that a test has stopped for a moment.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that nobody listens on, another one each time.
///
/// # Panics
///
/// If somebody listens on all of them.
#[must_use]
pub fn free() -> u16 {
    // Test binaries that run side by side begin at different places.
    let start = std::process::id().wrapping_mul(97) % u32::from(COUNT);
    (0..COUNT)
        .find_map(|_| {
            let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let offset = u16::try_from((start + step) % u32::from(COUNT)).ok()?;
            let port = FIRST + offset;
            TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
        })
        .expect("a free port between 20000 and 32000")
}
