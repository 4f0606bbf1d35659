//! Shuts a dispatcher down at the end of `main`, however that ends.

use std::thread;
use std::time::Duration;

use super::handle::Roan;
use crate::base::log::loudly;

/// Shuts a dispatcher down when it is dropped: made by [`Roan::guard`].
#[derive(Debug)]
#[must_use = "what is not bound is dropped at once, and ends the dispatcher: write `let _guard = ...`"]
pub struct ShutdownGuard {
    roan: Roan,
    timeout: Duration,
}

impl Roan {
    /// Shuts the dispatcher down when the guard is dropped: at the end of `main`, also after an
    /// error or a panic. Write it at the start of `main`, and bind it to a name: `let _ = ...` drops
    /// it at once.
    ///
    /// The drop does what [`shutdown_blocking`](Self::shutdown_blocking) does. It waits for the
    /// rebounds, too, so a program that purges and ends takes as long as the rebound delay, or
    /// `timeout` if that is shorter; one that has nothing left to send ends at once. It logs as an
    /// error what it could not send. It may run inside an asynchronous task, and blocks its thread.
    ///
    /// Nothing is dropped, and so nothing sent, by [`std::process::exit`], an abort or a signal.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// #[tokio::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let _guard = roan::global()?.guard(Duration::from_secs(10));
    ///     // ... write rows, and call their hooks
    ///     Ok(())
    /// }
    /// ```
    pub fn guard(&self, timeout: Duration) -> ShutdownGuard {
        ShutdownGuard {
            roan: self.clone(),
            timeout,
        }
    }
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        let shutdown = || self.roan.shutdown_blocking(self.timeout);
        // On a thread of its own: one of a runtime must not wait in this way.
        let left = thread::scope(|scope| {
            thread::Builder::new()
                .spawn_scoped(scope, shutdown)
                .map(|thread| thread.join())
        });
        let timeout = self.timeout;
        match left {
            Ok(Ok(left)) if left.nodes.is_empty() => {}
            Ok(Ok(left)) => loudly(format_args!(
                "the dispatcher was shut down, and not all was sent within {timeout:?}: {left}"
            )),
            Ok(Err(_)) => loudly(format_args!("the shutdown of the dispatcher panicked")),
            Err(error) => loudly(format_args!(
                "no thread could be started to shut the dispatcher down: {error}"
            )),
        }
    }
}
