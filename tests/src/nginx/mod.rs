//! A private nginx: a real one, on its own port and in its own folder, with the configuration that
//! the docs quote.

mod options;
mod port;
mod process;
mod watchdog;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub use options::{Options, SITE_CONF};
use process::Process;

use crate::browser::Browser;
use crate::origin::Origin;
use crate::wait;

/// Where Debian puts the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_cache_purge_module.so";

/// Somebody else may take a free port before nginx does; more often than that, it is no accident.
const PORTS_TO_TRY: usize = 5;

/// A running nginx. Dropping it kills its master and workers and removes its folder.
///
/// `Nginx::start` twice for the same origin makes two nodes.
#[derive(Debug)]
pub struct Nginx {
    port: u16,
    /// Before the folder, so that nobody writes into it while it is removed.
    process: Option<Process>,
    folder: TempDir,
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
        let binary = binary();
        for _ in 0..PORTS_TO_TRY {
            let mut nginx = Self {
                port: port::free(),
                process: None,
                folder: TempDir::with_prefix("roan-nginx-").expect("a temporary folder"),
            };
            nginx.write_conf(origin.addr(), options);
            match nginx.launch(&binary) {
                Ok(()) => return nginx,
                Err(_) if nginx.error_log().contains("Address already in use") => {}
                Err(how) => panic!("nginx {how}:\n{}", nginx.error_log()),
            }
        }
        panic!("nginx found the port taken {PORTS_TO_TRY} times");
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// What Roan is given as the place of the purge location.
    #[must_use]
    pub fn purge_url(&self) -> String {
        format!("http://{}/purge", self.addr())
    }

    /// A browser of [`HOST`](crate::HOST) before this nginx.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::new(self.addr())
    }

    /// The folder with the configuration and the cache.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What nginx has logged until now.
    #[must_use]
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.folder().join("error.log")).unwrap_or_default()
    }

    /// Ends it in peace, as `systemctl stop` does: requests under way are cut off, the cache stays
    /// on disk. Does nothing when it is down.
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop();
            self.wait_until_down();
        }
    }

    /// Kills master and workers with SIGKILL. Does nothing when it is down.
    #[track_caller]
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            drop(process);
            self.wait_until_down();
        }
    }

    /// Stops it, if it still runs, and starts it at the same port with the same cache.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        if let Err(how) = self.launch(&binary()) {
            panic!("nginx {how} at its restart:\n{}", self.error_log());
        }
    }

    /// Freezes master and workers: connections are still taken by the kernel, nobody answers.
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

    fn write_conf(&self, origin: SocketAddr, options: &Options) {
        let folder = self.folder().display();
        let site = options.site_conf(self.port, origin, &self.folder().join("cache"));
        // Workers of another user could not enter the folder, which is for its owner alone.
        let user = if rustix::process::geteuid().is_root() {
            "user root;"
        } else {
            ""
        };
        let workers = if options.one_worker { 1 } else { 2 };
        let conf = format!(
            "load_module {MODULE};\n\
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
        fs::write(self.folder().join("nginx.conf"), conf).expect("nginx.conf in our own folder");
    }

    /// The error says how it failed.
    fn launch(&mut self, binary: &Path) -> Result<(), String> {
        let process = self
            .process
            .insert(Process::spawn(binary, self.folder.path()));
        let browser = Browser::new(SocketAddr::from(([127, 0, 0, 1], self.port)));
        wait::until_some(wait::LONG, "nginx to answer or to end", || {
            if let Some(status) = process.ended() {
                return Some(Err(format!("ended with {status}")));
            }
            // A request line that every HTTP server refuses: it costs the origin nothing.
            browser
                .try_send("GET", "no-slash", &[])
                .ok()
                .map(|_| Ok(()))
        })
    }

    #[track_caller]
    fn wait_until_down(&self) {
        // A killed worker keeps its listening socket for a moment.
        wait::until(wait::LONG, "nginx to leave its port", || {
            TcpStream::connect(self.addr()).is_err()
        });
    }
}

/// The program; only where the module is there, too.
#[track_caller]
fn binary() -> PathBuf {
    // Debian has it in a folder that is not in the path of users other than root.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("nginx"))
        .find(|file| file.is_file());
    match found {
        Some(binary) if Path::new(MODULE).is_file() => binary,
        _ => panic!("nginx with the cache-purge module is needed: run ./tests/run"),
    }
}
