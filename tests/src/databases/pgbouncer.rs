//! A private PgBouncer before a PostgreSQL.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::{LOG, command};
use crate::server::{Kind, Server, program, user};

/// The file of its settings.
const CONFIG: &str = "pgbouncer.ini";

/// A running PgBouncer. Dropping it kills it and removes its folder.
pub type PgBouncer = Server<PgBouncerOptions>;

/// What a test may choose.
#[derive(Debug, Clone)]
pub struct PgBouncerOptions {
    /// The port of the PostgreSQL behind it.
    pub postgres: u16,
    /// `transaction` or `session`.
    pub mode: &'static str,
    /// Connections that it keeps to PostgreSQL.
    pub pool_size: u16,
    /// What it drops of a client's first packet instead of refusing the client; by commas.
    pub ignored: &'static str,
}

impl PgBouncer {
    /// Starts one, and waits until it takes clients.
    ///
    /// # Panics
    ///
    /// When PgBouncer is not installed, or when it does not start; the message has its log.
    #[must_use]
    #[track_caller]
    pub fn start(options: &PgBouncerOptions) -> Self {
        Self::launch(options)
    }

    /// The database `roan` behind it, as a URL for clients. There is no password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://roan@{}/roan", self.addr())
    }
}

impl Kind for PgBouncerOptions {
    const NAME: &'static str = "pgbouncer";
    const LOG: &'static str = LOG;

    fn furnish(&self, folder: &Path, port: u16) {
        let Self {
            postgres,
            mode,
            pool_size,
            ignored,
        } = self;
        let config = format!(
            "[databases]\n\
             roan = host=127.0.0.1 port={postgres} dbname=roan user=roan\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = {mode}\n\
             default_pool_size = {pool_size}\n\
             ignore_startup_parameters = {ignored}\n"
        );
        let file = folder.join(CONFIG);
        fs::write(&file, config).expect("a file in our own folder");
        user::hand_over(folder);
        user::hand_over(&file);
    }

    fn command(&self, folder: &Path, _port: u16) -> Command {
        let pgbouncer = program::find("pgbouncer").expect("PgBouncer is needed: run ./tests/run");
        let mut command = command(&pgbouncer, folder);
        command.arg(CONFIG);
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        TcpStream::connect(addr).is_ok()
    }
}
