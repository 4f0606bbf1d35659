//! `roan fleet wait`.

use std::time::Duration;

use roan::fleet::{FleetAdmin, FleetNode, FleetNodeState, FleetStatus};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use super::args::WaitArgs;
use super::open::{self, failure};
use crate::args::Format;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{Output, counted, note};
use crate::words::{duration, shown};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(250);

pub(super) async fn wait(
    admin: &FleetAdmin,
    args: &WaitArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    let end = Instant::now() + args.timeout;
    let mut status = open::status(admin, end, || interrupt.is_asked()).await?;
    let sequence = match args.sequence {
        Some(sequence) if sequence > status.last => {
            return Err(Failure::bad_input(format!(
                "the stream {} does not have message {sequence}: its last one is {}",
                shown(&status.stream),
                status.last
            )));
        }
        Some(sequence) => sequence,
        None => status.last,
    };
    let mut said = Vec::new();
    let mut told = None;
    loop {
        let missing = missing(&status, sequence);
        if missing.is_empty() {
            return Ok(done(&status, sequence, output));
        }
        let names: Vec<_> = missing.iter().map(|node| node.node.clone()).collect();
        if names != said && output.format == Format::Text {
            note(format_args!(
                "roan: message {sequence} is not yet at {}",
                names.join(", ")
            ));
        }
        said = names;
        if let Some(problem) = &status.problem
            && status.problem != told
            && output.format == Format::Text
        {
            note(format_args!("roan: {}", shown(problem)));
        }
        told.clone_from(&status.problem);
        if interrupt.is_asked() {
            return Ok(ended(&status, sequence, Exit::Interrupted, output));
        }
        if Instant::now() >= end {
            return Ok(ended(&status, sequence, Exit::Failed, output));
        }
        sleep(EVERY.min(end - Instant::now())).await;
        // A server that fails for a moment is no reason to give up before the end.
        match timeout_at(end.max(Instant::now() + EVERY), admin.status()).await {
            Ok(Ok(next)) => status = next,
            Ok(Err(error)) if Instant::now() >= end => return Err(failure(error)),
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// The live nodes that do not have it.
fn missing(status: &FleetStatus, sequence: u64) -> Vec<&FleetNode> {
    let nodes = status.nodes.iter();
    nodes
        .filter(|node| node.is_live() && !node.has(sequence))
        .collect()
}

/// All live nodes have it.
fn done(status: &FleetStatus, sequence: u64, output: &Output) -> Exit {
    let lacking = |node: &&FleetNode| !node.is_live() && !node.has(sequence);
    let is_incomplete = status.nodes.iter().any(|node| lacking(&node));
    let live = status.nodes.iter().filter(|node| node.is_live()).count() as u64;
    let exit = match is_incomplete || live == 0 {
        true => Exit::Incomplete,
        false => Exit::Done,
    };
    match output.format {
        Format::Json => print_json(status, sequence, true, output),
        Format::Text if live == 0 => output.line("no node is live, so none has to be waited for"),
        Format::Text => output.line(format_args!(
            "message {sequence} is at {}",
            match live {
                1 => "the one live node".to_owned(),
                live => format!("all {live} live nodes"),
            }
        )),
    }
    if output.format == Format::Text {
        for node in status.nodes.iter().filter(lacking) {
            let since = node
                .heard
                .map_or_else(String::new, |heard| format!(" for {}", duration(heard)));
            output.line(format_args!(
                "{} has been gone{since}, and lacks it: keep visitors away from it until its agent is back",
                shown(&node.node)
            ));
        }
    }
    exit
}

/// The time is over.
fn ended(status: &FleetStatus, sequence: u64, exit: Exit, output: &Output) -> Exit {
    if output.format == Format::Json {
        print_json(status, sequence, false, output);
        return exit;
    }
    let missing = missing(status, sequence);
    output.line(format_args!(
        "message {sequence} is missing at {}",
        counted(missing.len() as u64, "live node")
    ));
    for node in missing {
        let why = match (node.state, node.oldest) {
            (FleetNodeState::Consuming, Some((oldest, age))) => format!(
                "{} wait there, from message {oldest} on, which is {} old",
                node.lag,
                duration(age)
            ),
            _ => {
                let problem = node.problem(Duration::ZERO);
                problem.unwrap_or_else(|| format!("it is {}", node.state))
            }
        };
        output.line(format_args!("{}: {}", shown(&node.node), shown(&why)));
    }
    exit
}

fn print_json(status: &FleetStatus, sequence: u64, is_done: bool, output: &Output) {
    let nodes = status.nodes.iter().map(|node| {
        json!({
            "node": node.node,
            "state": node.state.as_str(),
            "live": node.is_live(),
            "has": node.has(sequence),
        })
    });
    output.line(json!({
        "stream": status.stream,
        "sequence": sequence,
        "done": is_done,
        "nodes": nodes.collect::<Vec<_>>(),
    }));
}
