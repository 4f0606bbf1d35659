//! The settings of an [`NginxFiles`] as data.

use super::NginxFiles;
use crate::error::ConfigError;

/// The settings of an [`NginxFiles`]. `folder` is required.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[cfg_attr(docsrs, doc(cfg(feature = "nginx-files")))]
#[non_exhaustive]
pub struct NginxFilesConfig {
    /// The folder of nginx's `proxy_cache_path`.
    pub folder: String,
    /// Its name in reports.
    pub name: Option<String>,
    /// The key of a page, as for [`NginxFiles::key`].
    pub key: Option<String>,
    /// The levels, as for [`NginxFiles::levels`].
    pub levels: Option<String>,
}

impl NginxFilesConfig {
    /// Returns the cache with these settings. `named` returns the name by which the user knows a field.
    pub(crate) fn files(&self, named: &dyn Fn(&str) -> String) -> Result<NginxFiles, ConfigError> {
        let known_as = |field: &'static str| move |error: ConfigError| error.about(&named(field));
        let mut files = NginxFiles::at(&self.folder).map_err(known_as("folder"))?;
        if let Some(name) = &self.name {
            files = files.name(name);
        }
        if let Some(key) = &self.key {
            files = files.key(key).map_err(known_as("key"))?;
        }
        if let Some(levels) = &self.levels {
            files = files.levels(levels).map_err(known_as("levels"))?;
        }
        Ok(files)
    }
}
