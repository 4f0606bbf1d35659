//! A cache node: nginx, and its agent.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use roan::agent::{Agent, RunningAgent};
use roan::fleet::Nats;
use roan::{Nginx, Roan};
use roan_examples::nginx::{self, Program};
use roan_examples::visitor::Visitor;

/// The address that visitors see. The ports of the nodes are not in the keys of their pages.
pub(crate) const SITE: &str = "http://127.0.0.1";

/// A node. Both of its parts end with it.
pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) visitor: Visitor,
    nginx: nginx::Nginx,
    servers: String,
    agent: Option<RunningAgent>,
}

impl Node {
    pub(crate) async fn start(
        name: &'static str,
        program: &Program,
        app: SocketAddr,
        servers: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let nginx = nginx::Nginx::start(program, app).await?;
        let mut node = Self {
            name,
            visitor: Visitor::new(nginx.address())?,
            nginx,
            servers: servers.to_owned(),
            agent: None,
        };
        node.start_agent().await?;
        Ok(node)
    }

    /// As `roan agent` does: the stream on one side, the purge location of this node on the other.
    pub(crate) async fn start_agent(&mut self) -> Result<(), Box<dyn Error>> {
        let purge_url = format!("http://{}/purge", self.nginx.address());
        let caches = Roan::builder()
            .cache(Nginx::at(&purge_url)?)
            .site(SITE)
            .rebound(Duration::from_millis(500));
        let agent = Agent::new(Nats::at(&self.servers)?)
            .stream(crate::stream())
            .node(self.name)
            .empty_with(format!("rm -rf {}/*", self.nginx.pages()))
            .start(caches)
            .await?;
        // A new node empties its cache first.
        while agent.not_ready().is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.agent = Some(agent);
        Ok(())
    }

    /// Waits until it has purged all that it has taken, a second time, too.
    pub(crate) async fn settled(&self) {
        while self
            .agent
            .as_ref()
            .is_some_and(|agent| agent.status().open > 0)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn stop_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.stop(Duration::from_secs(5)).await;
        }
    }
}
