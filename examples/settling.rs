//! When all is purged.

use std::time::{Duration, Instant};

use roan::Roan;

const LONG: Duration = Duration::from_secs(30);

/// Waits until no purge waits, and no second one either.
///
/// # Errors
///
/// If some still wait after half a minute.
pub async fn settle(roan: &Roan) -> Result<(), String> {
    let end = Instant::now() + LONG;
    let left = roan.flush(LONG).await;
    if !left.nodes.is_empty() || left.outbox > 0 || left.outbox_unread {
        return Err(left.to_string());
    }
    while is_busy(roan) {
        if Instant::now() > end {
            return Err("purges still wait after 30 s".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// The second purge at one cache is followed by one at the next.
fn is_busy(roan: &Roan) -> bool {
    let stats = roan.stats();
    let mut nodes = stats.nodes.iter();
    stats.waiting > 0 || nodes.any(|node| node.pending + node.rebounds > 0)
}
