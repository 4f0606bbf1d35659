//! Texts that must not be shown, and that may change while the program runs.

use std::path::Path;
use std::sync::Arc;

use crate::base::lock::Mutex;
use crate::error::ConfigError;

/// One secret, or several that belong together. It does not implement anything that shows it.
pub(in crate::purger) type Texts = Arc<[String]>;

type Read = Arc<dyn Fn() -> Result<Texts, ConfigError> + Send + Sync>;

/// The secret that requests are sent with.
pub(in crate::purger) struct Secret {
    read: Read,
    current: Mutex<Texts>,
}

impl Secret {
    /// Reads it for the first time.
    pub(in crate::purger) fn new(
        read: impl Fn() -> Result<Texts, ConfigError> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let current = Mutex::new(read()?);
        let read = Arc::new(read);
        Ok(Self { read, current })
    }

    pub(super) fn current(&self) -> Texts {
        Arc::clone(&self.current.lock())
    }

    /// The API has refused `used`: returns another secret, if there is one by now.
    pub(super) async fn newer_than(&self, used: &Texts) -> Option<Texts> {
        let current = self.current();
        if current != *used {
            return Some(current);
        }
        let read = Arc::clone(&self.read);
        // Not on the dispatcher's thread: the file may be on a network.
        let read = tokio::task::spawn_blocking(move || read()).await;
        let newer = read.ok()?.ok().filter(|newer| newer != used)?;
        let mut current = self.current.lock();
        *current = Arc::clone(&newer);
        Some(newer)
    }
}

pub(in crate::purger) fn read_variable(name: &str) -> Result<String, ConfigError> {
    std::env::var(name).map_err(|error| {
        let problem = match error {
            std::env::VarError::NotPresent => {
                "is not set: set this environment variable, or name a file that has the value"
            }
            std::env::VarError::NotUnicode(_) => {
                "(value not shown) is not Unicode text: write it in UTF-8"
            }
        };
        ConfigError::value(name, "", problem)
    })
}

pub(in crate::purger) fn read_file(setting: &str, path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| {
        let problem = format!("cannot be read: {error}");
        ConfigError::value(setting, path.display().to_string(), problem)
    })
}
