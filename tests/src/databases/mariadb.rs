//! A private MariaDB.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::template::{DATA, Template};
use super::{LOG, command};
use crate::clock::Clock;
use crate::server::{Kind, Server, program, user};

/// What is done in a new data folder. Until the privileges are read nobody can be given any.
const FIRST_SQL: &str = "
FLUSH PRIVILEGES;
CREATE DATABASE roan;
CREATE USER roan@'127.0.0.1' IDENTIFIED BY 'roan';
GRANT ALL ON *.* TO roan@'127.0.0.1';
";

/// For the server as for the program that makes its data.
const SETTINGS: [&str; 5] = [
    "--skip-name-resolve",
    "--max-connections=300",
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=16M",
    "--character-set-server=utf8mb4",
];

/// A running MariaDB. Dropping it kills it and removes its folder.
pub type MariaDb = Server<MariaDbOptions>;

/// What a test may choose.
#[derive(Debug, Clone, Default)]
pub struct MariaDbOptions {
    /// Its own clock, in place of the machine's.
    pub clock: Option<Clock>,
}

impl MariaDb {
    /// Starts one, and waits until it takes clients.
    ///
    /// # Panics
    ///
    /// When MariaDB is not installed, or when it does not start; the message has its log.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&MariaDbOptions::default())
    }

    /// Starts one with other options.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    #[track_caller]
    pub fn start_with(options: &MariaDbOptions) -> Self {
        Self::launch(options)
    }

    /// Its database `roan`, as a URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql://roan:roan@{}/roan", self.addr())
    }
}

impl Kind for MariaDbOptions {
    const NAME: &'static str = "mariadb";
    const LOG: &'static str = LOG;
    const IN_MEMORY: bool = true;

    fn furnish(&self, folder: &Path, _port: u16) {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        TEMPLATE
            .get_or_init(|| Template::make::<Self>(make_data))
            .copy_to(folder);
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = command(&find("mariadbd"), folder);
        command
            .arg("--no-defaults")
            .arg(option("--datadir=", &folder.join(DATA)))
            .arg(option("--tmpdir=", folder))
            .arg(option("--socket=", &folder.join("socket")))
            .arg(option("--pid-file=", &folder.join("pid")))
            .arg(format!("--port={port}"))
            .args(["--bind-address=127.0.0.1", "--skip-log-bin"])
            .args(SETTINGS);
        if let Some(clock) = &self.clock {
            clock.give_to(&mut command);
        }
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        let Ok(mut stream) = TcpStream::connect(addr) else {
            return false;
        };
        // It speaks first: four bytes of length and number, then the version of the protocol.
        let mut greeting = [0; 5];
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .and_then(|()| stream.read_exact(&mut greeting))
            .is_ok_and(|()| greeting[4] == 10)
    }
}

fn make_data(folder: &Path) -> Command {
    let sql = folder.join("first.sql");
    fs::write(&sql, FIRST_SQL).expect("a file in our own folder");
    user::hand_over(&sql);
    let mut command = command(&find("mariadb-install-db"), folder);
    command
        .arg("--no-defaults")
        .arg(option("--datadir=", &folder.join(DATA)))
        .arg(option("--extra-file=", &sql))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
        .args(SETTINGS);
    command
}

fn option(name: &str, path: &Path) -> String {
    format!("{name}{}", path.display())
}

#[track_caller]
fn find(name: &str) -> PathBuf {
    program::find(name).expect("MariaDB is needed: run ./tests/run")
}
