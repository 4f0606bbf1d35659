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

    /// How many are open, the transaction included.
    pub(super) fn depth(&self) -> usize {
        self.frames.len()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> String {
        name.to_owned()
    }

    /// What leaves, statement by statement; a letter in place of a statement is held.
    fn left(steps: &[(&str, Went)]) -> Vec<String> {
        let mut frames = Frames::default();
        let mut left = Vec::new();
        for (step, went) in steps {
            let changes = super::super::script::changes(step);
            if changes.is_empty() {
                left.extend(frames.hold(vec![named(step)]));
            }
            for change in &changes {
                left.extend(frames.follow(change, *went));
            }
        }
        left.extend(frames.close());
        left
    }

    fn left_by(steps: &[&str]) -> Vec<String> {
        let steps: Vec<_> = steps.iter().map(|step| (*step, Went::Well)).collect();
        left(&steps)
    }

    #[test]
    fn what_is_held_follows_the_transaction() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["a"], &["a"]),
            (&["BEGIN", "a", "COMMIT", "b"], &["a", "b"]),
            (&["BEGIN", "a", "ROLLBACK", "b"], &["b"]),
            (&["BEGIN", "a"], &[]),
            (
                &[
                    "BEGIN",
                    "a",
                    "SAVEPOINT s",
                    "b",
                    "ROLLBACK TO s",
                    "c",
                    "END",
                ],
                &["a", "c"],
            ),
            (
                &["BEGIN", "SAVEPOINT s", "a", "RELEASE s", "b", "COMMIT"],
                &["a", "b"],
            ),
            (&["BEGIN", "SAVEPOINT s", "a", "RELEASE s", "ROLLBACK"], &[]),
            // A savepoint that was rolled back to is still there, and hides nothing outside of it.
            (
                &[
                    "BEGIN",
                    "SAVEPOINT s",
                    "a",
                    "ROLLBACK TO s",
                    "SAVEPOINT s",
                    "b",
                    "RELEASE s",
                    "ROLLBACK TO s",
                    "c",
                    "COMMIT",
                ],
                &["c"],
            ),
            // An inner one goes with the outer one.
            (
                &[
                    "BEGIN",
                    "SAVEPOINT s",
                    "SAVEPOINT t",
                    "a",
                    "ROLLBACK TO s",
                    "COMMIT",
                ],
                &[],
            ),
            // SQLite's transaction without BEGIN.
            (&["SAVEPOINT s", "a", "RELEASE s"], &["a"]),
            // MySQL commits first, so a rollback comes too late.
            (
                &["BEGIN", "a", "CREATE TABLE t (id int)", "b", "ROLLBACK"],
                &["a"],
            ),
            (&["BEGIN", "a", "BEGIN", "b", "ROLLBACK"], &["a"]),
            (&["BEGIN", "a", "COMMIT AND CHAIN", "b", "ROLLBACK"], &["a"]),
        ];
        for (steps, wanted) in cases {
            assert_eq!(left_by(steps), *wanted, "{steps:?}");
        }
    }

    #[test]
    fn a_commit_that_fails_purges_nothing_but_where_nobody_knows() {
        use Went::{Unknown, Well, Wrong};
        let commit = |went| [("BEGIN", Well), ("a", Well), ("COMMIT", went)];
        assert!(left(&commit(Wrong)).is_empty());
        assert_eq!(left(&commit(Unknown)), ["a"]);
        let then = |went, next| [&commit(went)[..], &[next]].concat();
        assert_eq!(left(&then(Wrong, ("COMMIT", Well))), ["a"]);
        assert!(left(&then(Wrong, ("ROLLBACK", Well))).is_empty());
        // The connection has no transaction any more.
        assert_eq!(left(&then(Wrong, ("b", Well))), ["b"]);
        let begin = [("BEGIN", Wrong), ("a", Well)];
        assert_eq!(left(&begin), ["a"]);
    }
}
