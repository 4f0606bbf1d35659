//! Agents that are processes of their own.

use std::path::PathBuf;

use roan_tests::{Agent, AgentOptions, Browser, wait};

pub(crate) fn start(nats: &str, node: &str, purge_url: &str) -> Agent {
    Agent::start(&AgentOptions {
        program: PathBuf::from(env!("CARGO_BIN_EXE_roan-tests-command")),
        config: format!(
            "rebound = \"off\"\n\
             [agent]\nnats = \"{nats}\"\nnode = \"{node}\"\nreplicas = 1\nsynced = true\nempty_with = \"true\"\n\
             [[caches]]\nkind = \"nginx\"\nnodes = [\"{purge_url}\"]\n"
        ),
        clock: None,
    })
}

pub(crate) fn wait_until_ready(agents: &[Agent]) {
    for agent in agents {
        wait::until(3 * wait::LONG, "an agent to be ready", || {
            let answer = Browser::new(agent.addr()).try_send("GET", "/", &[]);
            answer.is_ok_and(|answer| answer.status == 200)
        });
    }
}
