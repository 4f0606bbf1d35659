//! A private agent: the command's `roan agent`, in its own folder, with its health endpoint on its own port.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::browser::Browser;
use crate::clock::Clock;
use crate::server::{Kind, Server, command};

const CONFIG: &str = "agent.toml";

/// A running agent. Dropping it kills it and removes its folder.
pub type Agent = Server<AgentOptions>;

/// What an agent is started with.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// The command.
    pub program: PathBuf,
    /// Its configuration.
    pub config: String,
    /// Its own clock, in place of the machine's.
    pub clock: Option<Clock>,
}

impl Agent {
    /// Starts one, and waits until its health endpoint answers, whatever it says.
    ///
    /// # Panics
    ///
    /// When it does not start; the message has its log.
    #[must_use]
    #[track_caller]
    pub fn start(options: &AgentOptions) -> Self {
        Self::launch(options)
    }
}

impl Kind for AgentOptions {
    const NAME: &'static str = "agent";
    const LOG: &'static str = "log";

    fn furnish(&self, folder: &Path, _port: u16) {
        fs::write(folder.join(CONFIG), &self.config).expect("a file in our own folder");
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join(Self::LOG))
            .expect("a log in our own folder");
        let mut command = command(&self.program);
        if let Some(clock) = &self.clock {
            clock.give_to(&mut command);
        }
        command
            .arg("agent")
            .arg("--config")
            .arg(folder.join(CONFIG))
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .current_dir(folder)
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        Browser::new(addr).try_send("GET", "/", &[]).is_ok()
    }
}
