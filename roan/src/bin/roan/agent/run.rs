//! Runs the agent, and asks about it.

use std::time::Duration;

use roan::agent::{Agent, AgentError, Emptied, RunningAgent};
use roan::fleet::FleetError;

use super::AgentArgs;
use crate::args::Format;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::log::{show_everything, show_warnings};
use crate::output::{Output, note};

/// What is on its way to the cache has so long at the end.
const ENDING: Duration = Duration::from_secs(5);

/// Between two looks whether the command was asked to end.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &AgentArgs, output: &Output) -> Result<Exit, Failure> {
    let agent = args.agent()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    if args.check {
        show_warnings(true);
        return runtime.block_on(check(&agent, output));
    }
    if args.emptied {
        show_warnings(true);
        return runtime.block_on(emptied(&agent, output));
    }
    show_everything();
    let caches = args.caches.builder_of_agent()?;
    let interrupt = Interrupt::listen()?;
    runtime.block_on(async {
        let node = agent.node_name().to_owned();
        let mut starting = std::pin::pin!(agent.start(caches));
        let running = loop {
            tokio::select! {
                running = &mut starting => break running.map_err(failure)?,
                () = tokio::time::sleep(LOOK) => {}
            }
            if interrupt.is_asked() {
                return Ok(Exit::Interrupted);
            }
        };
        if let Some(address) = running.listens() {
            note(format_args!(
                "roan: the agent of {node} runs; its health is at http://{address}/"
            ));
        }
        serve(&running, &interrupt).await
    })
}

async fn serve(running: &RunningAgent, interrupt: &Interrupt) -> Result<Exit, Failure> {
    while !interrupt.is_asked() {
        tokio::select! {
            ended = running.ended() => {
                // Its messages are back in the stream. The log has the error.
                running.stop(Duration::ZERO).await;
                return Ok(ended.map_or_else(|error| failure(error).exit, |()| Exit::Failed));
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    running.stop(ENDING).await;
    Ok(Exit::Done)
}

async fn check(agent: &Agent, output: &Output) -> Result<Exit, Failure> {
    let standing = agent.standing().await.map_err(failure)?;
    match output.format {
        Format::Json => output.line(standing.to_json()),
        Format::Text => output.line(&standing),
    }
    Ok(match standing.problem() {
        None => Exit::Done,
        Some(_) => Exit::Failed,
    })
}

async fn emptied(agent: &Agent, output: &Output) -> Result<Exit, Failure> {
    let emptied = agent.note_emptied().await.map_err(failure)?;
    let node = agent.node_name();
    match emptied {
        Emptied::Consumes => output.line(format_args!(
            "The cache of {node} is taken for empty, and its agent consumes."
        )),
        Emptied::NotReady(why) => {
            return Err(Failure::new(
                Exit::Failed,
                format!(
                    "the agent of {node} has heard that its cache is empty, but is not ready: {why}"
                ),
            ));
        }
        _ => {
            output.line(format_args!("The cache of {node} is taken for empty."));
            note(format_args!(
                "roan: the agent of {node} does not run, or does not reach the servers: start it"
            ));
        }
    }
    Ok(Exit::Done)
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failure(error: AgentError) -> Failure {
    let exit = match &error {
        AgentError::Config(_)
        | AgentError::Fleet(
            FleetError::Config(_) | FleetError::Stream { .. } | FleetError::Denied { .. },
        ) => Exit::BadInput,
        AgentError::Fleet(_) | AgentError::Server(_) => Exit::Unreachable,
        _ => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}
