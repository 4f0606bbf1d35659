//! `roan outbox list`, `dead`, `retry` and `drop`.

use roan::outbox::{Admin, DeadPurge, Filter, OutboxError, WaitingPurge, Waits};
use serde_json::json;

use super::args::{DeadArgs, FilterArgs, ListArgs, PickArgs};
use super::open::{failure, until_interrupted};
use super::words::{line, target};
use crate::args::Format;
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted, note};
use crate::words::duration;

impl FilterArgs {
    fn filter(&self) -> Filter {
        let mut filter = Filter::new();
        if !self.ids.is_empty() {
            filter = filter.ids(self.ids.iter().copied());
        }
        if let Some(cache) = &self.cache {
            filter = filter.cache(cache);
        }
        if let Some(node) = &self.node {
            filter = filter.node(node);
        }
        if let Some(target) = &self.target {
            filter = filter.target(target);
        }
        if let Some(error) = &self.error {
            filter = filter.error(error);
        }
        if let Some(age) = self.older_than {
            filter = filter.older_than(age);
        }
        if let Some(age) = self.newer_than {
            filter = filter.newer_than(age);
        }
        filter
    }
}

impl ListArgs {
    fn page(&self) -> Filter {
        let mut filter = self.filter.filter().limit(self.limit as usize);
        if let Some(after) = self.after {
            filter = filter.after(after);
        }
        if self.newest {
            filter = filter.newest_first();
        }
        filter
    }

    /// Whether others than those that are listed may be picked, too.
    fn is_page(&self) -> bool {
        self.after.is_some() || self.filter.ids.len() > self.limit as usize
    }

    /// The id with which the next page begins, if there may be one.
    fn next(&self, listed: usize, last: Option<i64>) -> Option<i64> {
        last.filter(|_| listed >= self.limit as usize)
    }
}

pub(super) async fn list_waiting(
    admin: &Admin,
    args: &ListArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    let waiting = admin.waiting(args.page()).await.map_err(failure)?;
    for purge in &waiting {
        match output.format {
            Format::Json => output.object(purge),
            Format::Text => output.line(waiting_as_text(purge)),
        }
    }
    let next = args.next(waiting.len(), waiting.last().map(|purge| purge.id));
    let listed = waiting.len() as u64;
    match output.format {
        Format::Json => output.line(json!({ "summary": { "listed": listed, "next": next } })),
        Format::Text if listed == 0 => output.line("nothing waits"),
        Format::Text => say_next(next),
    }
    match args.is_page() {
        true => Ok(Exit::Done),
        false => Ok(ended(&args.filter.ids, listed, "not waiting")),
    }
}

fn say_next(next: Option<i64>) {
    if let Some(id) = next {
        note(format_args!("roan: for the next ones add --after {id}"));
    }
}

fn waiting_as_text(purge: &WaitingPurge) -> String {
    let state = match purge.state {
        Waits::Taken => "a relay has taken it",
        Waits::Left => "waits for another version of the app",
        _ if purge.node.is_empty() => "waits for a relay",
        _ => "waits",
    };
    let attempts = match purge.attempts {
        0 => String::new(),
        attempts => format!(", after {}", counted(attempts.into(), "attempt")),
    };
    let error = purge.error.as_deref();
    let error = error.map_or_else(String::new, |error| format!(": {}", line(error)));
    format!(
        "{:>8}  {}  {}  {state}{attempts}, {} old{error}",
        purge.id,
        place(&purge.cache, &purge.node),
        target(&purge.target),
        duration(purge.age),
    )
}

fn place(cache: &str, node: &str) -> String {
    if node.is_empty() {
        "all nodes".to_owned()
    } else {
        format!("{} {}", line(cache), line(node))
    }
}

