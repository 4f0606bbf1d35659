//! Holds work back until the test lets it go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

use crate::wait;

/// The test's side of a gate: closed when made, open for good once it is opened or dropped.
#[derive(Debug)]
pub struct Gate {
    /// Nothing is ever sent; that the sender is gone is the signal.
    _keeper: watch::Sender<()>,
    arrived: Arc<AtomicUsize>,
}

/// The side that has to wait.
#[derive(Debug, Clone)]
pub struct Passage {
    kept: watch::Receiver<()>,
    arrived: Arc<AtomicUsize>,
}

/// Makes a closed gate.
#[must_use]
pub fn gate() -> (Gate, Passage) {
    let (keeper, kept) = watch::channel(());
    let arrived = Arc::<AtomicUsize>::default();
    let gate = Gate {
        _keeper: keeper,
        arrived: Arc::clone(&arrived),
    };
    (gate, Passage { kept, arrived })
}

impl Gate {
    /// Blocks until `count` have come to the gate since it was made.
    ///
    /// # Panics
    ///
    /// When they do not come.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        wait::until(wait::LONG, &format!("{count} at the gate"), || {
            self.arrived.load(Ordering::SeqCst) >= count
        });
    }

    /// Lets all of them go on, and all who come later pass.
    pub fn open(self) {
        drop(self);
    }
}

impl Passage {
    /// Goes on when the gate is open.
    pub async fn pass(mut self) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        while self.kept.changed().await.is_ok() {}
    }
}
