//! Shuts a dispatcher down at the end of `main`.

use std::thread;
use std::time::Duration;

use super::handle::Roan;
use crate::base::log::loudly;

/// Shuts a dispatcher down when it is dropped. Created by [`Roan::guard`].
#[derive(Debug)]
#[must_use = "a guard without a name is dropped at once, and ends the dispatcher: write `let _guard = ...`"]
pub struct ShutdownGuard {
    roan: Roan,
    timeout: Duration,
}

impl Roan {
    /// Returns a guard that shuts the dispatcher down when it is dropped: at the end of `main`, also after an error or a
    /// panic. Create it at the start of `main`, and give it a name: `let _ = ...` drops it at once.
    ///
    /// The drop calls [`shutdown_blocking`](Self::shutdown_blocking). It also waits for the rebounds, so a program that
    /// purges and ends takes as long as the rebound delay (with the web layer up to 2 s), or `timeout` if that is shorter.
    /// Without waiting purges it ends at once. What it could not send is an error in the log. It may run inside an
    /// asynchronous task, and blocks its thread.
    ///
    /// [`std::process::exit`], an abort and a signal that ends the program do not drop the guard, so the purges are lost.
    /// systemd, Docker and Kubernetes send SIGTERM: let `main` return then, as the guide's page about axum shows.
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
        // On its own thread: a thread of a runtime must not block in this way.
        let left = thread::scope(|scope| {
            thread::Builder::new()
                .spawn_scoped(scope, shutdown)
                .map(|thread| thread.join())
        });
        match left {
            // The dispatcher has logged what remains.
            Ok(Ok(_)) => {}
            Ok(Err(_)) => loudly(format_args!("the shutdown of the dispatcher panicked")),
            Err(error) => loudly(format_args!(
                "cannot start a thread to shut the dispatcher down: {error}"
            )),
        }
    }
}
