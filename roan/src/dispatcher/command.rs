//! What the handles ask of the dispatcher's thread.

use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::oneshot;

use super::stats::Remaining;

/// One request to the dispatcher's thread.
pub(crate) enum Command {
    /// Answer once nothing waits, or at the deadline.
    Flush(Flush),
    /// Report what waits as abandoned, and end.
    End { reply: oneshot::Sender<Remaining> },
    /// End as soon as nothing waits: the last handle is gone.
    Close,
    /// Do this then; sooner, if the dispatcher ends before.
    #[cfg_attr(
        not(any(feature = "diesel", feature = "sea-orm")),
        expect(dead_code, reason = "hooks of these libraries ask for it")
    )]
    Later(Later),
}

/// Something to do at a time, if nobody has made it needless before.
pub(crate) struct Later {
    pub(crate) due: Instant,
    /// Gone when it is needless.
    pub(crate) needed: Weak<()>,
    pub(crate) work: Box<dyn FnOnce() + Send>,
}

/// Somebody waits until nothing waits.
pub(crate) struct Flush {
    pub(crate) deadline: Instant,
    /// Whether rebounds are waited for, too.
    pub(crate) rebounds: bool,
    /// The number of a look into the database, for this.
    pub(crate) look: Option<u64>,
    pub(crate) reply: oneshot::Sender<Remaining>,
}

impl Command {
    /// Answers the command, if it wants an answer. Whoever gave it may have gone.
    pub(crate) fn answer(self, left: &Remaining) {
        if let Self::Flush(Flush { reply, .. }) | Self::End { reply } = self {
            let _ = reply.send(left.clone());
        }
    }
}

/// Commands that the thread has not seen.
pub(crate) struct Commands(Mutex<State>);

enum State {
    Taken(Vec<Command>),
    /// The thread has ended, and this was left.
    Ended(Remaining),
}

impl Commands {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Taken(Vec::new())))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After the end the command is answered at once.
    pub(crate) fn push(&self, command: Command) {
        match &mut *self.lock() {
            State::Taken(commands) => commands.push(command),
            State::Ended(left) => command.answer(left),
        }
    }

    pub(crate) fn take(&self) -> Vec<Command> {
        match &mut *self.lock() {
            State::Taken(commands) => std::mem::take(commands),
            State::Ended(_) => Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &*self.lock() {
            State::Taken(commands) => commands.is_empty(),
            State::Ended(_) => true,
        }
    }

    /// Answers what was not seen, and from now on everything at once. Does nothing the second time.
    pub(crate) fn close(&self, left: Remaining) {
        let mut state = self.lock();
        if let State::Taken(commands) = &mut *state {
            for command in std::mem::take(commands) {
                command.answer(&left);
            }
            *state = State::Ended(left);
        }
    }
}
