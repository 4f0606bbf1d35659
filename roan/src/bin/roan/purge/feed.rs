//! From the input to the dispatcher, at the pace of the caches: what waits in memory does not grow with the input.

use std::cell::Cell;
use std::time::Duration;

use roan::{Roan, Target};

use super::results::Results;
use super::unanswered;
use crate::interrupt::Interrupt;

/// The most purges without an answer, at all nodes that work. Enough for none of them to wait for the input, also where
/// the machine is busy and this thread sleeps for longer than it asked for.
const WINDOW: usize = 8_192;

/// The most results that were not printed yet.
const UNPRINTED: usize = 8_192;

/// The most results that wait to be read, about 6 MB. The purges at a node that is down end all at once.
pub(super) const REPORTS: usize = 32_768;

/// The most that wait for nodes that are down, and the most rebounds, so that their results can all be read.
const PARKED: usize = REPORTS / 4;

/// Between two looks at the queues.
const PAUSE: Duration = Duration::from_millis(2);

/// The most requests that a URL leads to at one node: as `Spellings::Common` says.
const SPELLINGS: usize = 25;

/// Why the end of the input was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    Interrupted,
    /// All nodes are down, and a purge was given up meanwhile.
    Unreachable,
}

pub(super) struct Feed<'a> {
    roan: &'a Roan,
    results: &'a Results,
    interrupt: &'a Interrupt,
    /// The purges that were given up before all nodes were down.
    dead: Cell<Option<u64>>,
    nodes: usize,
    /// The most purges without an answer at one node.
    window: usize,
    /// Requests that the targets since the last look may lead to.
    unseen: Cell<usize>,
    stopped: Cell<Option<Stopped>>,
}

impl<'a> Feed<'a> {
    pub(super) fn new(roan: &'a Roan, results: &'a Results, interrupt: &'a Interrupt) -> Self {
        let nodes = roan.stats().nodes.len().max(1);
        Self {
            roan,
            results,
            interrupt,
            dead: Cell::new(None),
            nodes,
            window: (WINDOW / nodes).clamp(32, WINDOW / 2),
            unseen: Cell::new(usize::MAX),
            stopped: Cell::new(None),
        }
    }

    /// Waits until there is room for one more target, and says whether there is a point in sending it.
    pub(super) fn go_on(&self) -> bool {
        if self.unseen.get() < self.window * self.nodes / 2 {
            return !self.interrupt.is_asked() || self.stop(Stopped::Interrupted);
        }
        loop {
            if self.interrupt.is_asked() {
                return self.stop(Stopped::Interrupted);
            }
            let stats = self.roan.stats();
            let all_down = stats.nodes.iter().all(|node| node.down);
            if all_down {
                let dead = stats.nodes.iter().map(|node| node.dead).sum();
                let before = self.dead.get().unwrap_or(dead);
                if dead > before {
                    return self.stop(Stopped::Unreachable);
                }
                self.dead.set(Some(before));
            } else {
                self.dead.set(None);
            }
            let has_room = stats.waiting == 0
                && self.results.unprinted() < UNPRINTED
                && stats.nodes.iter().all(|node| {
                    let parked = (PARKED / self.nodes).max(self.window);
                    let most = if node.down && !all_down {
                        parked
                    } else {
                        self.window
                    };
                    node.pending < most && node.rebounds < parked
                });
            if has_room {
                self.unseen.set(0);
                return true;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn stop(&self, why: Stopped) -> bool {
        self.stopped.set(Some(why));
        false
    }

    pub(super) fn send(&self, target: &Target) {
        let spellings = if target.as_str().contains(['%', '~']) {
            SPELLINGS
        } else {
            1
        };
        self.unseen.set(self.unseen.get() + spellings * self.nodes);
        self.results.sent();
        // A target needs no conversion, which alone can fail.
        let _ = self.roan.purge(target);
    }

    /// Waits for the answers, rebounds included, and ends the dispatcher.
    pub(super) fn end(self) -> Option<Stopped> {
        // A purge is dead after `max_age`; its rebound has as long.
        while unanswered(self.roan) > 0 && self.stopped.get().is_none() {
            if self.interrupt.is_asked() {
                self.stop(Stopped::Interrupted);
            }
            std::thread::sleep(PAUSE);
        }
        let timeout = match self.stopped.get() {
            None | Some(Stopped::Unreachable) => Duration::ZERO,
            // What is in flight may still be answered.
            Some(Stopped::Interrupted) => Duration::from_millis(500),
        };
        let _ = self.roan.flush_blocking(timeout);
        let _ = self.roan.shutdown_blocking(Duration::ZERO);
        self.stopped.get()
    }
}
