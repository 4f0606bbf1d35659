//! The settings of the agent: from the environment, the command line or a file.

use roan::agent::{Agent, AgentConfig};

use super::args::{AgentArgs, Listen};
use crate::exit::Failure;
use crate::settings;

/// Where the health endpoint listens, if nothing else is said.
const LISTEN: &str = "127.0.0.1:9112";

impl AgentArgs {
    pub(super) fn agent(&self) -> Result<Agent, Failure> {
        let mut config: AgentConfig = match &self.caches.config {
            Some(file) => settings::agent_table(file)?,
            None => AgentConfig::default(),
        };
        let flags = [
            (&mut config.nats, &self.nats),
            (&mut config.node, &self.node),
            (&mut config.stream, &self.stream),
            (&mut config.empty_with, &self.empty_with),
            (&mut config.credentials_file, &self.credentials),
        ];
        for (field, flag) in flags {
            if flag.is_some() {
                field.clone_from(flag);
            }
        }
        let mut config = config.or_from_env()?;
        if !self.serves.is_empty() {
            config.sites.clone_from(&self.serves);
        }
        match self.listen {
            Some(Listen::Off) => config.listen = None,
            Some(Listen::At(address)) => config.listen = Some(address.to_string()),
            None => config.listen = config.listen.or_else(|| Some(LISTEN.to_owned())),
        }
        let agent = config.agent()?;
        Ok(match self.ready_lag {
            Some(lag) => agent.ready_lag(lag),
            None => agent,
        })
    }
}
