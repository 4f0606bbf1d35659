//! The settings of the agent: from the environment, the command line or a file.

use roan::agent::{Agent, AgentConfig};

use super::args::{AgentArgs, Listen};
use crate::exit::Failure;
use crate::settings::{self, OF_THE_AGENT};

/// Where the health endpoint listens, if nothing else is said.
const LISTEN: &str = "127.0.0.1:9112";

impl AgentArgs {
    pub(super) fn agent(&self) -> Result<Agent, Failure> {
        let mut config: AgentConfig = match &self.caches.config {
            Some(file) => settings::agent_table(file)?,
            None => AgentConfig::default(),
        };
        let mut is_from_variable = Vec::new();
        let mut set = |field: &mut Option<String>, flag: Option<String>, variable: &'static str| {
            debug_assert!(
                OF_THE_AGENT.contains(&variable),
                "others take it for the app's"
            );
            // Deployments often set an omitted variable to the empty text.
            let value = std::env::var(variable)
                .ok()
                .filter(|value| !value.trim().is_empty());
            if flag.is_some() {
                *field = flag;
            } else if field.is_none() && value.is_some() {
                *field = value;
                is_from_variable.push(variable);
            }
        };
        let file = self.credentials.as_ref();
        let file = file.map(|file| file.to_string_lossy().into_owned());
        set(&mut config.nats, self.nats.clone(), "ROAN_FLEET");
        set(&mut config.node, self.node.clone(), "ROAN_NODE");
        set(&mut config.credentials_file, file, "ROAN_FLEET_CREDENTIALS");
        set(
            &mut config.empty_with,
            self.empty_with.clone(),
            "ROAN_EMPTY_WITH",
        );
        if let Some(stream) = &self.stream {
            config.stream = Some(stream.clone());
        }
        if !self.serves.is_empty() {
            config.sites.clone_from(&self.serves);
        }
        match self.listen {
            Some(Listen::Off) => config.listen = None,
            Some(Listen::At(address)) => config.listen = Some(address.to_string()),
            None => config.listen = config.listen.or_else(|| Some(LISTEN.to_owned())),
        }
        let agent = config.agent().map_err(|error| {
            let mut message = error.to_string();
            if self.caches.config.is_none() {
                message = message.replace("nats: is not set", "ROAN_FLEET is not set");
            }
            Failure::bad_input(message)
        })?;
        Ok(match self.ready_lag {
            Some(lag) => agent.ready_lag(lag),
            None => agent,
        })
    }
}
