//! Commands of the handles to the dispatcher's thread.

use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::stats::Remaining;
use crate::base::lock::Mutex;

/// One command to the dispatcher's thread.
pub(crate) enum Command {
    /// Answer when nothing waits, or at the deadline.
    Flush(Flush),
    /// Report waiting purges as abandoned, and end.
    End {
        /// How long the caller has waited for them.
        timeout: Duration,
        reply: oneshot::Sender<Remaining>,
    },
    /// End as soon as nothing waits: the last handle was dropped.
    Close,
    /// Run this beside the dispatcher's own work.
    #[cfg(any(feature = "_sql", feature = "dashboard", feature = "doctor"))]
    Run(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
    /// Run this at that time, or when the dispatcher ends.
    #[cfg_attr(
        not(feature = "_orm"),
        expect(dead_code, reason = "only the hooks of database libraries use it")
    )]
    Later(Later),
}

/// Work for a later time, if it is still needed then.
pub(crate) struct Later {
    pub(crate) due: Instant,
    /// Dropped when the work is not needed any more.
    pub(crate) needed: Weak<()>,
    pub(crate) work: Box<dyn FnOnce() + Send>,
}

/// A caller that waits for empty queues.
pub(crate) struct Flush {
    pub(crate) deadline: Instant,
    /// Whether it also waits for rebounds.
    pub(crate) rebounds: bool,
    /// The number of the look into the database that this needs.
    pub(crate) look: Option<u64>,
    /// When that look was asked for, and whether nothing waited outside of the database then.
    pub(crate) looked: (Instant, bool),
    pub(crate) reply: oneshot::Sender<Remaining>,
}

impl Command {
    /// Answers the command, if it expects an answer. The caller may have gone.
    pub(crate) fn answer(self, left: &Remaining) {
        if let Self::Flush(Flush { reply, .. }) | Self::End { reply, .. } = self {
            let _ = reply.send(left.clone());
        }
    }
}

/// Commands that the thread has not received yet.
pub(crate) struct Commands(Mutex<State>);

enum State {
    Taken(Vec<Command>),
    /// The thread has ended. Contains what remained.
    Ended(Remaining),
}

impl Commands {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Taken(Vec::new())))
    }

    /// After the end, this answers the command at once.
    pub(crate) fn push(&self, command: Command) {
        match &mut *self.0.lock() {
            State::Taken(commands) => commands.push(command),
            State::Ended(left) => command.answer(left),
        }
    }

    pub(crate) fn take(&self) -> Vec<Command> {
        match &mut *self.0.lock() {
            State::Taken(commands) => std::mem::take(commands),
            State::Ended(_) => Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &*self.0.lock() {
            State::Taken(commands) => commands.is_empty(),
            State::Ended(_) => true,
        }
    }

    /// Answers pending commands, and from now on every command at once. A second call does nothing.
    pub(crate) fn close(&self, left: Remaining) {
        let mut state = self.0.lock();
        if let State::Taken(commands) = &mut *state {
            for command in std::mem::take(commands) {
                command.answer(&left);
            }
            *state = State::Ended(left);
        }
    }
}
