//! Sees commits and rollbacks of one connection.

use std::fmt;
use std::num::NonZeroU32;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::result::{DatabaseErrorKind, Error};

use super::frames::{Change, Frames, Went};
use crate::app::Roan;
use crate::base::history::Fired;
use crate::hooks;
use crate::orm::sqlite;

/// An instrumentation for one connection that holds purges back until its transaction has
/// committed, and drops those of a transaction or savepoint that is rolled back.
///
/// [`install`](super::install) gives one to every new connection. By hand:
///
/// ```no_run
/// # use diesel::connection::Connection;
/// # fn example(conn: &mut impl Connection) {
/// conn.set_instrumentation(roan::orm::diesel::TransactionTracker::new());
/// # }
/// ```
///
/// It follows the transactions that Diesel begins and ends: `transaction`, `immediate_transaction`,
/// `build_transaction`, and those inside of them. It reads no SQL, so it does not see a `BEGIN` or
/// `COMMIT` that the program sends as text. With a durable outbox it is not needed.
#[derive(Default)]
pub struct TransactionTracker {
    roan: Option<Roan>,
    user: Option<Box<dyn Instrumentation>>,
    frames: Frames<Held>,
    awaited: Option<Awaited>,
}

/// What leaves when a transaction has committed.
#[derive(Debug)]
enum Held {
    Target(Roan, Fired),
    /// A row of the outbox, which the relay may take then.
    #[cfg(feature = "_sql")]
    Row(Roan),
}

/// Diesel announces what it will do to the transaction, and then runs the statement.
struct Awaited {
    change: Change,
    has_begun: bool,
}

impl TransactionTracker {
    /// A tracker for one connection.
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

    pub(in crate::orm) fn roan(&self) -> Option<&Roan> {
        self.roan.as_ref()
    }

    pub(in crate::orm) fn is_in_transaction(&self) -> bool {
        self.frames.is_in_transaction()
    }

    /// Wakes the relay of this dispatcher when the transaction has committed.
    #[cfg(feature = "_sql")]
    pub(in crate::orm) fn expect(&mut self, roan: &Roan) {
        send(self.frames.hold(vec![Held::Row(roan.clone())]));
    }

    /// Purges these targets when the transaction has committed.
    pub(in crate::orm) fn hold(&mut self, roan: &Roan, targets: Vec<Fired>) {
        let targets = targets
            .into_iter()
            .map(|target| Held::Target(roan.clone(), target));
        send(self.frames.hold(targets.collect()));
    }

    /// What can leave after this event.
    fn follow(&mut self, event: &InstrumentationEvent<'_>) -> Vec<Held> {
        fn at(depth: NonZeroU32) -> usize {
            usize::try_from(depth.get()).unwrap_or(usize::MAX)
        }
        match event {
            InstrumentationEvent::BeginTransaction { depth, .. } => {
                self.await_one(Change::Begin(at(*depth)))
            }
            InstrumentationEvent::CommitTransaction { depth, .. } => {
                self.await_one(Change::Commit(at(*depth)))
            }
            InstrumentationEvent::RollbackTransaction { depth, .. } => {
                self.await_one(Change::Rollback(at(*depth)))
            }
            InstrumentationEvent::StartQuery { .. } => match &mut self.awaited {
                Some(awaited) if !awaited.has_begun => {
                    awaited.has_begun = true;
                    Vec::new()
                }
                _ => self.give_up_waiting(),
            },
            InstrumentationEvent::FinishQuery { error, .. } => {
                if let Some(error) = error {
                    sqlite::notice(error);
                }
                let awaited = self.awaited.take();
                awaited.map_or_else(Vec::new, |awaited| {
                    self.frames
                        .follow(awaited.change, error.map_or(Went::Well, went))
                })
            }
            _ => Vec::new(),
        }
    }

    fn await_one(&mut self, change: Change) -> Vec<Held> {
        let leaving = self.give_up_waiting();
        self.awaited = Some(Awaited {
            change,
            has_begun: false,
        });
        leaving
    }

    /// A future that was dropped never reports how its statement went.
    fn give_up_waiting(&mut self) -> Vec<Held> {
        match self.awaited.take() {
            Some(awaited) if awaited.has_begun => self.frames.follow(awaited.change, Went::Unknown),
            _ => Vec::new(),
        }
    }
}

impl Instrumentation for TransactionTracker {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let leaving = self.follow(&event);
        if let Some(user) = &mut self.user {
            user.on_connection_event(event);
        }
        send(leaving);
    }
}

impl Drop for TransactionTracker {
    fn drop(&mut self) {
        // A transaction that is still open ends with its connection: the database rolls it back.
        send(self.give_up_waiting());
    }
}

impl fmt::Debug for TransactionTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionTracker")
            .field("roan", &self.roan)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

fn send(leaving: Vec<Held>) {
    for held in leaving {
        match held {
            Held::Target(roan, target) => hooks::send(Some(&roan), &target),
            #[cfg(feature = "_sql")]
            Held::Row(roan) => roan.outbox().committed(),
        }
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
