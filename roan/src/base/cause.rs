//! The error under an error.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The error of another library or of the system, as the `source` of Roan's own errors. Its own `source` is that error
/// itself, for `downcast_ref`. Two causes are equal if their texts are equal.
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

    /// A cause with another text than that of the error.
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::error::ConfigError;

    #[test]
    fn the_error_itself_is_found_below_ours() {
        let error = ConfigError::Start(Cause::new(io::Error::other("no thread")));
        assert_eq!(error.to_string(), "cannot start the dispatcher: no thread");
        assert_eq!(error, error.clone());
        let cause = error.source().and_then(Error::source);
        assert!(
            cause.is_some_and(|cause| cause.is::<io::Error>()),
            "{cause:?}"
        );
    }
}
