//! Private databases: real servers, each on its own port and in its own folder. Each has a database
//! `roan`, empty, and a user of that name who may do everything in it.

mod any;
mod connection;
mod mariadb;
mod pgbouncer;
mod postgres;
mod sqlite;
mod template;

use std::fs::File;
use std::path::Path;
use std::process::Command;

pub use any::Database;
pub use connection::Connection;
pub use mariadb::{MariaDb, MariaDbOptions};
pub use pgbouncer::{PgBouncer, PgBouncerOptions};
pub use postgres::{Postgres, PostgresOptions};
pub use sqlite::SqliteFile;

use crate::server::{self, user};

/// The file of a server's folder that has its standard error, and that of the programs which made
/// its data.
const LOG: &str = "log";

/// A command that works in the folder, logs there, and is not run as root.
fn command(program: &Path, folder: &Path) -> Command {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join(LOG))
        .expect("a log in our own folder");
    let mut command = server::command(program);
    command
        .current_dir(folder)
        // Messages in English, and every temporary file where it is removed in any case.
        .env("LC_ALL", "C")
        .env("TMPDIR", folder)
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log);
    user::step_down(&mut command);
    command
}
