//! The caches and sites: from the environment, the command line or a file.

use std::ffi::OsString;
use std::path::Path;

use roan::RoanBuilder;
use roan::config::Config;

use crate::args::CacheArgs;
use crate::exit::Failure;

/// The variables of the app's durable outbox. The command sends its purges itself.
const OF_THE_OUTBOX: [&str; 2] = ["ROAN_OUTBOX", "ROAN_OUTBOX_PREFIX"];

impl CacheArgs {
    pub(crate) fn builder(&self) -> Result<RoanBuilder, Failure> {
        let builder = match &self.config {
            Some(file) => read(file)?.builder()?,
            None => {
                let mut variables: Vec<(OsString, OsString)> = std::env::vars_os()
                    .filter(|(name, _)| OF_THE_OUTBOX.iter().all(|outbox| name != outbox))
                    .collect();
                let mut set = |name: &str, value: String| {
                    variables.retain(|(other, _)| other != name);
                    variables.push((name.into(), value.into()));
                };
                if !self.purge_url.is_empty() {
                    set("ROAN_PURGE_URL", self.purge_url.join(","));
                }
                if let Some(site) = &self.site {
                    set("ROAN_SITE", site.clone());
                }
                RoanBuilder::from_variables(variables).map_err(|error| self.named(&error))?
            }
        };
        Ok(match (&self.config, &self.site) {
            (Some(_), Some(site)) => builder.site(site),
            _ => builder,
        })
    }

    /// The error with the names that the user has typed.
    fn named(&self, error: &roan::ConfigError) -> Failure {
        let mut message = error.to_string();
        if !self.purge_url.is_empty() {
            message = message.replace("ROAN_PURGE_URL", "--purge-url");
        }
        if self.site.is_some() {
            message = message.replace("ROAN_SITE", "--site");
        }
        Failure::bad_input(message)
    }
}

/// Reads a configuration file.
fn read(file: &Path) -> Result<Config, Failure> {
    let about = |problem: String| Failure::bad_input(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| about(error.to_string()))?;
    let mut table: toml::Table = toml::from_str(&text).map_err(|error| about(error.to_string()))?;
    if let Some(toml::Value::Table(own)) = table.remove("roan") {
        table = own;
    }
    table.remove("outbox");
    table
        .try_into()
        .map_err(|error: toml::de::Error| about(error.to_string()))
}
