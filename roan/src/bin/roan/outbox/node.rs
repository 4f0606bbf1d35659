//! `roan outbox pause` and `resume`.

use roan::outbox::{Admin, NodeStatus};
use serde_json::json;

use super::args::NodeArgs;
use super::open::failure;
use crate::args::Format;
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted};
use crate::words::duration;

pub(super) async fn pause(
    admin: &Admin,
    args: &NodeArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    let node = find(admin, args).await?;
    let is_new = admin
        .pause(&node.cache, &node.node)
        .await
        .map_err(failure)?;
    let name = format!("{} {}", node.cache, node.node);
    match (output.format, node.paused) {
        (Format::Json, _) => print_json(output, &node, true, is_new),
        (Format::Text, Some(paused)) if !is_new => output.line(format_args!(
            "{name} was paused already, for {}",
            duration(paused)
        )),
        (Format::Text, _) => output.line(format_args!(
            "{name} is paused: each app stops to purge it when it looks next, by default within a second. Its purges \
             wait until you type `roan outbox resume {name}`"
        )),
    }
    Ok(Exit::Done)
}

pub(super) async fn resume(
    admin: &Admin,
    args: &NodeArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    let node = find(admin, args).await?;
    let was_paused = admin
        .resume(&node.cache, &node.node)
        .await
        .map_err(failure)?;
    let name = format!("{} {}", node.cache, node.node);
    match output.format {
        Format::Json => print_json(output, &node, false, was_paused),
        Format::Text if !was_paused => output.line(format_args!("{name} was not paused")),
        Format::Text => output.line(format_args!(
            "{name} is resumed: {} waited, and leave when an app looks next",
            counted(node.waiting, "purge")
        )),
    }
    Ok(Exit::Done)
}

fn print_json(output: &Output, node: &NodeStatus, is_paused: bool, is_new: bool) {
    output.line(json!({
        "cache": node.cache,
        "node": node.node,
        "paused": is_paused,
        "changed": is_new,
        "waiting": node.waiting,
    }));
}

/// The one node that is meant.
async fn find(admin: &Admin, args: &NodeArgs) -> Result<NodeStatus, Failure> {
    let wanted = args.node.join(" ");
    let nodes = admin.status().await.map_err(failure)?.nodes;
    let whole = |node: &NodeStatus| format!("{} {}", node.cache, node.node);
    let mut found: Vec<_> = nodes.iter().filter(|node| whole(node) == wanted).collect();
    if found.is_empty() {
        found = nodes.iter().filter(|node| node.node == wanted).collect();
    }
    let names = |nodes: &[&NodeStatus]| {
        let names: Vec<_> = nodes
            .iter()
            .map(|node| format!("\"{}\"", whole(node)))
            .collect();
        names.join(", ")
    };
    match found.as_slice() {
        [node] => Ok((*node).clone()),
        [] if nodes.is_empty() => Err(Failure::bad_input(format!(
            "no node is called {wanted:?}: the outbox knows none, for no app has used it in the last week"
        ))),
        [] => Err(Failure::bad_input(format!(
            "no node is called {wanted:?}: the nodes are {}",
            names(&nodes.iter().collect::<Vec<_>>())
        ))),
        several => Err(Failure::bad_input(format!(
            "{wanted:?} is the name of several nodes: write one of {}",
            names(several)
        ))),
    }
}
