//! A program of a harness that is killed at any time: the test binary itself, run once more.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::server::family;
use crate::{Clock, lock, wait};

/// What such a program has said, in lines on its standard output.
pub trait Said: Default + Send + 'static {
    /// How long one may take to start.
    const START: Duration = wait::LONG;

    /// Takes one line. The last one may have been cut off by a kill.
    fn hear(&mut self, line: &str);

    /// Whether it has said that its dispatcher runs.
    fn is_ready(&self) -> bool;

    /// The number of writes of which it has said that they are committed.
    fn committed(&self) -> u64;
}

/// Says a line in such a program, at once: what a kill cuts off is this line alone.
pub fn say(line: &str) {
    let line = format!("{}\n", line.replace('\n', " "));
    // When nobody listens any more it is about to be killed.
    let mut out = std::io::stdout().lock();
    let _unheard = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

/// One program, and what it has said. Killed when dropped.
#[derive(Debug)]
pub struct Instance<S> {
    child: Child,
    said: Arc<Mutex<S>>,
    listener: Option<JoinHandle<()>>,
}

impl<S: Said> Instance<S> {
    /// Starts one, which goes by the clock. It knows by a variable, and its value, what it is to do. Its standard input ends
    /// with the harness.
    ///
    /// # Panics
    ///
    /// If this program cannot be run once more.
    #[must_use]
    pub fn start(
        (variable, mode): (&str, &str),
        args: impl IntoIterator<Item = String>,
        clock: &Clock,
    ) -> Self {
        let binary = std::env::current_exe().expect("the path of this program");
        let mut command = Command::new(binary);
        clock.give_to(&mut command);
        let mut child = command
            .args(args)
            .env(variable, mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs once more");
        let out = child.stdout.take().expect("the piped output");
        let said = Arc::<Mutex<S>>::default();
        let hearing = Arc::clone(&said);
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                lock(&hearing).hear(&line);
            }
        });
        Self {
            child,
            said,
            listener: Some(listener),
        }
    }

    /// What it has said so far.
    pub fn said(&self) -> MutexGuard<'_, S> {
        lock(&self.said)
    }

    /// Blocks until its dispatcher runs.
    ///
    /// # Panics
    ///
    /// If that takes longer than [`Said::START`].
    #[track_caller]
    pub fn wait_until_ready(&self) {
        wait::until(S::START, "a program to start", || self.said().is_ready());
    }

    /// Blocks until so many more writes have committed.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    #[track_caller]
    pub fn wait_for_writes(&self, more: u64) {
        let wanted = self.said().committed() + more;
        wait::until(wait::LONG, &format!("{more} writes"), || {
            self.said().committed() >= wanted
        });
    }

    /// Stops it with SIGSTOP, and waits until each of its threads has stopped.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    #[track_caller]
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
        let pid = Pid::from_child(&self.child);
        wait::until(wait::LONG, "an instance to stop", || {
            family::is_stopped(pid)
        });
    }

    /// Continues it with SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("our own child");
    }

    /// Kills it with SIGKILL, and returns all that it has said.
    #[must_use]
    pub fn kill(mut self) -> S {
        self.end();
        std::mem::take(&mut *self.said())
    }
}

impl<S> Instance<S> {
    fn end(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        if let Some(listener) = self.listener.take() {
            let _ended = listener.join();
        }
    }
}

impl<S> Drop for Instance<S> {
    fn drop(&mut self) {
        self.end();
    }
}
