//! A private Varnish: a real one, on its own port and in its own folder, with the VCL that the docs quote.

mod options;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

pub use options::{VARNISH_VCL, VarnishOptions};

use crate::browser::Browser;
use crate::origin::Origin;
use crate::server::{Kind, Server, command, program};

/// A running Varnish. Dropping it kills its manager and its cache, and removes its folder. Its pages are in memory: a
/// restart empties it.
pub type Varnish = Server<Conf>;

/// What one Varnish is given as its configuration.
#[derive(Debug, Clone)]
pub struct Conf {
    origin: SocketAddr,
    options: VarnishOptions,
}

impl Varnish {
    /// Starts one before `origin`, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When Varnish or `vmod_xkey` is not installed, or when it does not start; the message has what it said.
    #[must_use]
    #[track_caller]
    pub fn start(origin: &Origin, options: &VarnishOptions) -> Self {
        Self::start_before(origin.addr(), options)
    }

    /// Starts one before a server of the test's own.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    #[track_caller]
    pub fn start_before(origin: SocketAddr, options: &VarnishOptions) -> Self {
        Self::launch(&Conf {
            origin,
            options: options.clone(),
        })
    }

    /// Its address as a URL, which is what Roan is given.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// A browser of [`HOST`](crate::HOST) before this Varnish.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::new(self.addr())
    }

    /// The expressions of the bans that its lurker has not worked off.
    ///
    /// # Panics
    ///
    /// When it is down.
    #[must_use]
    #[track_caller]
    pub fn open_bans(&self) -> Vec<String> {
        let listed = self.ask("varnishadm", &["ban.list"]);
        // `1795665105.175429     0 -  obj.http.x-roan-url ~ .`; those that are done have a `C`, and no expression.
        let open = listed.lines().filter_map(|line| line.split_once(" -  "));
        open.map(|(_, expression)| expression.trim().to_owned())
            .filter(|expression| !expression.is_empty())
            .collect()
    }

    /// A counter of `varnishstat`, such as `MAIN.n_object`.
    ///
    /// # Panics
    ///
    /// When there is not such a counter, or it is down.
    #[must_use]
    #[track_caller]
    pub fn counter(&self, name: &str) -> u64 {
        let lines = self.ask("varnishstat", &["-1", "-f", name]);
        let number = lines.split_whitespace().nth(1);
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("{name}: {lines:?}"))
    }

    #[track_caller]
    fn ask(&self, name: &str, arguments: &[&str]) -> String {
        let program = program::find(name).unwrap_or_else(|| missing());
        let output = Command::new(program)
            .arg("-n")
            .arg(self.folder())
            .args(arguments)
            .output()
            .expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

impl Kind for Conf {
    const NAME: &'static str = "varnish";
    const LOG: &'static str = "varnishd.log";

    fn furnish(&self, folder: &Path, _port: u16) {
        let vcl = self.options.vcl(self.origin);
        fs::write(folder.join("site.vcl"), vcl).expect("a file in our own folder");
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = command(&roan_examples::varnish::program().unwrap_or_else(|_| missing()));
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join(Self::LOG));
        command
            .stderr(log.expect("a log in our own folder"))
            // In the foreground, without a change of user, for which our folder would be closed.
            .args(["-F", "-j", "none"])
            .arg("-n")
            .arg(folder)
            .arg("-a")
            .arg(format!("127.0.0.1:{port},HTTP"))
            .arg("-f")
            .arg(folder.join("site.vcl"))
            // The log in shared memory is 80 MB by default.
            .args(["-s", "malloc,64m", "-l", "8m"]);
        for (name, value) in &self.options.parameters {
            command.arg("-p").arg(format!("{name}={value}"));
        }
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        // Varnish itself refuses such a header: the origin may not be there yet.
        let refused = Browser::new(addr).try_send("GET", "/", &[("a b", "")]);
        refused.is_ok_and(|answer| answer.status == 400)
    }
}

#[track_caller]
fn missing() -> ! {
    panic!("varnish with varnish-modules is needed: run ./tests/run")
}
