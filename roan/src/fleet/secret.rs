//! Where the secrets of a connection come from. They are read at each connection, so that they can be changed meanwhile.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::ConfigError;

/// A secret in an environment variable, or in a file that contains nothing else.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    Variable(String),
    File(PathBuf),
    /// What a variable, or another place of this name, had when it was read.
    Given {
        place: String,
        value: String,
    },
}

impl Secret {
    /// Reads it, without the space around it. The error does not show it.
    pub(super) fn read(&self) -> Result<String, ConfigError> {
        let (setting, text) = match self {
            Self::Variable(name) => {
                let text = std::env::var(name).map_err(|error| {
                    let problem = match error {
                        std::env::VarError::NotPresent => "is not set: set this environment variable, or name a file that has the value",
                        std::env::VarError::NotUnicode(_) => "(value not shown) is not Unicode text: write it in UTF-8",
                    };
                    ConfigError::value(name, "", problem)
                })?;
                (name.clone(), text)
            }
            Self::File(path) => (path.display().to_string(), read_file(path)?),
            Self::Given { place, value } => (place.clone(), value.clone()),
        };
        match text.trim() {
            "" => Err(ConfigError::value(
                setting,
                "",
                "is empty: write the value there",
            )),
            text => Ok(text.to_owned()),
        }
    }
}

/// Reads a file that the settings of a connection name.
pub(super) fn read_file(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| {
        let problem = format!("cannot be read: {error}: see that this program may read the file");
        ConfigError::value("file", path.display().to_string(), problem)
    })
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {path:?}"),
            Self::Given { place, .. } => f.write_str(place),
        }
    }
}
