//! Sees commits and rollbacks of one connection.

use std::fmt::{self, Write as _};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::result::{DatabaseErrorKind, Error};

use super::frames::{Frames, Went};
use super::script::{self, Change};
use crate::dispatcher::Roan;
use crate::hook;
use crate::target::Target;

/// An instrumentation for one connection that holds purges back until its transaction has
/// committed, and drops those of a transaction or savepoint that is rolled back.
///
/// [`install`](super::install) gives one to every new connection. By hand:
///
/// ```no_run
/// # use diesel::connection::Connection;
/// # fn example(conn: &mut impl Connection) {
/// conn.set_instrumentation(roan::orm::diesel::Watch::new());
/// # }
/// ```
///
/// It sees what goes through Diesel: transactions, their savepoints, and hand-written `BEGIN`,
/// `COMMIT` and the like. With a durable outbox it is not needed.
#[derive(Default)]
pub struct Watch {
    roan: Option<Roan>,
    user: Option<Box<dyn Instrumentation>>,
    frames: Frames<(Roan, Target)>,
    awaited: Option<Awaited>,
    /// Whether the transaction was begun by SQL of the program, behind Diesel's back.
    by_hand: bool,
}

/// Diesel tells what it will do to the transaction, and then runs the statement.
struct Awaited {
    change: Change,
    has_begun: bool,
}

impl Watch {
    /// A watch for one connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Purges of this connection are for this dispatcher, in place of the global one.
    #[must_use]
    pub fn dispatcher(mut self, roan: &Roan) -> Self {
        self.roan = Some(roan.clone());
        self
    }

    /// Hands every event on to another instrumentation.
    #[must_use]
    pub fn and(mut self, instrumentation: impl Instrumentation) -> Self {
        self.user = Some(Box::new(instrumentation));
        self
    }

    pub(in crate::orm) fn of(&self) -> Option<&Roan> {
        self.roan.as_ref()
    }

    /// Whether there is a transaction that Diesel knows nothing of.
    pub(in crate::orm) fn is_in_transaction_by_hand(&self) -> bool {
        self.by_hand && self.frames.is_in_transaction()
    }

    pub(in crate::orm) fn hold(&mut self, roan: &Roan, targets: Vec<Target>) {
        let targets = targets.into_iter().map(|target| (roan.clone(), target));
        let leaving = self.frames.hold(targets.collect());
        send(leaving);
    }

    /// What can leave after this event.
    fn follow(&mut self, event: &InstrumentationEvent<'_>) -> Vec<(Roan, Target)> {
        match event {
            InstrumentationEvent::BeginTransaction { depth, .. } => {
                self.await_one(Change::begin(*depth))
            }
            InstrumentationEvent::CommitTransaction { depth, .. } => {
                self.await_one(Change::commit(*depth))
            }
            InstrumentationEvent::RollbackTransaction { depth, .. } => {
                self.await_one(Change::rollback(*depth))
            }
            InstrumentationEvent::StartQuery { .. } => match &mut self.awaited {
                Some(awaited) if !awaited.has_begun => {
                    awaited.has_begun = true;
                    Vec::new()
                }
                _ => self.give_up_waiting(),
            },
            InstrumentationEvent::FinishQuery { query, error, .. } => {
                let went = error.map_or(Went::Well, went);
                let awaited = self.awaited.take();
                if !self.frames.is_in_transaction() {
                    self.by_hand = awaited.is_none();
                }
                let changes = match awaited {
                    Some(awaited) => vec![awaited.change],
                    None => script::changes(&text_of(query)),
                };
                changes
                    .iter()
                    .flat_map(|change| self.frames.follow(change, went))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn await_one(&mut self, change: Change) -> Vec<(Roan, Target)> {
        let leaving = self.give_up_waiting();
        self.awaited = Some(Awaited {
            change,
            has_begun: false,
        });
        leaving
    }

    /// A future that was dropped never tells how its statement went.
    fn give_up_waiting(&mut self) -> Vec<(Roan, Target)> {
        match self.awaited.take() {
            Some(awaited) if awaited.has_begun => {
                self.frames.follow(&awaited.change, Went::Unknown)
            }
            _ => Vec::new(),
        }
    }
}

impl Instrumentation for Watch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let leaving = self.follow(&event);
        if let Some(user) = &mut self.user {
            user.on_connection_event(event);
        }
        send(leaving);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut leaving = self.give_up_waiting();
        leaving.append(&mut self.frames.close());
        send(leaving);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("roan", &self.roan)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

fn send(targets: Vec<(Roan, Target)>) {
    for (roan, target) in targets {
        hook::purge(Some(&roan), &target);
    }
}

fn went(error: &Error) -> Went {
    match error {
        Error::DatabaseError(
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::Unknown,
            _,
        ) => Went::Unknown,
        Error::DatabaseError(..) => Went::Wrong,
        _ => Went::Unknown,
    }
}

/// The text of a statement; cut when it is very long, which only data is.
fn text_of(query: &impl fmt::Display) -> String {
    let mut text = Text(String::new());
    // An error is the cut.
    let _ = write!(text, "{query}");
    text.0
}

struct Text(String);

impl fmt::Write for Text {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        const LONGEST: usize = 64 * 1024;
        if self.0.len() > LONGEST {
            return Err(fmt::Error);
        }
        self.0.push_str(piece);
        Ok(())
    }
}
