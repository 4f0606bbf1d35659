//! What happens to a row.

use std::fmt;

/// What happened to one row of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The row was created.
    Create,
    /// The row existed before and has changed.
    Update,
    /// The row was deleted.
    Delete,
}

impl Event {
    const fn bit(self) -> u8 {
        match self {
            Self::Create => 1,
            Self::Update => 2,
            Self::Delete => 4,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}

/// A set of [`Event`]s: those on which a rule fires.
///
/// ```
/// use roan::{Event, Events};
///
/// let events = Events::SAVE | Events::DELETE;
/// assert!(events.contains(Event::Update));
/// assert_eq!(events.to_string(), "save, delete");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Events(u8);

impl Events {
    /// No event.
    pub const NONE: Self = Self(0);
    /// [`Event::Create`] alone.
    pub const CREATE: Self = Self(Event::Create.bit());
    /// [`Event::Update`] alone.
    pub const UPDATE: Self = Self(Event::Update.bit());
    /// [`Event::Delete`] alone.
    pub const DELETE: Self = Self(Event::Delete.bit());
    /// [`Event::Create`] and [`Event::Update`].
    pub const SAVE: Self = Self::CREATE.union(Self::UPDATE);

    /// The events of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Reads what [`Display`](fmt::Display) writes.
    #[cfg(feature = "_sql")]
    pub(crate) fn read(text: &str) -> Option<Self> {
        text.split(", ").try_fold(Self::NONE, |events, name| {
            let event = match name {
                "create" => Self::CREATE,
                "update" => Self::UPDATE,
                "save" => Self::SAVE,
                "delete" => Self::DELETE,
                _ => return None,
            };
            Some(events.union(event))
        })
    }

    /// Whether `event` is in the set.
    #[must_use]
    pub const fn contains(self, event: Event) -> bool {
        self.0 & event.bit() != 0
    }

    /// Whether `other` is a part of the set.
    #[cfg(feature = "web")]
    pub(crate) const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the two sets share an event.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl std::ops::BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl From<Event> for Events {
    fn from(event: Event) -> Self {
        Self(event.bit())
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let save = self.0 & Self::SAVE.0 == Self::SAVE.0;
        let names = [
            (save, "save"),
            (!save && self.contains(Event::Create), "create"),
            (!save && self.contains(Event::Update), "update"),
            (self.contains(Event::Delete), "delete"),
        ];
        let mut first = true;
        for (_, name) in names.iter().filter(|(listed, _)| *listed) {
            if !std::mem::take(&mut first) {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_shows_the_words_of_the_attribute() {
        assert_eq!(Events::SAVE.to_string(), "save");
        assert_eq!(
            Events::CREATE.union(Events::DELETE).to_string(),
            "create, delete"
        );
        assert_eq!(Events::UPDATE.to_string(), "update");
        assert_eq!(Events::NONE.to_string(), "");
    }

    #[test]
    fn sets_intersect_by_their_events() {
        assert!(Events::SAVE.intersects(Events::UPDATE));
        assert!(!Events::SAVE.intersects(Events::DELETE));
        assert!(!Events::from(Event::Create).contains(Event::Update));
    }
}
