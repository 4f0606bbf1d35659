//! The command line of `roan fleet`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Subcommand};

use crate::exit::TABLE;

/// Looks after a fleet: how its nodes are, which of them have a purge, and which are away for good.
///
/// It asks the NATS servers, whether the app and the agents run or not. The servers come from `ROAN_FLEET` and the variables
/// beside it, as an app with Roan reads them, from --nats or from --config.
#[derive(Debug, Group)]
#[command(after_help = TABLE)]
pub(crate) struct FleetArgs {
    #[command(flatten)]
    pub(crate) servers: ServerArgs,
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// Which fleet.
#[derive(Debug, Group)]
pub(crate) struct ServerArgs {
    /// The NATS servers, such as <nats://10.0.0.5:4222>, with commas between them. In place of `ROAN_FLEET`.
    #[arg(long, value_name = "URL", global = true, conflicts_with = "config")]
    pub(crate) nats: Option<String>,
    /// Read the servers from this TOML file: its cache of the kind `fleet`, or its table `[agent]`.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Says how each node is. The exit code is 1 if one is gone, unclean, or behind by more than --max-lag.
    Status(StatusArgs),
    /// Waits until every live node has a purge.
    ///
    /// The exit code is 1 if it takes longer than --timeout, and 4 if all live nodes have it, but one lacks it that is gone.
    Wait(WaitArgs),
    /// Forgets a node that is away for good: deletes its consumer and its heartbeat.
    ///
    /// If its agent comes back, the node is a new one: its cache is emptied.
    Drop(DropArgs),
}

#[derive(Debug, Group)]
pub(crate) struct StatusArgs {
    /// How long a message may wait for a node.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) max_lag: Duration,
}

#[derive(Debug, Group)]
pub(crate) struct WaitArgs {
    /// The sequence of a message in the stream. By default that of the last message at this moment.
    #[arg(value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sequence: Option<u64>,
    /// How long to wait.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Group)]
pub(crate) struct DropArgs {
    /// The name of the node, as `roan fleet status` prints it.
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// Do it without a question.
    #[arg(long)]
    pub(crate) yes: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "write a number and its unit, such as `30s` or `2m`".to_owned())
}
