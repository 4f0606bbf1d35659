//! What the transaction of a connection holds back, savepoint by savepoint.

use std::mem;

use super::script::Change;

/// How a statement went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    Well,
    /// The database refused it.
    Wrong,
    /// Nobody knows: the connection broke, or nobody waited for the answer.
    Unknown,
}

/// The savepoints of one connection, and what was held at each. It follows the database: a savepoint
/// that was rolled back to is still there, and names may repeat.
#[derive(Debug)]
pub(super) struct Frames<T> {
    /// The first one is the transaction. Empty when there is none.
    frames: Vec<Frame<T>>,
    /// Held by a transaction that the database may have committed on its own: sent however it ends.
    sure: Vec<T>,
    /// Of a commit that failed, and may be tried again.
    failed: Vec<T>,
}

#[derive(Debug)]
struct Frame<T> {
    /// None for the transaction.
    savepoint: Option<String>,
    held: Vec<T>,
}

impl<T> Default for Frames<T> {
    fn default() -> Self {
        Self {
            frames: Vec::new(),
            sure: Vec::new(),
            failed: Vec::new(),
        }
    }
}

impl<T: Clone> Frames<T> {
    pub(super) fn is_in_transaction(&self) -> bool {
        !self.frames.is_empty()
    }

    /// Holds this until the commit; gives it back when there is no transaction.
    pub(super) fn hold(&mut self, mut items: Vec<T>) -> Vec<T> {
        match self.frames.last_mut() {
            Some(frame) => {
                frame.held.append(&mut items);
                Vec::new()
            }
            None => items,
        }
    }

    /// Follows a statement. What is returned can leave now.
    #[must_use]
    pub(super) fn follow(&mut self, change: &Change, went: Went) -> Vec<T> {
        match change {
            Change::Begin => self.begin(went),
            Change::Savepoint(name) if went != Went::Wrong => {
                self.push(Some(name));
                Vec::new()
            }
            Change::Release(name) if went != Went::Wrong => self.release(name),
            Change::RollbackTo(name) if went == Went::Well => {
                if let Some(number) = self.position(name) {
                    self.frames.truncate(number + 1);
                    self.frames[number].held.clear();
                }
                Vec::new()
            }
            Change::Commit => self.commit(went),
            Change::Rollback => self.rollback(),
            Change::CommitsByItself => {
                self.held_is_sure();
                Vec::new()
            }
            Change::Savepoint(_) | Change::Release(_) | Change::RollbackTo(_) => Vec::new(),
        }
    }

    /// The connection is gone. What is returned may have been committed.
    #[must_use]
    pub(super) fn close(&mut self) -> Vec<T> {
        self.frames.clear();
        mem::take(&mut self.sure)
    }

    fn begin(&mut self, went: Went) -> Vec<T> {
        if went == Went::Wrong {
            return Vec::new();
        }
        self.failed.clear();
        if self.is_in_transaction() {
            // MySQL has committed the one before. PostgreSQL is still in it.
            self.held_is_sure();
        } else {
            self.push(None);
        }
        Vec::new()
    }

    fn commit(&mut self, went: Went) -> Vec<T> {
        let mut leaving = mem::take(&mut self.sure);
        let frames = mem::take(&mut self.frames);
        self.failed
            .extend(frames.into_iter().flat_map(|frame| frame.held));
        match went {
            Went::Well => leaving.append(&mut self.failed),
            // Too early, if the transaction is still open: then they leave again.
            Went::Unknown => leaving.extend_from_slice(&self.failed),
            Went::Wrong => {}
        }
        leaving
    }

    fn rollback(&mut self) -> Vec<T> {
        // Whatever became of the statement: what is not committed now never will be.
        self.frames.clear();
        self.failed.clear();
        mem::take(&mut self.sure)
    }

    fn release(&mut self, name: &str) -> Vec<T> {
        match self.position(name) {
            // SQLite's way of a commit.
            Some(0) => self.commit(Went::Well),
            Some(number) => {
                let released: Vec<T> = self
                    .frames
                    .drain(number..)
                    .flat_map(|frame| frame.held)
                    .collect();
                self.hold(released)
            }
            None => Vec::new(),
        }
    }

    fn held_is_sure(&mut self) {
        for frame in &mut self.frames {
            self.sure.append(&mut frame.held);
        }
    }

    fn push(&mut self, savepoint: Option<&String>) {
        self.frames.push(Frame {
            savepoint: savepoint.cloned(),
            held: Vec::new(),
        });
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.frames
            .iter()
            .rposition(|frame| frame.savepoint.as_deref() == Some(name))
    }
}
