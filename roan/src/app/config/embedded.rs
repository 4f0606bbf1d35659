//! The settings of an embedded cache as data.

use crate::dispatcher::duration;
use crate::error::ConfigError;
use crate::purger::embedded::Embedded;

/// The settings of an [`Embedded`] cache. The program wraps its app in the layer of [`Roan::embedded`](crate::Roan::embedded).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[cfg_attr(docsrs, doc(cfg(feature = "embedded")))]
#[non_exhaustive]
pub struct EmbeddedConfig {
    /// Its name in reports.
    pub name: Option<String>,
    /// The approximate memory for pages, in bytes.
    pub capacity: Option<u64>,
    /// The longest body that is stored, in bytes.
    pub max_body_size: Option<usize>,
    /// How long pages without caching headers are kept: a duration with a unit.
    pub default_ttl: Option<String>,
}

impl EmbeddedConfig {
    /// `named` returns the name by which the user knows a field.
    pub(super) fn embedded(&self, named: &dyn Fn(&str) -> String) -> Result<Embedded, ConfigError> {
        let mut builder = Embedded::builder();
        if let Some(name) = &self.name {
            builder = builder.name(name);
        }
        if let Some(bytes) = self.capacity {
            builder = builder.capacity(bytes);
        }
        if let Some(bytes) = self.max_body_size {
            builder = builder.max_body_size(bytes);
        }
        if let Some(text) = &self.default_ttl {
            builder = builder.default_ttl(duration(&named("default_ttl"), text, "1h")?);
        }
        Ok(builder.build())
    }
}
