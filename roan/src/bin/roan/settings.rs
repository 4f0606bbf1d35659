//! The caches and sites: from the environment, the command line or a file.

use std::ffi::OsString;
use std::path::Path;

use roan::RoanBuilder;
use roan::config::Config;

use crate::args::CacheArgs;
use crate::config_file::ConfigFile;
use crate::exit::Failure;
use crate::output::note;

const CACHE: &str = "ROAN_CACHE";
const SITE: &str = "ROAN_SITE";

/// A kind of cache that only its own program can purge.
const EMBEDDED: &str = "embedded";

/// The variables of the app's durable outbox. The command sends its purges itself.
const OF_THE_OUTBOX: [&str; 2] = ["ROAN_OUTBOX", "ROAN_OUTBOX_PREFIX"];

/// Whether `roan agent` reads a variable. Its caches are not the fleet.
fn is_of_the_agent(name: &str) -> bool {
    name.starts_with("ROAN_FLEET") || name == "ROAN_NODE" || name == "ROAN_EMPTY_WITH"
}

/// Who reads the caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// A command that sends purges as the app does.
    App,
    #[cfg_attr(not(feature = "agent"), allow(dead_code, reason = "there is none"))]
    Agent,
}

impl Reader {
    /// Whether it is said elsewhere what the variable says.
    fn leaves_out(self, name: &str) -> bool {
        OF_THE_OUTBOX.contains(&name) || self == Self::Agent && is_of_the_agent(name)
    }
}

impl CacheArgs {
    pub(crate) fn builder(&self) -> Result<RoanBuilder, Failure> {
        self.builder_for(Reader::App)
    }

    /// The caches of an agent.
    #[cfg(feature = "agent")]
    pub(crate) fn builder_of_agent(&self) -> Result<RoanBuilder, Failure> {
        self.builder_for(Reader::Agent)
    }

    fn builder_for(&self, reader: Reader) -> Result<RoanBuilder, Failure> {
        let builder = match &self.config {
            Some(file) => read(file, reader)?.builder()?,
            None => {
                let is_left_out =
                    |name: &OsString| name.to_str().is_some_and(|name| reader.leaves_out(name));
                let mut variables: Vec<(OsString, OsString)> = std::env::vars_os()
                    .filter(|(name, _)| !is_left_out(name))
                    .collect();
                if std::env::var_os(CACHE).is_some_and(|cache| cache == EMBEDDED) {
                    return Err(Failure::bad_input(format!("{CACHE}: {}", out_of_reach())));
                }
                let mut set = |name: &str, value: String| {
                    variables.retain(|(other, _)| other != name);
                    variables.push((name.into(), value.into()));
                };
                if !self.purge_url.is_empty() {
                    set("ROAN_PURGE_URL", self.purge_url.join(","));
                }
                if let Some(site) = &self.site {
                    set(SITE, site.clone());
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
            message = message.replace(SITE, "--site");
        }
        Failure::bad_input(message)
    }
}

/// The settings of the agent in a file: its table `[agent]`.
#[cfg(feature = "agent")]
pub(crate) fn agent_table(path: &Path) -> Result<roan::agent::AgentConfig, Failure> {
    let mut file = ConfigFile::read(path)?;
    match file.table.remove("agent") {
        None => Ok(roan::agent::AgentConfig::default()),
        Some(toml::Value::Table(agent)) => file.parsed(agent, "[agent]: "),
        Some(_) => {
            Err(file.wrong("`agent` is not a table: write `[agent]`, and its settings below it"))
        }
    }
}

/// Reads a configuration file.
fn read(path: &Path, reader: Reader) -> Result<Config, Failure> {
    let file = ConfigFile::read(path)?;
    let mut table = file.table.clone();
    table.remove("outbox");
    table.remove("agent");
    let caches = table.get("caches").and_then(toml::Value::as_array);
    let mut kinds = caches.into_iter().flatten().map(|cache| cache.get("kind"));
    if kinds.any(|kind| kind.and_then(toml::Value::as_str) == Some(EMBEDDED)) {
        return Err(file.wrong(&out_of_reach()));
    }
    warn_of_unread(path, &file.text, reader);
    file.parsed(table, "")
}

/// The embedded cache of the app, which this process would take for one of its own, and find it empty.
fn out_of_reach() -> String {
    format!(
        "the cache `{EMBEDDED}` is in the program that serves the pages, and only that program can purge it: call \
         `roan::Roan::purge` there"
    )
}

/// The file is read in place of the environment, which may say something else.
fn warn_of_unread(file: &Path, text: &str, reader: Reader) {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    // A file may name the variable of a token.
    let unread = names.filter(|name| name.starts_with("ROAN_") && !text.contains(name.as_str()));
    let mut unread: Vec<_> = unread.filter(|name| !reader.leaves_out(name)).collect();
    unread.sort_unstable();
    if unread.is_empty() {
        return;
    }
    let site = match unread.iter().any(|name| name == SITE) {
        true => "; for another site write `--site`",
        false => "",
    };
    note(format_args!(
        "roan: --config {} is read in place of the environment, so {} {} no effect{site}",
        file.display(),
        unread.join(", "),
        if unread.len() == 1 { "has" } else { "have" }
    ));
}
