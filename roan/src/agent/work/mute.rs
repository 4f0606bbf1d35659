//! A consumer that does not answer, although its stream does.
//!
//! Servers that are killed may lose most copies of a consumer for good, while the stream goes on (nats-server 2.10.27 does: "has NO
//! quorum, stalled" in its log, again and again). The agent counts for itself, so it makes the consumer anew where it is.

use std::time::{Duration, Instant};

use super::Work;
use crate::agent::link::{Link, Trouble};
use crate::base::log::warn_loudly;

/// An election takes less.
const SHORTEST: Duration = Duration::from_secs(15);

impl Work {
    /// Notes whether it is so.
    pub(super) fn see_consumer(&mut self, is_mute: bool) {
        self.mute_since = match is_mute {
            true => self.mute_since.or_else(|| Some(Instant::now())),
            false => None,
        };
    }

    /// Whether it has been so for longer than a node may be not ready for a passing reason.
    pub(super) fn is_mute(&self) -> bool {
        let most = SHORTEST.max(2 * self.agent.ready_lag);
        self.mute_since.is_some_and(|since| since.elapsed() > most)
    }

    /// Makes the consumer anew: all that comes after this message is delivered again.
    pub(super) async fn make_anew(
        &mut self,
        link: &Link,
        acknowledged: u64,
    ) -> Result<(), Trouble> {
        let made = link.make_consumer(acknowledged).await?;
        let node = &self.agent.node;
        warn_loudly(format_args!(
            "the agent of {node} has made its consumer anew, from message {} on: the stream answered, and the consumer did not; most \
             of its copies may have been lost",
            acknowledged + 1
        ));
        // At a start, it is found when all else is.
        if self.consumer.is_some() {
            self.consumer = Some(made);
        }
        self.mute_since = None;
        Ok(())
    }
}
