//! A Squid of our own.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;

use crate::server::{Place, Server, find, free_address};

/// The configuration that the guide shows and the tests use.
const CONF: &str = include_str!("../tests/conf/squid.conf");

/// The lines with which it keeps everything of its own in this folder, its log as `cache.log`.
#[must_use]
pub fn of_its_own(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "pid_filename {folder}/squid.pid\n\
         cache_log {folder}/cache.log\n\
         access_log none\n\
         coredump_dir {folder}\n\
         visible_hostname squid.test\n\
         pinger_enable off\n\
         shutdown_lifetime 0 seconds\n"
    )
}

/// Starts it before the app, and waits until it listens.
///
/// # Errors
///
/// If it is not there, when the error says what to install, or does not start.
pub async fn start(app: SocketAddr) -> Result<Server, Box<dyn Error>> {
    let program = find("squid").ok_or("squid was not found. On Debian: apt install squid")?;
    let place = Place::new()?;
    let port = place.address.port();
    let plain = free_address()?.port();
    let conf = CONF
        .replace("http_port 80 ", &format!("http_port {} ", place.address))
        .replace("127.0.0.1:3129 ", &format!("127.0.0.1:{plain} "))
        .replace("parent 3129 ", &format!("parent {plain} "))
        .replace("parent 3000 ", &format!("parent {} ", app.port()))
        .replace("www.example.org", "127.0.0.1");
    let conf = place.write("squid.conf", &[conf, of_its_own(&place.folder)].concat())?;
    let conf = conf.display().to_string();
    // Each Squid of a machine needs a name of its own, for its shared memory.
    let name = format!("roan{port}");
    let arguments = [
        "-N".to_owned(),
        "-n".to_owned(),
        name,
        "-f".to_owned(),
        conf,
    ];
    Server::start_as_nobody(place, &program, arguments, "cache.log").await
}
