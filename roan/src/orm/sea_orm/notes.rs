//! What the hook before a statement leaves for the one after it: SeaORM hands nothing on.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use sea_orm::Value;

use crate::base::history::Fired;
use crate::base::lock::Mutex;

/// A row that is being written: by whom, and through what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    writer: Writer,
    connection: usize,
    entity: TypeId,
    key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Writer {
    Task(tokio::task::Id),
    /// A future that is not a task of tokio stays on one thread, or is alone.
    Thread(ThreadId),
}

impl Writer {
    fn current() -> Self {
        match tokio::task::try_id() {
            Some(task) => Self::Task(task),
            None => Self::Thread(thread::current().id()),
        }
    }
}

impl Place {
    pub(super) fn of<E, C>(db: &C, key: &[Value]) -> Self {
        Self {
            writer: Writer::current(),
            connection: std::ptr::from_ref(db).addr(),
            entity: typeid::of::<E>(),
            key: format!("{key:?}"),
        }
    }
}

/// The targets of statements that are under way.
#[derive(Debug)]
pub(super) struct Notes(Mutex<Option<Open>>);

#[derive(Debug, Default)]
struct Open {
    by_place: HashMap<Place, Vec<Note>>,
    /// How many places there were after old notes were last looked for.
    kept: usize,
}

#[derive(Debug)]
struct Note {
    targets: Vec<Fired>,
    since: Instant,
    /// Shows that the note is open.
    token: Arc<()>,
    is_overdue: bool,
}

impl Open {
    /// Looks at all notes only when there are twice as many as were left by the last look.
    fn forget_old(&mut self) {
        if self.by_place.len() >= MANY.max(2 * self.kept) {
            self.by_place.retain(|_, open| {
                open.retain(|note| note.since.elapsed() < LONG);
                !open.is_empty()
            });
            self.kept = self.by_place.len();
        }
    }
}

/// So many rows may be noted before old notes are looked for.
const MANY: usize = 1000;

/// What is open for longer was left by a statement that failed.
const LONG: Duration = Duration::from_secs(60);

impl Notes {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn with<T>(&self, look: impl FnOnce(&mut HashMap<Place, Vec<Note>>) -> T) -> T {
        let mut notes = self.0.lock();
        look(&mut notes.get_or_insert_default().by_place)
    }

    /// Notes the targets; what is returned is gone when the note is closed.
    pub(super) fn open(&self, place: Place, targets: Vec<Fired>) -> Weak<()> {
        let token = Arc::new(());
        let is_open = Arc::downgrade(&token);
        let note = Note {
            targets,
            since: Instant::now(),
            token,
            is_overdue: false,
        };
        let mut notes = self.0.lock();
        let notes = notes.get_or_insert_default();
        notes.forget_old();
        let open = notes.by_place.entry(place).or_default();
        // The writer has gone on: that statement had no hook after it.
        open.retain(|note| !note.is_overdue);
        open.push(note);
        is_open
    }

    /// All that is noted for the row, of whose statements one has ended: a future may run several at
    /// once, and which of them it is cannot be told.
    pub(super) fn close(&self, place: &Place) -> Vec<Fired> {
        self.with(|notes| {
            let Some(open) = notes.get_mut(place) else {
                return Vec::new();
            };
            let targets = open.iter().flat_map(|note| note.targets.clone()).collect();
            open.remove(0);
            if open.is_empty() {
                notes.remove(place);
            }
            targets
        })
    }

    /// The targets of a statement that nobody has closed so far. They stay noted: it may be waiting
    /// for a lock, and change the row only now.
    pub(super) fn overdue(&self, place: &Place, is_open: &Weak<()>) -> Vec<Fired> {
        self.with(|notes| {
            let Some(open) = notes.get_mut(place) else {
                return Vec::new();
            };
            let is_it = |note: &Note| std::ptr::eq(Arc::as_ptr(&note.token), is_open.as_ptr());
            let Some(note) = open.iter_mut().find(|note| is_it(note)) else {
                return Vec::new();
            };
            note.is_overdue = true;
            note.targets.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::history::Because;
    use crate::base::target::{Target, TargetRef};

    fn target(url: &str) -> Vec<Fired> {
        let url = Target::url(url).unwrap();
        vec![Fired::new(TargetRef::from(&url), Because::Unsaid)]
    }

    #[test]
    fn two_statements_for_a_row_both_see_what_was_noted() {
        let notes = Notes::new();
        let place = Place::of::<u8, _>(&1, &[Value::from(1_i64)]);
        assert!(notes.close(&place).is_empty());
        let first = notes.open(place.clone(), target("/a"));
        let second = notes.open(place.clone(), target("/b"));
        assert_eq!(notes.close(&place), [target("/a"), target("/b")].concat());
        assert_eq!((first.strong_count(), second.strong_count()), (0, 1));
        assert_eq!(notes.close(&place), target("/b"));
        assert!(notes.close(&place).is_empty());
        let other = Place::of::<u8, _>(&1, &[Value::from(2_i64)]);
        assert_ne!(place, other);
    }

    #[test]
    fn a_statement_that_is_overdue_is_known_until_its_writer_goes_on() {
        let notes = Notes::new();
        let place = Place::of::<u8, _>(&1, &[Value::from(1_i64)]);
        let first = notes.open(place.clone(), target("/a"));
        assert_eq!(notes.overdue(&place, &first), target("/a"));
        assert_eq!(notes.close(&place), target("/a"));
        let first = notes.open(place.clone(), target("/a"));
        assert_eq!(notes.overdue(&place, &first), target("/a"));
        let second = notes.open(place.clone(), target("/b"));
        assert_eq!((first.strong_count(), second.strong_count()), (0, 1));
        assert!(notes.overdue(&place, &first).is_empty());
        assert_eq!(notes.close(&place), target("/b"));
    }
}
