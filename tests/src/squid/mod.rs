//! A private Squid: a real one, on its own ports and in its own folder, with the configuration that the guide quotes.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use roan_examples::squid::of_its_own;

use crate::HOST;
use crate::browser::Browser;
use crate::edits::Edits;
use crate::server::{Kind, Server, command, port, program, user};

/// What the guide quotes.
pub const SQUID_CONF: &str = include_str!("../../conf/squid.conf");

/// A running Squid, for [`HOST`], `shop.test` and its own address. Dropping it kills its processes and removes its folder.
pub type Squid = Server<SquidKind>;

/// What one Squid is given as its configuration.
#[derive(Debug, Clone)]
pub struct SquidKind {
    origin: SocketAddr,
    edits: Edits,
}

/// Changes of the configuration; none by default.
#[derive(Debug, Clone, Default)]
pub struct SquidOptions {
    edits: Edits,
}

impl SquidOptions {
    /// Replaces a text that occurs once in the configuration.
    #[must_use]
    pub fn edit(mut self, text: &str, with: &str) -> Self {
        self.edits.add(text, with);
        self
    }
}

impl Squid {
    /// Starts one before an app, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When Squid is not installed, or when it does not start; the message has its log.
    #[must_use]
    #[track_caller]
    pub fn start_before(origin: SocketAddr, options: &SquidOptions) -> Self {
        Self::launch(&SquidKind {
            origin,
            edits: options.edits.clone(),
        })
    }

    /// Its address as a URL, which is what Roan is given.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// A browser of [`HOST`] before it.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::new(self.addr())
    }
}

/// Each Squid of a machine needs a name of its own, for its shared memory.
fn service(port: u16) -> String {
    format!("roan{port}")
}

impl Kind for SquidKind {
    const NAME: &'static str = "squid";
    const LOG: &'static str = "cache.log";
    /// A killed Squid leaves its shared memory.
    const AFTER_KILL: &'static str = "rm -f \"/dev/shm/$(cat service)-\"*";

    fn furnish(&self, folder: &Path, port: u16) {
        let [mut conf] = self.edits.apply([SQUID_CONF]);
        let plain = port::free();
        let app = self.origin.port();
        for (text, with) in [
            ("http_port 80 ", format!("http_port 127.0.0.1:{port} ")),
            ("127.0.0.1:3129 ", format!("127.0.0.1:{plain} ")),
            ("parent 3129 ", format!("parent {plain} ")),
            ("parent 3000 ", format!("parent {app} ")),
            (
                "dstdomain www.example.org",
                format!("dstdomain {HOST} shop.test"),
            ),
            (
                "http_access allow site\n",
                "http_access allow site\nacl own url_regex ^http://127.0.0.1:\nhttp_access allow own\n".to_owned(),
            ),
        ] {
            assert_eq!(conf.matches(text).count(), 1, "{text}");
            conf = conf.replace(text, &with);
        }
        conf.push_str(&of_its_own(folder));
        fs::write(folder.join("squid.conf"), conf).expect("a file in our own folder");
        fs::write(folder.join("service"), service(port)).expect("a file in our own folder");
        user::hand_over(folder);
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = command(&binary());
        command
            .args(["-N", "-n", &service(port), "-f"])
            .arg(folder.join("squid.conf"))
            .current_dir(folder);
        user::step_down(&mut command);
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        // A request line that every HTTP server refuses: it costs the origin nothing.
        Browser::new(addr).try_send("GET", "no-slash", &[]).is_ok()
    }
}

#[track_caller]
fn binary() -> PathBuf {
    program::find("squid").unwrap_or_else(|| panic!("Squid is needed: run ./tests/run"))
}
