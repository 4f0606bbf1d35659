//! The settings of a durable outbox as data.

use std::fmt;

use crate::dispatcher::duration;
use crate::error::ConfigError;
use crate::outbox::{Outbox, OutboxError};

/// The settings of an [`Outbox`]. Each has the meaning and the default of the method of the same name.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[cfg_attr(
    docsrs,
    doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql")))
)]
#[non_exhaustive]
pub struct OutboxConfig {
    /// The URL of the database, as for [`Outbox::at`]. Required.
    pub url: String,
    /// The prefix of the table names.
    pub prefix: Option<String>,
    /// How often the relay looks for rows of other programs: a duration with a unit.
    pub poll: Option<String>,
    /// How long a silent relay keeps its rows: a duration with a unit.
    pub lease: Option<String>,
    /// How long purges that are done are kept: a duration with a unit.
    pub retention: Option<String>,
    /// The number of failed attempts after which a purge is dead.
    pub max_attempts: Option<u32>,
    /// Whether each write sends a `NOTIFY` (PostgreSQL).
    pub notify: bool,
}

impl fmt::Debug for OutboxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxConfig")
            .field("url", &crate::base::redact::redacted(&self.url))
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl OutboxConfig {
    /// `named` returns the name by which the user knows a field.
    pub(super) fn outbox(&self, named: &dyn Fn(&str) -> String) -> Result<Outbox, ConfigError> {
        let mut outbox = Outbox::at(&self.url).map_err(|error| match error {
            OutboxError::Url { url, problem } => ConfigError::value(named("outbox"), url, problem),
            other => other.into(),
        })?;
        if let Some(prefix) = &self.prefix {
            outbox = outbox.prefix(prefix);
        }
        let time = |field, text: &str| duration(&named(field), text, "1s");
        if let Some(text) = &self.poll {
            outbox = outbox.poll(time("poll", text)?);
        }
        if let Some(text) = &self.lease {
            outbox = outbox.lease(time("lease", text)?);
        }
        if let Some(text) = &self.retention {
            outbox = outbox.retention(time("retention", text)?);
        }
        if let Some(attempts) = self.max_attempts {
            outbox = outbox.max_attempts(attempts);
        }
        if self.notify {
            outbox = outbox.notify();
        }
        Ok(outbox)
    }
}
