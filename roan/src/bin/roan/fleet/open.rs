//! Which fleet, and how its errors end the command.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use roan::RoanBuilder;
use roan::config::Config;
use roan::fleet::{FleetAdmin, FleetError, FleetStatus, Nats, Stream};
use roan::purger::Cache;
use tokio::time::{Instant, sleep};

use super::args::{Action, FleetArgs, ServerArgs};
use super::{drop, status, wait};
use crate::config_file::ConfigFile;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Between two looks while nobody answers.
const AGAIN: Duration = Duration::from_millis(250);

pub(crate) fn run(args: &FleetArgs, output: &Output) -> Result<Exit, Failure> {
    let (nats, stream) = args.servers.place()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let admin = FleetAdmin::connect(&nats, &stream).await.map_err(failure)?;
        match &args.action {
            Action::Status(args) => status::print(&admin, args, output).await,
            Action::Wait(args) => wait::wait(&admin, args, output).await,
            Action::Drop(args) => drop::drop_node(&admin, args, output).await,
        }
    })
}

/// How the nodes are. While nobody answers, as in an election, it looks again until then, or until it is to stop.
pub(super) async fn status(
    admin: &FleetAdmin,
    end: Instant,
    stops: impl Fn() -> bool,
) -> Result<FleetStatus, Failure> {
    loop {
        match admin.status().await {
            Err(FleetError::Unanswered { .. }) if Instant::now() < end && !stops() => {
                sleep(AGAIN).await;
            }
            found => return found.map_err(failure),
        }
    }
}

/// How the command ends after an error of the servers.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn failure(error: FleetError) -> Failure {
    let exit = match &error {
        FleetError::Connect { .. } => Exit::Unreachable,
        FleetError::JetStream { .. } | FleetError::Unanswered { .. } => Exit::Failed,
        _ => Exit::BadInput,
    };
    Failure::new(exit, error.to_string())
}

/// The variables of the app's fleet begin so. The first of them is this one.
const URL: &str = "ROAN_FLEET";

/// The settings of an agent that say how to reach the servers, and what is known of the stream.
const OF_AN_AGENT: [&str; 15] = [
    "nats",
    "stream",
    "replicas",
    "max_age",
    "synced",
    "credentials_file",
    "nkey_file",
    "token_file",
    "token_env",
    "user",
    "password_file",
    "password_env",
    "root_certificates",
    "client_certificate",
    "client_key",
];

impl ServerArgs {
    /// The servers and the stream.
    fn place(&self) -> Result<(Nats, Stream), Failure> {
        let builder = match &self.config {
            Some(file) => read(file)?.builder()?,
            None => {
                let is_ours = |name: &OsString| name.to_string_lossy().starts_with(URL);
                let variables = std::env::vars_os().filter(|(name, _)| is_ours(name));
                let mut variables: Vec<_> = variables.collect();
                if let Some(url) = &self.nats {
                    variables.retain(|(name, _)| name != URL);
                    variables.push((URL.into(), url.into()));
                }
                if variables.iter().all(|(name, _)| name != URL) {
                    return Err(Failure::bad_input(format!(
                        "no fleet is named: set {URL} to its NATS servers, as in `{URL}=nats://10.0.0.5:4222 roan fleet \
                         status`, or give --nats or --config"
                    )));
                }
                RoanBuilder::from_variables(variables)?
            }
        };
        let fleet = builder.caches().iter().find_map(Cache::fleet);
        let (nats, stream) = fleet.ok_or_else(|| Failure::bad_input(format!("{URL} is empty")))?;
        Ok((nats.clone(), stream.clone()))
    }
}

/// The fleet of a configuration file: that of an agent, or the cache of an app.
fn read(path: &Path) -> Result<Config, Failure> {
    let file = ConfigFile::read(path)?;
    let mut table = file.table.clone();
    let fleet = match table.remove("agent") {
        Some(toml::Value::Table(mut agent)) => {
            agent.retain(|name, _| OF_AN_AGENT.contains(&name));
            agent.insert("kind".to_owned(), "fleet".into());
            Some(toml::Value::Table(agent))
        }
        _ => {
            let caches = table.remove("caches");
            let caches = caches.and_then(|caches| caches.try_into::<Vec<toml::Value>>().ok());
            let is_fleet = |cache: &toml::Value| {
                cache.get("kind").and_then(toml::Value::as_str) == Some("fleet")
            };
            caches.into_iter().flatten().find(is_fleet)
        }
    };
    let Some(fleet) = fleet else {
        return Err(file.wrong(
            "has neither a cache of the kind `fleet` nor a table `[agent]`: give --nats, or the file of the app or of an agent",
        ));
    };
    let caches = toml::Table::from_iter([("caches".to_owned(), vec![fleet].into())]);
    file.parsed(caches, "")
}
