//! A private nginx: a real one, on its own port and in its own folder, with the configuration that
//! the docs quote.

mod debian;
mod options;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use debian::DebianNginx;
pub use options::{Options, REFRESH_CONF, SECRET, SITE_CONF};

use crate::browser::Browser;
use crate::origin::Origin;
use crate::server::{Kind, Server, command, program};

/// Where Debian puts the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_cache_purge_module.so";

/// A running nginx. Dropping it kills its master and workers and removes its folder, which has the
/// configuration and the cache.
///
/// `Nginx::start` twice for the same origin makes two nodes.
pub type Nginx = Server<Conf>;

/// What one nginx is given as its configuration.
#[derive(Debug, Clone)]
pub struct Conf {
    origin: SocketAddr,
    options: Options,
}

impl Nginx {
    /// Starts one before `origin`, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When nginx or its module is not installed, or when it does not start; the message has its
    /// error log.
    #[must_use]
    #[track_caller]
    pub fn start(origin: &Origin, options: &Options) -> Self {
        Self::start_before(origin.addr(), options)
    }

    /// Starts one before a server of the test's own.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    #[track_caller]
    pub fn start_before(origin: SocketAddr, options: &Options) -> Self {
        Self::launch(&Conf {
            origin,
            options: options.clone(),
        })
    }

    /// What Roan is given as the place of the purge location.
    #[must_use]
    pub fn purge_url(&self) -> String {
        format!("http://{}/purge", self.addr())
    }

    /// Its address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The folder of its cache.
    #[must_use]
    pub fn cache_folder(&self) -> PathBuf {
        self.folder().join("cache")
    }

    /// A browser of [`HOST`](crate::HOST) before this nginx.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::new(self.addr())
    }
}

impl Kind for Conf {
    const NAME: &'static str = "nginx";
    const LOG: &'static str = "error.log";

    fn furnish(&self, folder: &Path, port: u16) {
        let file = folder.join("nginx.conf");
        let cache = folder.join("cache");
        let site = self.options.site_conf(port, self.origin, &cache);
        let folder = folder.display();
        let user = user_line();
        let module = match self.options.stock {
            true => String::new(),
            false => format!("load_module {MODULE};"),
        };
        let workers = if self.options.one_worker { 1 } else { 2 };
        let conf = format!(
            "{module}\n\
             {user}\n\
             daemon off;\n\
             master_process on;\n\
             worker_processes {workers};\n\
             pid {folder}/nginx.pid;\n\
             error_log {folder}/error.log notice;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n\
             access_log off;\n\
             client_body_temp_path {folder}/client_body;\n\
             proxy_temp_path {folder}/proxy;\n\
             fastcgi_temp_path {folder}/fastcgi;\n\
             uwsgi_temp_path {folder}/uwsgi;\n\
             scgi_temp_path {folder}/scgi;\n\
             {site}\n\
             }}\n"
        );
        fs::write(file, conf).expect("nginx.conf in our own folder");
    }

    fn command(&self, folder: &Path, _port: u16) -> Command {
        let mut command = command(&binary());
        command
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(folder.join("nginx.conf"))
            // Until it has read the configuration it would write to /var/log.
            .arg("-e")
            .arg(folder.join(Self::LOG));
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        // A request line that every HTTP server refuses: it costs the origin nothing.
        Browser::new(addr).try_send("GET", "no-slash", &[]).is_ok()
    }
}

/// The `user` of the workers. One that is not us could not enter our folder, which is for its owner
/// alone.
fn user_line() -> &'static str {
    match rustix::process::geteuid().is_root() {
        true => "user root;",
        false => "",
    }
}

/// The version of the program, such as `(1, 22)`.
///
/// # Panics
///
/// When it does not say one.
#[must_use]
pub fn version() -> (u32, u32) {
    let output = Command::new(binary()).arg("-v").output();
    let text = String::from_utf8_lossy(&output.expect("nginx runs").stderr).into_owned();
    let version = text.trim().split_once("nginx/").and_then(|(_, version)| {
        let mut numbers = version.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    version.unwrap_or_else(|| panic!("nginx -v said {text:?}"))
}

/// The program; only where the module is there, too.
#[track_caller]
fn binary() -> PathBuf {
    match program::find("nginx") {
        Some(binary) if Path::new(MODULE).is_file() => binary,
        _ => panic!("nginx with the cache-purge module is needed: run ./tests/run"),
    }
}
