//! From the input to the dispatcher, at the pace of the caches: what waits in memory does not grow with the input.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use roan::{NodeStats, Roan, Target};

use super::pace::Pace;
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
    /// Of each node.
    paces: RefCell<Vec<Pace>>,
    /// The most purges without an answer at one node.
    window: usize,
    /// How many purges each node may get before the next look.
    room: Cell<usize>,
    stopped: Cell<Option<Stopped>>,
}

impl<'a> Feed<'a> {
    pub(super) fn new(
        roan: &'a Roan,
        results: &'a Results,
        interrupt: &'a Interrupt,
        max_age: Duration,
    ) -> Self {
        let nodes = roan.stats().nodes.len().max(1);
        Self {
            roan,
            results,
            interrupt,
            dead: Cell::new(None),
            paces: RefCell::new((0..nodes).map(|_| Pace::new(max_age)).collect()),
            window: (WINDOW / nodes).clamp(32, WINDOW / 2),
            room: Cell::new(0),
            stopped: Cell::new(None),
        }
    }

    /// Waits until there is room for one more target, and says whether there is a point in sending it.
    pub(super) fn go_on(&self) -> bool {
        if self.room.get() > 0 {
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
            if stats.waiting == 0 && self.results.unprinted() < UNPRINTED {
                let room = self.room_at(&stats.nodes, all_down);
                if room > 0 {
                    self.room.set(room);
                    return true;
                }
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// How many more purges each of the nodes may get.
    fn room_at(&self, nodes: &[NodeStats], all_down: bool) -> usize {
        let now = Instant::now();
        let mut paces = self.paces.borrow_mut();
        let parked = (PARKED / paces.len()).max(self.window);
        let rooms = nodes.iter().zip(&mut *paces).map(|(node, pace)| {
            let answers = node.purged + node.not_cached + node.refused;
            let window = pace.window(now, answers).min(self.window);
            let most = match node.down {
                true if all_down => self.window,
                true => parked,
                false => window + node.in_flight,
            };
            let room = most.saturating_sub(node.pending);
            // Many at once, so that most targets need no look.
            let is_enough = room > most / 4 && node.rebounds < parked;
            if is_enough { room } else { 0 }
        });
        rooms.min().unwrap_or(self.window)
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
        self.room.set(self.room.get().saturating_sub(spellings));
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
