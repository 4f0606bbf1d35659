//! A purge on its way to the nodes.

use std::sync::Arc;
use std::time::Instant;

use super::causes::Causes;
use crate::base::moment::Moment;
use crate::base::origin::Origin;
use crate::base::target::Target;

/// When a target was asked for, and the purges that it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    /// At this cache.
    pub(crate) asked: Instant,
    /// When its write was committed; without a durable outbox, when the hook was called. `None` if it only repeats another
    /// purge, as a rebound does.
    pub(crate) written: Option<Moment>,
    pub(crate) records: &'a [Record],
    /// The spans of the hooks.
    pub(crate) origin: Option<&'a Origin>,
}

impl<'a> Asking<'a> {
    /// At the first cache.
    pub(crate) fn of(asked: Instant, records: &'a [Record]) -> Self {
        Self {
            asked,
            written: Some(asked.into()),
            records,
            origin: None,
        }
    }

    /// For what was written at that time.
    pub(crate) fn written(self, written: Option<Moment>) -> Self {
        Self { written, ..self }
    }

    pub(crate) fn with_origin(self, origin: Option<&'a Origin>) -> Self {
        Self { origin, ..self }
    }
}

/// A purge of one target on its way to the nodes. A million of them may wait, so it is small: the history in memory has the
/// rest, and purges in a row with one cause share it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Its number in the history in memory. 0 for the purge of a row, which has its answers.
    pub(crate) id: i64,
    pub(crate) causes: Arc<Causes>,
}

impl Record {
    /// For a row of the outbox.
    #[cfg(feature = "_sql")]
    pub(crate) fn of_row(causes: Causes) -> Self {
        Self {
            id: 0,
            causes: Arc::new(causes),
        }
    }

    /// Whether both are of one purge.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.id == other.id && (self.id != 0 || Arc::ptr_eq(&self.causes, &other.causes))
    }
}

/// A purge that is not in the outbox, on its way to be marked there.
#[derive(Debug, Clone)]
pub(crate) struct Unmarked {
    pub(crate) target: Target,
    pub(crate) asked: Instant,
    pub(crate) record: Option<Record>,
}
