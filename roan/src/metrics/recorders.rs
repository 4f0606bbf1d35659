//! The recorder that is installed, which may come after the dispatcher.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use ::metrics::{Recorder, with_recorder};

use super::catalogue::describe;

/// So many recorders are remembered: that of the program, and those that tests set for a thread.
const KEPT: usize = 4;

/// Series for the recorder of the calling thread. Made anew when another one is installed.
#[derive(Debug)]
pub(crate) struct Recorded<T>(Mutex<Vec<(usize, Arc<T>)>>);

impl<T> Default for Recorded<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Recorded<T> {
    /// Records something. The recorder is code of the program or of a library: never call this under a lock. If it panics,
    /// the dispatcher goes on; the panic hook has shown the panic.
    pub(crate) fn with(&self, register: impl FnOnce(&dyn Recorder) -> T, record: impl FnOnce(&T)) {
        let _ = catch_unwind(AssertUnwindSafe(|| record(&self.of_recorder(register))));
    }

    fn of_recorder(&self, register: impl FnOnce(&dyn Recorder) -> T) -> Arc<T> {
        with_recorder(|recorder| {
            // Recorders live as long as the program, or as the scope that sets them.
            let place = std::ptr::from_ref(recorder).cast::<()>().addr();
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, series)) = known.iter().find(|(other, _)| *other == place) {
                return Arc::clone(series);
            }
            drop(known);
            describe(recorder);
            let series = Arc::new(register(recorder));
            known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= KEPT {
                known.remove(0);
            }
            known.push((place, Arc::clone(&series)));
            series
        })
    }
}
