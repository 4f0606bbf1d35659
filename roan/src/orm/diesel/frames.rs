//! What the transaction of a connection holds back, savepoint by savepoint.

/// What Diesel does to a transaction. The depth of the transaction is 1, that of its first savepoint 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Begin(usize),
    Commit(usize),
    Rollback(usize),
}

/// How a statement went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    Well,
    /// The database refused it.
    Wrong,
    /// Nobody knows: the connection broke, or nobody waited for the answer.
    Unknown,
}

/// What was held at each depth. Empty when no transaction is open.
#[derive(Debug)]
pub(super) struct Frames<T>(Vec<Vec<T>>);

impl<T> Default for Frames<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Frames<T> {
    pub(super) fn is_in_transaction(&self) -> bool {
        !self.0.is_empty()
    }

    /// Holds this until the commit; gives it back when no transaction is open.
    pub(super) fn hold(&mut self, mut items: Vec<T>) -> Vec<T> {
        if let Some(frame) = self.0.last_mut() {
            frame.append(&mut items);
        }
        items
    }

    /// Follows a statement. What is returned can leave now.
    #[must_use]
    pub(super) fn follow(&mut self, change: Change, went: Went) -> Vec<T> {
        match (change, went) {
            (Change::Begin(depth), Went::Well | Went::Unknown) => {
                // Diesel knows of no such transaction any more, so it ended in a way that Diesel
                // does not report. It may have been committed.
                let ended = self.leave(depth);
                self.0.resize_with(depth, Vec::new);
                ended
            }
            (Change::Commit(1), Went::Wrong) | (Change::Rollback(1), _) => {
                // After a failed commit, too, Diesel rolls back.
                self.0.clear();
                Vec::new()
            }
            // Too early, if the transaction is still open: but it is not known to be.
            (Change::Commit(depth), Went::Well | Went::Unknown)
            | (Change::Rollback(depth), Went::Wrong | Went::Unknown) => {
                let released = self.leave(depth);
                self.hold(released)
            }
            (Change::Rollback(depth), Went::Well) => {
                drop(self.leave(depth));
                Vec::new()
            }
            (Change::Begin(_) | Change::Commit(_), Went::Wrong) => Vec::new(),
        }
    }

    /// Ends this depth and all that are deeper.
    fn leave(&mut self, depth: usize) -> Vec<T> {
        let kept = depth.saturating_sub(1).min(self.0.len());
        self.0.drain(kept..).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Change::{Begin, Commit, Rollback};
    use super::Went::{Unknown, Well, Wrong};
    use super::*;

    enum Step {
        Hold(&'static str),
        Follow(Change, Went),
    }
    use Step::{Follow, Hold};

    /// What leaves, step by step. What is held at the end is rolled back with the connection.
    fn left(steps: &[Step]) -> Vec<&'static str> {
        let mut frames = Frames::default();
        let mut left = Vec::new();
        for step in steps {
            left.extend(match step {
                Hold(item) => frames.hold(vec![*item]),
                Follow(change, went) => frames.follow(*change, *went),
            });
        }
        left
    }

    #[test]
    fn what_is_held_follows_the_transaction() {
        let well = |change| Follow(change, Well);
        let cases: Vec<(Vec<Step>, &[&str])> = vec![
            (vec![Hold("a")], &["a"]),
            (
                vec![well(Begin(1)), Hold("a"), well(Commit(1)), Hold("b")],
                &["a", "b"],
            ),
            (
                vec![well(Begin(1)), Hold("a"), well(Rollback(1)), Hold("b")],
                &["b"],
            ),
            (vec![well(Begin(1)), Hold("a")], &[]),
            (
                vec![
                    well(Begin(1)),
                    Hold("a"),
                    well(Begin(2)),
                    Hold("b"),
                    well(Rollback(2)),
                    Hold("c"),
                    well(Commit(1)),
                ],
                &["a", "c"],
            ),
            (
                vec![
                    well(Begin(1)),
                    well(Begin(2)),
                    Hold("a"),
                    well(Commit(2)),
                    well(Rollback(1)),
                ],
                &[],
            ),
            (
                vec![
                    well(Begin(1)),
                    well(Begin(2)),
                    well(Begin(3)),
                    Hold("a"),
                    well(Commit(3)),
                    well(Commit(2)),
                    Hold("b"),
                    well(Commit(1)),
                ],
                &["a", "b"],
            ),
            // The tracker came in the middle of a transaction.
            (
                vec![
                    well(Begin(3)),
                    Hold("a"),
                    well(Commit(3)),
                    well(Commit(2)),
                    well(Commit(1)),
                ],
                &["a"],
            ),
        ];
        for (number, (steps, wanted)) in cases.iter().enumerate() {
            assert_eq!(left(steps), *wanted, "case {number}");
        }
    }

    #[test]
    fn a_statement_that_fails_purges_too_much_rather_than_too_little() {
        let commit = |went| vec![Follow(Begin(1), Well), Hold("a"), Follow(Commit(1), went)];
        assert!(left(&commit(Wrong)).is_empty());
        assert_eq!(left(&commit(Unknown)), ["a"]);
        // The connection has no transaction any more.
        let then = |went, next| {
            let mut steps = commit(went);
            steps.push(next);
            left(&steps)
        };
        assert_eq!(then(Wrong, Hold("b")), ["b"]);
        assert!(then(Wrong, Follow(Rollback(1), Well)).is_empty());
        assert_eq!(left(&[Follow(Begin(1), Wrong), Hold("a")]), ["a"]);
        // A savepoint that cannot be rolled back is a part of what is around it.
        let steps = [
            Follow(Begin(1), Well),
            Follow(Begin(2), Well),
            Hold("a"),
            Follow(Rollback(2), Wrong),
            Follow(Commit(1), Well),
        ];
        assert_eq!(left(&steps), ["a"]);
        // A transaction that ended in a way that Diesel did not see.
        let steps = [
            Follow(Begin(1), Well),
            Hold("a"),
            Follow(Begin(1), Well),
            Hold("b"),
            Follow(Rollback(1), Well),
        ];
        assert_eq!(left(&steps), ["a"]);
    }
}
