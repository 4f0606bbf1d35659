//! Sees commits and rollbacks of one connection.

use std::fmt::{self, Write as _};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::result::{DatabaseErrorKind, Error};

use super::frames::{Frames, Went};
use super::script::{self, Change};
use super::unclaimed::Unclaimed;
use crate::app::Roan;
use crate::base::target::Target;
use crate::hooks;
use crate::model::Table;

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
    frames: Frames<Held>,
    unclaimed: Unclaimed,
    awaited: Option<Awaited>,
    /// Whether the transaction was begun by SQL of the program, behind Diesel's back.
    by_hand: bool,
}

/// What leaves when a transaction has committed.
#[derive(Debug, Clone)]
enum Held {
    Target(Roan, Target),
    /// A row of the outbox, which the relay may take then.
    #[cfg(feature = "_sql")]
    Row(Roan),
}

/// Whose writes a purging call is for.
#[derive(Debug, Clone, Copy)]
pub(in crate::orm) enum Claim {
    All,
    Table(Option<&'static Table>),
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

    /// A purging call has come, for one table or for all that was written.
    pub(in crate::orm) fn claim(&mut self, claim: Claim) {
        match claim {
            Claim::All => self.unclaimed.claim_all(),
            Claim::Table(Some(table)) => self.unclaimed.claim(table),
            Claim::Table(None) => {}
        }
    }

    /// What has gone past Roan so far, in this transaction.
    pub(in crate::orm) fn unclaimed(&self) -> Option<String> {
        self.unclaimed.told()
    }

    /// Tells the relay of this dispatcher when the transaction has committed.
    #[cfg(feature = "_sql")]
    pub(in crate::orm) fn expect(&mut self, roan: &Roan) {
        send(self.frames.hold(vec![Held::Row(roan.clone())]));
    }

    pub(in crate::orm) fn hold(&mut self, roan: &Roan, targets: Vec<Target>) {
        let targets = targets
            .into_iter()
            .map(|target| Held::Target(roan.clone(), target));
        let leaving = self.frames.hold(targets.collect());
        send(leaving);
    }

    /// What can leave after this event.
    fn follow(&mut self, event: &InstrumentationEvent<'_>) -> Vec<Held> {
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
                    None => {
                        let text = text_of(query);
                        if went == Went::Well {
                            self.wrote(&text);
                        }
                        script::changes(&text)
                    }
                };
                changes
                    .iter()
                    .flat_map(|change| self.follow_change(change, went))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn follow_change(&mut self, change: &Change, went: Went) -> Vec<Held> {
        if *change == Change::Begin {
            // What was written outside of a transaction.
            self.unclaimed.tell();
        }
        let leaving = self.frames.follow(change, went);
        let depth = self.frames.depth();
        match change {
            Change::Rollback => self.unclaimed.claim_all(),
            Change::RollbackTo(_) => self.unclaimed.rolled_back(depth),
            Change::Release(_) => self.unclaimed.released(depth),
            Change::Commit if went != Went::Wrong => self.unclaimed.tell(),
            _ => {}
        }
        leaving
    }

    fn wrote(&mut self, text: &str) {
        let depth = self.frames.depth();
        if depth == 0 {
            // Nothing has claimed the one before.
            self.unclaimed.tell();
        }
        self.unclaimed.wrote(text, depth);
    }

    fn await_one(&mut self, change: Change) -> Vec<Held> {
        let leaving = self.give_up_waiting();
        self.awaited = Some(Awaited {
            change,
            has_begun: false,
        });
        leaving
    }

    /// A future that was dropped never tells how its statement went.
    fn give_up_waiting(&mut self) -> Vec<Held> {
        match self.awaited.take() {
            Some(awaited) if awaited.has_begun => {
                self.follow_change(&awaited.change, Went::Unknown)
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
        if !self.frames.is_in_transaction() {
            self.unclaimed.tell();
        }
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

fn send(leaving: Vec<Held>) {
    for held in leaving {
        match held {
            Held::Target(roan, target) => hooks::purge(Some(&roan), &target),
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
