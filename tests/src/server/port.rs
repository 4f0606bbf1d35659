//! Ports that stay ours while a server is down for a restart.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux picks the ports of outgoing connections: one of those could
/// take the port of a server that a test has stopped for a moment.
const FIRST: u16 = 12_000;

/// Each process has a block of its own. What it still sends to a server that has ended does not reach one of another process.
const BLOCKS: u16 = 40;
const BLOCK: u16 = 500;

static NEXT: AtomicU16 = AtomicU16::new(1);

/// A port of 127.0.0.1 that nobody listens on, another one each time.
///
/// # Panics
///
/// If somebody listens on all of them.
#[must_use]
pub fn free() -> u16 {
    let address = listener().local_addr();
    address.expect("a bound listener's address").port()
}

/// Listens on such a port.
pub(crate) fn listener() -> TcpListener {
    let first = block();
    (0..BLOCK)
        .find_map(|_| {
            let place = NEXT.fetch_add(1, Ordering::Relaxed) % BLOCK;
            TcpListener::bind((Ipv4Addr::LOCALHOST, first + place)).ok()
        })
        .expect("a free port in the block of this process")
}

/// The first port of the block of this process. Who listens on it has the block.
fn block() -> u16 {
    static BLOCK_OF_THIS_PROCESS: OnceLock<(u16, TcpListener)> = OnceLock::new();
    let (first, _) = BLOCK_OF_THIS_PROCESS.get_or_init(|| {
        // Not the block of the process before, to which somebody may still send.
        let start = std::process::id();
        (0..u32::from(BLOCKS))
            .find_map(|step| {
                let block = u16::try_from((start + step) % u32::from(BLOCKS)).ok()?;
                let first = FIRST + block * BLOCK;
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).ok()?;
                Some((first, listener))
            })
            .expect("a free block of ports from 12000 to 31999")
    });
    *first
}
