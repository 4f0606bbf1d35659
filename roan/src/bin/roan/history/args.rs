//! The command lines of `roan why` and `roan watch`.

use std::time::{Duration, SystemTime};

use clap::Args as Group;
use roan::history::AnswerKind;

use crate::args::given;
use crate::exit::TABLE;
use crate::outbox::{DatabaseArgs, time};

/// Says which purges of a page there were: when, by which rule, on which write, and how each node answered.
///
/// It reads the outbox in the app's database, whether the app runs or not. The database comes from `ROAN_OUTBOX` and
/// `ROAN_OUTBOX_PREFIX`, as an app with Roan reads them, from --database or from --config. Purges of prefixes, hosts and
/// everything that include the page are found, too, and those of its tags, as far as the web layer has recorded them. The answers
/// of a row are written down together: when all its nodes have answered or failed once, and the rebound is over.
#[derive(Debug, Group)]
#[command(after_help = TABLE)]
#[group(id = "page", required = true, multiple = false, args = ["url", "tag", "below"])]
pub(crate) struct WhyArgs {
    /// A page: a URL such as <https://www.example.org/posts>, or a path. Its purges are found under any spelling of it, at any
    /// site unless --site is given.
    #[arg(value_name = "URL", value_parser = given)]
    pub(crate) url: Option<String>,
    /// The pages with this tag.
    #[arg(long, value_name = "TAG", value_parser = given)]
    pub(crate) tag: Option<String>,
    /// The pages below this path, such as /docs/v1/, with the prefixes, hosts and everything that include it.
    #[arg(long, value_name = "PATH", value_parser = given)]
    pub(crate) below: Option<String>,
    /// Only at the named site, as rules name it (`site = "shop"`).
    #[arg(long, value_name = "NAME", value_parser = given)]
    pub(crate) site: Option<String>,
    #[command(flatten)]
    pub(crate) of: OfArgs,
    /// Only since then: a time such as 2026-11-26T08:00:00Z, or a duration such as 2h.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<SystemTime>,
    /// The most purges to print, the newest first.
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: u32,
    /// Only those before the row with this id: the next page of the list.
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<i64>,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// Which answers.
#[derive(Debug, Group)]
pub(crate) struct OfArgs {
    /// Only purges that this node has answered, or is to answer: its name, or the name of its cache.
    #[arg(long, value_name = "NAME", value_parser = given)]
    pub(crate) node: Option<String>,
    /// Only purges with such an answer: waiting, purged, not-cached, refused, failed or dead.
    #[arg(long, value_name = "RESULT", value_parser = result)]
    pub(crate) result: Option<AnswerKind>,
}

/// Prints purges as they happen: when a write's purges were answered, and when a node that was late has answered.
///
/// It reads the outbox in the app's database, as `roan why` does, and ends by Ctrl-C. On PostgreSQL it listens: it prints at
/// once what apps with `Outbox::notify` announce, and looks for the purges of other apps itself, less often meanwhile. On MySQL,
/// MariaDB and SQLite, and behind a pooler, it looks from time to time. While the database cannot be reached it tries again.
#[derive(Debug, Group)]
#[command(after_help = TABLE)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) of: OfArgs,
    /// Only purges of URLs, tags and other targets that contain this text.
    #[arg(long, value_name = "TEXT", value_parser = given)]
    pub(crate) text: Option<String>,
    /// How often to look. While apps announce their purges, ten times as long.
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = every)]
    pub(crate) every: Duration,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

fn result(text: &str) -> Result<AnswerKind, String> {
    let mut kinds = AnswerKind::ALL.into_iter();
    kinds
        .find(|kind| kind.as_str() == text || kind.to_string() == text)
        .ok_or_else(|| {
            "write `waiting`, `purged`, `not-cached`, `refused`, `failed` or `dead`".to_owned()
        })
}

fn every(text: &str) -> Result<Duration, String> {
    let read = humantime::parse_duration(text);
    let every = read.map_err(|_| "write a number and its unit, such as `500ms` or `2s`")?;
    if every < Duration::from_millis(50) {
        return Err("is too short for the database: write `50ms` or longer".to_owned());
    }
    Ok(every)
}
