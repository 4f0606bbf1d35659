//! The command line of `roan outbox`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args as Group, Subcommand};

use crate::args::given;
use crate::exit::TABLE;

/// Looks after the durable outbox of an app: what waits, what is dead, and which nodes are paused.
///
/// It reads and writes the tables in the app's database, whether the app runs or not. The database comes from `ROAN_OUTBOX`
/// and `ROAN_OUTBOX_PREFIX`, as an app with Roan reads them, from --database or from --config.
#[derive(Debug, Group)]
#[command(after_help = TABLE)]
pub(crate) struct OutboxArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// Which outbox.
#[derive(Debug, Group)]
pub(crate) struct DatabaseArgs {
    /// The app's database, such as <postgres://app@localhost/blog>. In place of `ROAN_OUTBOX`, which hides a password
    /// better from others on this machine.
    #[arg(long, value_name = "URL", global = true, value_parser = given)]
    pub(crate) database: Option<String>,
    /// The prefix of the table names. In place of `ROAN_OUTBOX_PREFIX`.
    #[arg(long, value_name = "PREFIX", global = true, value_parser = given)]
    pub(crate) prefix: Option<String>,
    /// Read the outbox from this TOML file: its table `[outbox]`, or `[roan.outbox]`.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Says what waits, what is dead, and how each node is.
    Status,
    /// Lists purges that wait: for a node that did not answer, or for a relay.
    ///
    /// What waits for a node gets another id with each attempt: list it again before you name ids of it.
    List(ListArgs),
    /// Lists dead purges: they were refused, or failed for too long.
    Dead(DeadArgs),
    /// Sends dead purges again.
    Retry(PickArgs),
    /// Deletes dead purges.
    Drop(PickArgs),
    /// Sends the purges since a time again, to every node: for one that was restored from an old disk.
    Replay(ReplayArgs),
    /// Purges nothing at a node until it is resumed: for its maintenance.
    ///
    /// It is for all programs that use the outbox, and outlives them. Purges wait meanwhile. They do not fail, and do not
    /// become dead, however long it takes.
    Pause(NodeArgs),
    /// Ends the pause of a node: programs send what waits.
    Resume(NodeArgs),
}

/// Which purges. All that is given must hold.
#[derive(Debug, Clone, Group)]
pub(crate) struct FilterArgs {
    /// The purges with these ids, which the lists have.
    #[arg(value_name = "ID", allow_negative_numbers = true)]
    pub(crate) ids: Vec<i64>,
    /// Only at the nodes of this cache.
    #[arg(long, value_name = "NAME", value_parser = given)]
    pub(crate) cache: Option<String>,
    /// Only at the node of this name, without the name of its cache.
    #[arg(long, value_name = "NAME", value_parser = given)]
    pub(crate) node: Option<String>,
    /// Only those whose URL, tag or other target contains this text.
    #[arg(long, value_name = "TEXT", value_parser = given)]
    pub(crate) target: Option<String>,
    /// Only those whose last error contains this text.
    #[arg(long, value_name = "TEXT", value_parser = given)]
    pub(crate) error: Option<String>,
    /// Only those whose write is longer ago, such as 2h.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) older_than: Option<Duration>,
    /// Only those whose write is not as long ago, such as 15m.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) newer_than: Option<Duration>,
}

#[derive(Debug, Group)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// The most purges to list.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: u32,
    /// Only those after the one with this id: the next page of a list. What waits gets another id with each attempt, so it may
    /// be in the next page again.
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub(crate) after: Option<i64>,
    /// List the newest first.
    #[arg(long)]
    pub(crate) newest: bool,
}

#[derive(Debug, Group)]
pub(crate) struct DeadArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Only count them.
    #[arg(long)]
    pub(crate) count: bool,
}

#[derive(Debug, Group)]
#[group(id = "which", required = true, multiple = true, args = ["ids", "cache", "node", "target", "error", "older_than", "newer_than", "all"])]
pub(crate) struct PickArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// All dead purges. Needs --yes.
    #[arg(long)]
    pub(crate) all: bool,
    /// Do it for all without a question.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Say how many it would be, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Group)]
pub(crate) struct ReplayArgs {
    /// Since when: a time such as 2026-11-26T08:00:00Z, or a duration such as 2h.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: SystemTime,
    /// Say how many it would be, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Group)]
pub(crate) struct NodeArgs {
    /// The names of the cache and the node as `roan outbox status` prints them, or only that of the node.
    #[arg(value_name = "NODE", required = true, num_args = 1.., value_parser = given)]
    pub(crate) node: Vec<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "write a number and its unit, such as `2h` or `15m`".to_owned())
}

/// A time, or a duration before now.
pub(crate) fn time(text: &str) -> Result<SystemTime, String> {
    let now = SystemTime::now();
    if let Ok(ago) = humantime::parse_duration(text) {
        let time = now.checked_sub(ago);
        return time.ok_or_else(|| "is longer ago than the clock of this machine goes".to_owned());
    }
    let unreadable =
        || "write a time such as `2026-11-26T08:00:00Z`, or a duration such as `2h`".to_owned();
    let parsed: toml::value::Datetime = text.parse().map_err(|_| unreadable())?;
    let toml::value::Datetime {
        date: Some(date),
        time: Some(time),
        offset,
    } = parsed
    else {
        return Err(unreadable());
    };
    let minutes = match offset {
        Some(toml::value::Offset::Z) => 0,
        Some(toml::value::Offset::Custom { minutes }) => i64::from(minutes),
        None => {
            return Err("has no time zone: end it with `Z` or, for example, `+02:00`".to_owned());
        }
    };
    let local = humantime::parse_rfc3339(&format!("{date}T{time}Z")).map_err(|_| unreadable())?;
    let shift = Duration::from_secs(minutes.unsigned_abs() * 60);
    let time = if minutes < 0 {
        local.checked_add(shift)
    } else {
        local.checked_sub(shift)
    };
    match time {
        Some(time) if time <= now => Ok(time),
        Some(_) => Err("is in the future".to_owned()),
        None => Err(unreadable()),
    }
}
