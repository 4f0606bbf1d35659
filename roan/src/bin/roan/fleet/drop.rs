//! `roan fleet drop`.

use roan::fleet::FleetAdmin;
use serde_json::json;

use super::args::DropArgs;
use super::open::failure;
use crate::args::Format;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::words::shown;

pub(super) async fn drop_node(
    admin: &FleetAdmin,
    args: &DropArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    let status = admin.status().await.map_err(failure)?;
    let name = &args.node;
    let Some(node) = status.nodes.iter().find(|node| node.node == *name) else {
        let names: Vec<_> = status.nodes.iter().map(|node| shown(&node.node)).collect();
        let known = match names.is_empty() {
            true => "the fleet does not have nodes".to_owned(),
            false => format!("the nodes are {}", names.join(", ")),
        };
        return Err(Failure::bad_input(format!(
            "no node is called {name:?}: {known}"
        )));
    };
    if node.is_live() {
        return Err(Failure::bad_input(format!(
            "the agent of {name} is alive, and would make the node a new one: stop it first; {name} counts as gone \
             half a minute later"
        )));
    }
    if !args.yes {
        return Err(Failure::bad_input(format!(
            "this deletes the consumer of {name}, for which {} wait, and its heartbeat: add --yes",
            crate::output::counted(node.lag, "message")
        )));
    }
    let dropped = admin.drop_node(name).await.map_err(failure)?;
    match output.format {
        Format::Json => output.line(json!({ "node": name, "dropped": dropped })),
        Format::Text => output.line(format_args!(
            "{name} is dropped: if its agent comes back, it empties its cache first"
        )),
    }
    Ok(Exit::Done)
}