pub(super) async fn list(admin: &Admin, args: &DeadArgs, output: &Output) -> Result<Exit, Failure> {
    let count = admin.count_dead(args.list.filter.filter());
    let count = count.await.map_err(failure)?;
    if args.count {
        match output.format {
            Format::Json => output.line(json!({ "dead": count })),
            Format::Text => output.line(count),
        }
        return Ok(ended(&args.list.filter.ids, count, "not dead"));
    }
    let dead = admin.dead(args.list.page()).await.map_err(failure)?;
    for purge in &dead {
        match output.format {
            Format::Json => output.object(purge),
            Format::Text => output.line(dead_as_text(purge)),
        }
    }
    let next = args
        .list
        .next(dead.len(), dead.last().map(|purge| purge.id));
    let listed = dead.len() as u64;
    match output.format {
        Format::Json => {
            let summary = json!({ "listed": listed, "dead": count, "next": next });
            output.line(json!({ "summary": summary }));
        }
        Format::Text if count == 0 => output.line("no dead purge"),
        Format::Text => {
            if listed < count {
                note(format_args!(
                    "roan: {listed} of {}",
                    counted(count, "dead purge")
                ));
            }
            say_next(next);
        }
    }
    Ok(ended(&args.list.filter.ids, count, "not dead"))
}

fn dead_as_text(purge: &DeadPurge) -> String {
    format!(
        "{:>8}  {}  {}  {}, {} old: {}",
        purge.id,
        place(&purge.cache, &purge.node),
        target(&purge.target),
        counted(purge.attempts.into(), "attempt"),
        duration(purge.age),
        line(&purge.error),
    )
}

pub(super) async fn retry(
    admin: &Admin,
    args: &PickArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    act(admin, args, output, ("retry", "retried"), |filter| {
        admin.requeue(filter)
    })
    .await
}

pub(super) async fn delete(
    admin: &Admin,
    args: &PickArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    act(admin, args, output, ("drop", "dropped"), |filter| {
        admin.discard(filter)
    })
    .await
}

/// Does with the dead purges that are picked what two words say, or counts them in a dry run.
async fn act<F>(
    admin: &Admin,
    args: &PickArgs,
    output: &Output,
    (verb, done): (&str, &str),
    act: impl FnOnce(Filter) -> F,
) -> Result<Exit, Failure>
where
    F: Future<Output = Result<u64, OutboxError>>,
{
    let filter = picked(args, verb)?;
    let count = match args.dry_run {
        true => admin.count_dead(filter).await.map_err(failure)?,
        false => until_interrupted(act(filter)).await?,
    };
    match (output.format, args.dry_run) {
        (Format::Json, dry_run) => output.line(json!({ (done): count, "dry_run": dry_run })),
        (Format::Text, true) => {
            output.line(format_args!("would {verb} {}", dead_purges(count)));
        }
        (Format::Text, false) => output.line(format_args!("{done} {}", dead_purges(count))),
    }
    Ok(ended(&args.filter.ids, count, "not dead"))
}

fn dead_purges(count: u64) -> String {
    counted(count, "dead purge")
}

/// What is picked. All only if that is meant.
fn picked(args: &PickArgs, verb: &str) -> Result<Filter, Failure> {
    let filter = args.filter.filter();
    let is_all = filter == Filter::new();
    if args.all && !is_all {
        return Err(Failure::bad_input(
            "--all is for all dead purges: leave it out, or the ids and filters",
        ));
    }
    if is_all && !args.yes && !args.dry_run {
        return Err(Failure::bad_input(format!(
            "`roan outbox {verb} --all` is for all dead purges: add --yes, or --dry-run to see how many they are"
        )));
    }
    Ok(filter)
}

/// Whether each of the ids was found.
fn ended(ids: &[i64], count: u64, why: &str) -> Exit {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let missing = (ids.len() as u64).saturating_sub(count);
    if missing == 0 {
        return Exit::Done;
    }
    note(format_args!(
        "roan: {missing} of {} {} left out: {why}, or not picked by the filters",
        counted(ids.len() as u64, "id"),
        if missing == 1 { "was" } else { "were" },
    ));
    Exit::Incomplete
}
