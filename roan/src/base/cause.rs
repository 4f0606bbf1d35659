//! The error under an error.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why something failed, as another library or the system says it: the `source` of Roan's own errors. Its own `source`
/// is that error itself, to be looked at by `downcast_ref`. Two causes are equal when they say the same.
#[derive(Clone)]
pub struct Cause {
    text: String,
    error: Arc<dyn Error + Send + Sync>,
}

impl Cause {
    pub(crate) fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        Self::described(error.to_string(), error)
    }

    /// With other words than the error's own.
    pub(crate) fn described(text: String, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            text,
            error: Arc::from(error.into()),
        }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cause({:?})", self.text)
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cause {}
