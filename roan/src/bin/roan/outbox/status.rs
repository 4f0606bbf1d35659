//! `roan outbox status`.

use std::time::Duration;

use clap::builder::styling::AnsiColor;
use roan::outbox::{Admin, NodeStatus, Outbox, Status};
use serde::Serialize;

use super::open::failure;
use super::words::line;
use crate::args::Format;
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted};
use crate::words::duration;

/// A program says once a minute which nodes it has: after so long it has probably ended.
const LONG_AGO: Duration = Duration::from_secs(150);

pub(super) async fn print(
    admin: &Admin,
    outbox: &Outbox,
    output: &Output,
) -> Result<Exit, Failure> {
    let status = admin.status().await.map_err(failure)?;
    match output.format {
        Format::Json => output.object(&InDatabase {
            database: outbox.dialect().to_string(),
            location: outbox.location(),
            status: &status,
        }),
        Format::Text => as_text(&status, outbox, output),
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct InDatabase<'a> {
    database: String,
    location: String,
    #[serde(flatten)]
    status: &'a Status,
}

fn as_text(status: &Status, outbox: &Outbox, output: &Output) {
    let schema = status.schema.unwrap_or_default();
    output.line(format_args!(
        "outbox   {} {}, schema version {schema}",
        outbox.dialect(),
        line(&outbox.location())
    ));
    let mut writes = format!("{} wait, {} taken", status.waiting, status.taken);
    if let Some(oldest) = status.oldest {
        writes += &format!(", the oldest {} old", duration(oldest));
    }
    if status.left > 0 {
        writes += &format!("; {} left to another version of the app", status.left);
    }
    if status.dead > 0 {
        let dead = format!("{} dead", status.dead);
        writes += &format!("; {}", output.painted(AnsiColor::Red, dead));
    }
    output.line(format_args!("writes   {writes}"));
    let relays = match status.relays {
        0 => "none has work at this moment".to_owned(),
        relays => format!("{} at work", counted(relays, "relay")),
    };
    output.line(format_args!("relays   {relays}"));
    let kept = match status.kept {
        Some(kept) => format!(
            "purges since {} ago, for `roan outbox replay`",
            duration(kept)
        ),
        None => "no purge that is done".to_owned(),
    };
    output.line(format_args!("kept     {kept}"));
    if status.nodes.is_empty() {
        output.line("nodes    none: no app has used the outbox in the last week");
    }
    for node in &status.nodes {
        let name = format!("{} {}", line(&node.cache), line(&node.node));
        output.line(format_args!("node     {name}: {}", of_node(node, output)));
    }
}

fn of_node(node: &NodeStatus, output: &Output) -> String {
    let mut words = Vec::new();
    if let Some(paused) = node.paused {
        let paused = format!("PAUSED for {}", duration(paused));
        words.push(output.painted(AnsiColor::Yellow, paused));
    }
    if node.failing > 0 {
        let failing = format!("FAILS for {}", counted(node.failing, "purge"));
        words.push(output.painted(AnsiColor::Red, failing));
    }
    words.push(match node.oldest {
        Some(oldest) => format!("{} wait, the oldest {} old", node.waiting, duration(oldest)),
        None => "nothing waits".to_owned(),
    });
    if node.left > 0 {
        words.push(format!(
            "{} of them left to another version of the app",
            node.left
        ));
    }
    if node.dead > 0 {
        let dead = format!("{} dead", node.dead);
        words.push(output.painted(AnsiColor::Red, dead));
    }
    words.push(match node.seen {
        Some(seen) if seen < LONG_AGO => "an app at work has it".to_owned(),
        Some(seen) => format!("no app has had it for {}", duration(seen)),
        None => "no app has had it in the last week".to_owned(),
    });
    if let Some(error) = &node.last_error {
        words.push(format!("last error: {}", line(error)));
    }
    words.join("; ")
}
