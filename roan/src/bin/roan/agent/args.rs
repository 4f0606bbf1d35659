//! The arguments of `roan agent`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args as Group;

use crate::args::{CacheArgs, duration};

/// Purges the cache beside it of what comes through the stream of a fleet.
///
/// The caches come from the environment (`ROAN_PURGE_URL` and so on), from --purge-url or from --config, as in an app. The servers
/// and the node come from `ROAN_FLEET` and `ROAN_NODE`, from the flags, or from the table `[agent]` of the file. It runs until
/// Ctrl-C or SIGTERM, hands back what is not answered, and ends with code 0.
///
/// If it cannot know that the cache is clean, it empties it first: by a purge of everything where the cache can do that, or by
/// --empty-with. Without both it waits for `roan agent --emptied`.
#[derive(Debug, Group)]
#[command(after_help = crate::exit::TABLE)]
pub(crate) struct AgentArgs {
    #[command(flatten)]
    pub(crate) caches: CacheArgs,
    /// The NATS servers, such as <nats://nats-1:4222,nats://nats-2:4222>. In place of `ROAN_FLEET`.
    #[arg(long, value_name = "URLS")]
    pub(crate) nats: Option<String>,
    /// Connect with this credentials file. In place of `ROAN_FLEET_CREDENTIALS`.
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials: Option<String>,
    /// The name of the node, which no other agent has. In place of `ROAN_NODE`; by default the name of this host.
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// The name of the stream. Default: ROAN.
    #[arg(long, value_name = "NAME")]
    pub(crate) stream: Option<String>,
    /// The sites that the node serves, by their names; `-` is the default site. Default: all.
    #[arg(long = "serves", value_name = "NAME")]
    pub(crate) serves: Vec<String>,
    /// The command that empties the cache, for `sh -c`.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) empty_with: Option<String>,
    /// The address of the health endpoint: GET / answers 200 or 503. Default: 127.0.0.1:9112; `off` for none.
    #[arg(long, value_name = "ADDRESS", value_parser = listen)]
    pub(crate) listen: Option<Listen>,
    /// How far the agent may be behind while the endpoint says that it is ready. Default: 30s.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) ready_lag: Option<Duration>,
    /// Say where the agent stands, and end: with code 0 if the cache is up to date, and 1 if not.
    #[arg(long, conflicts_with = "emptied")]
    pub(crate) check: bool,
    /// Say to the agent that you have emptied the cache, and end.
    #[arg(long)]
    pub(crate) emptied: bool,
}

/// Where the health endpoint listens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listen {
    Off,
    #[cfg_attr(
        not(feature = "agent"),
        expect(dead_code, reason = "the agent reads it")
    )]
    At(SocketAddr),
}

fn listen(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen::Off);
    }
    let address = text.parse().map(Listen::At);
    address
        .map_err(|_| "write an address and a port, such as `127.0.0.1:9112`, or `off`".to_owned())
}
