//! A private PostgreSQL.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;

use super::template::{DATA, Template};
use super::{LOG, command};
use crate::clock::Clock;
use crate::server::{Kind, Server, program};

/// Where Debian puts a folder for each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Makes a cluster with the user and the database; run with the folder of the programs.
const MAKE: &str = r#"
"$0/initdb" -D data -U roan --auth=trust --encoding=UTF8 --locale=C --no-sync &&
    echo "CREATE DATABASE roan" | "$0/postgres" --single -D data -c fsync=off postgres
"#;

/// A running PostgreSQL. Dropping it kills all of its processes and removes its folder.
pub type Postgres = Server<PostgresOptions>;

/// What a test may choose.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Whether a commit waits for the disk; true by default, as everywhere.
    pub fsync: bool,
    /// Its own clock, in place of the machine's.
    pub clock: Option<Clock>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            fsync: true,
            clock: None,
        }
    }
}

impl Postgres {
    /// Starts one, and waits until it takes clients.
    ///
    /// # Panics
    ///
    /// When PostgreSQL is not installed, or when it does not start; the message has its log.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&PostgresOptions::default())
    }

    /// Starts one with other options.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    #[track_caller]
    pub fn start_with(options: &PostgresOptions) -> Self {
        Self::launch(options)
    }

    /// Its database `roan`, as a URL for clients. There is no password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://roan@{}/roan", self.addr())
    }
}

impl Kind for PostgresOptions {
    const NAME: &'static str = "postgres";
    const LOG: &'static str = LOG;
    const IN_MEMORY: bool = true;

    /// What its manual calls fast: clients are cut off, and it does not wait for them.
    const STOP: Signal = Signal::INT;

    /// A page of shared memory by which it finds out whether another one uses the same data. Its
    /// number is the second of the seventh line.
    const AFTER_KILL: &'static str = r#"set -- $(sed -n 7p data/postmaster.pid) && ipcrm -m "$2""#;

    fn furnish(&self, folder: &Path, _port: u16) {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        let make = |folder: &Path| {
            let mut command = command(Path::new("sh"), folder);
            command.args(["-c", MAKE]).arg(programs());
            command
        };
        TEMPLATE
            .get_or_init(|| Template::make::<Self>(make))
            .copy_to(folder);
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = command(&programs().join("postgres"), folder);
        command.arg("-D").arg(folder.join(DATA));
        if let Some(clock) = &self.clock {
            clock.give_to(&mut command);
        }
        let settings = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "max_connections=300".to_owned(),
            "shared_buffers=32MB".to_owned(),
            // A new database is written to the log.
            "max_wal_size=128MB".to_owned(),
            // In its folder; in /dev/shm it would outlive a kill.
            "dynamic_shared_memory_type=mmap".to_owned(),
            format!("fsync={}", self.fsync),
        ];
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        // What comes last when it is ready for a query.
        greet(addr).is_ok_and(|answer| answer.ends_with(b"Z\0\0\0\x05I"))
    }
}

/// Begins a session and ends it at once; all that the server says.
fn greet(addr: SocketAddr) -> io::Result<Vec<u8>> {
    /// Version 3.0 of the protocol.
    const START: &[u8] = b"\0\x03\0\0user\0roan\0database\0roan\0\0";
    const TERMINATE: &[u8] = b"X\0\0\0\x04";
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let length = u32::try_from(4 + START.len()).expect("a short message");
    stream.write_all(&[&length.to_be_bytes(), START, TERMINATE].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// The folder of the newest version's programs.
#[track_caller]
fn programs() -> PathBuf {
    program::newest_version(Path::new(VERSIONS), "postgres")
        .expect("PostgreSQL is needed: run ./tests/run")
}
