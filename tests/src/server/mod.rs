//! A private server: a real one, on its own port and in its own folder.

pub(crate) mod family;
pub(crate) mod place;
pub(crate) mod port;
mod process;
pub(crate) mod program;
pub(crate) mod user;
mod watchdog;

use std::fmt::Debug;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

pub(crate) use process::{Process, command};
pub(crate) use watchdog::Watchdog;

use crate::wait;

/// Somebody else may take a free port before the server does; more often than that, it is no
/// accident.
const PORTS_TO_TRY: usize = 5;

/// Varnish compiles its configuration by a C compiler, and databases read theirs: on a busy machine that takes longer than
/// anything that a test waits for.
const LONGEST_START: Duration = Duration::from_secs(90);

/// What makes one kind of server.
pub trait Kind: Debug + Clone {
    /// Its name, for messages and for its folder.
    const NAME: &'static str;

    /// The file of its folder that it logs to.
    const LOG: &'static str;

    /// What asks its first process for a fast shutdown.
    const STOP: Signal = Signal::TERM;

    /// What a shell does in its folder after it was killed: for what a killed server leaves behind
    /// outside of its folder.
    const AFTER_KILL: &'static str = "";

    /// Whether its folder may be in memory.
    const IN_MEMORY: bool = false;

    /// Puts what it needs into its new folder.
    fn furnish(&self, folder: &Path, port: u16);

    /// Runs it in the foreground; with the user and the watchdog of the harness.
    fn command(&self, folder: &Path, port: u16) -> Command;

    /// Whether it is ready for clients.
    fn answers(&self, addr: SocketAddr) -> bool;
}

/// A running server. Dropping it kills all of its processes and removes its folder.
#[derive(Debug)]
pub struct Server<K: Kind> {
    kind: K,
    port: u16,
    /// Before the folder, so that nobody writes into it while it is removed.
    process: Option<Process>,
    folder: TempDir,
}

impl<K: Kind> Server<K> {
    /// Starts one and waits until it answers.
    #[track_caller]
    pub(crate) fn launch(kind: &K) -> Self {
        for _ in 0..PORTS_TO_TRY {
            let prefix = format!("roan-{}-", K::NAME);
            let mut server = Self {
                kind: kind.clone(),
                port: port::free(),
                process: None,
                folder: if K::IN_MEMORY {
                    place::in_memory(&prefix)
                } else {
                    place::on_disk(&prefix)
                },
            };
            server.kind.furnish(server.folder(), server.port);
            match server.run() {
                Ok(()) => return server,
                Err(_) if server.log().contains("Address already in use") => {}
                Err(how) => panic!("{} {how}:\n{}", K::NAME, server.log()),
            }
        }
        panic!("{} found the port taken {PORTS_TO_TRY} times", K::NAME);
    }

    /// What it was started as.
    pub(crate) fn kind(&self) -> &K {
        &self.kind
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The process that it was started as. `None` while it is down.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The folder with all that it keeps.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has logged until now.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder().join(K::LOG)).unwrap_or_default()
    }

    /// Ends it in peace, as `systemctl stop` does: requests under way are cut off, what it keeps
    /// stays on disk. Does nothing when it is down.
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(K::STOP);
            self.wait_until_down();
        }
    }

    /// Kills all of its processes with SIGKILL. Does nothing when it is down.
    #[track_caller]
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            drop(process);
            self.wait_until_down();
        }
    }

    /// Stops it, if it still runs, and starts it at the same port with the same folder.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        if let Err(how) = self.run() {
            panic!("{} {how} at its restart:\n{}", K::NAME, self.log());
        }
    }

    /// Freezes all of its processes: connections are still taken by the kernel, nobody answers.
    pub fn suspend(&self) {
        if let Some(process) = &self.process {
            process.suspend();
        }
    }

    /// Lets them go on.
    pub fn resume(&self) {
        if let Some(process) = &self.process {
            process.resume();
        }
    }

    /// The error says how it failed.
    fn run(&mut self) -> Result<(), String> {
        let addr = self.addr();
        let command = self.kind.command(self.folder(), self.port);
        let process = self.process.insert(Process::spawn(
            K::NAME,
            command,
            self.folder.path(),
            K::AFTER_KILL,
        ));
        wait::until_some(
            LONGEST_START,
            &format!("{} to answer or to end", K::NAME),
            || match process.ended() {
                Some(status) => Some(Err(format!("ended with {status}"))),
                None => self.kind.answers(addr).then_some(Ok(())),
            },
        )
    }

    #[track_caller]
    fn wait_until_down(&self) {
        // A killed process keeps its listening socket for a moment.
        wait::until(
            wait::LONG,
            &format!("{} to leave its port", K::NAME),
            || TcpStream::connect(self.addr()).is_err(),
        );
    }
}
