//! The error of a question about the known pages.

use crate::base::cause::Cause;

/// The database of the outbox could not be asked which pages carry which tags. Without an outbox it does not happen.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot read the index of pages: {0}")]
pub struct IndexError(#[source] Cause);

#[cfg(feature = "_sql")]
impl IndexError {
    pub(super) fn of(error: crate::outbox::OutboxError) -> Self {
        Self(Cause::new(error))
    }
}
