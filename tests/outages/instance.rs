//! A sending program, as the harness holds it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use roan_tests::{Clock, wait};

use crate::sender::{Line, MODE, Orders};

/// More lines of failures than this are not kept.
const FAILURES: usize = 20;

/// What a program has said.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) ready: bool,
    pub(crate) committed: u64,
    pub(crate) failures: Vec<String>,
}

/// Killed when dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    child: Child,
    said: Arc<Mutex<Said>>,
    listener: Option<JoinHandle<()>>,
}

impl Instance {
    /// Starts one, which goes by the clock; `mode` is that of [`MODE`].
    pub(crate) fn start(mode: &str, orders: &Orders, clock: &Clock) -> Self {
        let binary = std::env::current_exe().expect("the path of this program");
        let mut command = Command::new(binary);
        clock.give_to(&mut command);
        let mut child = command
            .args(orders.to_args())
            .env(MODE, mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs once more");
        let out = child.stdout.take().expect("the piped output");
        let said = Arc::<Mutex<Said>>::default();
        let hearing = Arc::clone(&said);
        let listener = std::thread::spawn(move || {
            // The last line may have been cut off by a kill.
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            for line in lines.filter_map(|line| Line::parse(&line)) {
                let mut said = lock(&hearing);
                match line {
                    Line::Ready => said.ready = true,
                    Line::Committed => said.committed += 1,
                    Line::Failed(failure) if said.failures.len() < FAILURES => {
                        said.failures.push(failure);
                    }
                    Line::Failed(_) => {}
                }
            }
        });
        Self {
            child,
            said,
            listener: Some(listener),
        }
    }

    pub(crate) fn said(&self) -> MutexGuard<'_, Said> {
        lock(&self.said)
    }

    /// Blocks until its dispatcher runs.
    pub(crate) fn wait_until_ready(&self) {
        wait::until_some(3 * wait::LONG, "a sender to start", || {
            self.said().ready.then_some(())
        });
    }

    /// Kills it with SIGKILL, and returns all that it has said.
    pub(crate) fn kill(mut self) -> Said {
        self.end();
        std::mem::take(&mut *self.said())
    }

    fn end(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        if let Some(listener) = self.listener.take() {
            let _ended = listener.join();
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}
