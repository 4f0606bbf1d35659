//! A writer process, as the harness holds it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use roan_tests::{Clock, wait};
use rustix::process::{Pid, Signal, kill_process};

use crate::writer::{Line, MODE, Orders};

/// More lines of failures than this are not kept.
const FAILURES: usize = 200;

/// What a process has said.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) ready: bool,
    pub(crate) committed: u64,
    pub(crate) rolled_back: u64,
    pub(crate) savepoints: u64,
    pub(crate) unstored: Vec<u64>,
    pub(crate) failed: u64,
    pub(crate) failures: Vec<String>,
}

impl Said {
    fn hear(&mut self, line: Line) {
        match line {
            Line::Ready => self.ready = true,
            Line::Committed => self.committed += 1,
            Line::RolledBack => self.rolled_back += 1,
            Line::SavepointRolledBack => self.savepoints += 1,
            Line::Unstored(number) => self.unstored.push(number),
            Line::Failed(failure) => {
                self.failed += 1;
                if self.failures.len() < FAILURES {
                    self.failures.push(failure);
                }
            }
        }
    }
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
            .stdin(Stdio::null())
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
                lock(&hearing).hear(line);
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
    #[track_caller]
    pub(crate) fn wait_until_ready(&self) {
        wait::until(wait::LONG, "a writer to start", || self.said().ready);
    }

    /// Blocks until so many more writes have committed.
    #[track_caller]
    pub(crate) fn wait_for_writes(&self, more: u64) {
        let wanted = self.said().committed + more;
        wait::until(wait::LONG, &format!("{more} writes"), || {
            self.said().committed >= wanted
        });
    }

    pub(crate) fn suspend(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("our own child");
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
