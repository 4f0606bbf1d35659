//! A private Apache Traffic Server: a real one, on its own port and in its own folder, with the configuration that the guide
//! quotes.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use roan_examples::traffic_server::{EMPTY, FOLDERS, runroot};

use crate::HOST;
use crate::browser::Browser;
use crate::edits::Edits;
use crate::server::{Kind, Server, command, program, user};
use crate::wait;

/// What the guide quotes.
pub const TRAFFIC_SERVER_CONF: [&str; 5] = [
    include_str!("../../conf/trafficserver/records.config"),
    include_str!("../../conf/trafficserver/remap.config"),
    include_str!("../../conf/trafficserver/roan.config"),
    include_str!("../../conf/trafficserver/ip_allow.yaml"),
    include_str!("../../conf/trafficserver/storage.config"),
];

/// A running Traffic Server, for [`HOST`], `shop.test` and its own address. Dropping it kills its processes and removes its folder.
pub type TrafficServer = Server<TrafficServerKind>;

/// What one Traffic Server is given as its configuration.
#[derive(Debug, Clone)]
pub struct TrafficServerKind {
    origin: SocketAddr,
    edits: Edits,
}

/// Changes of the configuration; none by default.
#[derive(Debug, Clone, Default)]
pub struct TrafficServerOptions {
    edits: Edits,
}

impl TrafficServerOptions {
    /// Replaces a text that occurs once in the files of the configuration.
    #[must_use]
    pub fn edit(mut self, text: &str, with: &str) -> Self {
        self.edits.add(text, with);
        self
    }
}

impl TrafficServer {
    /// Starts one before an app, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When Traffic Server is not installed, or when it does not start; the message has its log.
    #[must_use]
    #[track_caller]
    pub fn start_before(origin: SocketAddr, options: &TrafficServerOptions) -> Self {
        Self::launch(&TrafficServerKind {
            origin,
            edits: options.edits.clone(),
        })
    }

    /// Its address as a URL, which is what Roan is given.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Waits until it has written to its disk what it stores now.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    pub fn wait_for_disk(&self) {
        // It writes its index each second while there is something to write.
        let is_quiet = || {
            let disk = fs::metadata(self.folder().join("cache/cache.db"));
            let written = disk.and_then(|disk| disk.modified());
            let since = written.expect("its storage").elapsed().unwrap_or_default();
            since > Duration::from_secs(3)
        };
        wait::until(wait::LONG, "the disk to be quiet", is_quiet);
    }

    /// A browser of [`HOST`] before it.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::new(self.addr())
    }
}

impl Kind for TrafficServerKind {
    const NAME: &'static str = "traffic-server";
    const LOG: &'static str = "log/diags.log";

    fn furnish(&self, folder: &Path, port: u16) {
        let [mut records, remap, roan, ip_allow, storage] = self.edits.apply(TRAFFIC_SERVER_CONF);
        let here = folder.display();
        let listen = format!("STRING {port}:ip-in=127.0.0.1");
        records = records.replace("STRING 8080 8080:ipv6", &listen);
        // It shall not change its user, which is ours already, and not use all of the machine.
        records.push_str(
            "CONFIG proxy.config.admin.user_id STRING #-1\n\
             CONFIG proxy.config.exec_thread.autoconfig INT 0\n\
             CONFIG proxy.config.exec_thread.limit INT 2\n\
             CONFIG proxy.config.cache.ram_cache.size INT 8388608\n\
             CONFIG proxy.config.cache.dir.sync_frequency INT 1\n\
             CONFIG proxy.config.log.logging_enabled INT 0\n",
        );
        let remap = remap.replace("127.0.0.1:3000", &self.origin.to_string());
        let own = format!("127.0.0.1:{port}");
        let remap = [HOST, "shop.test", &own].map(|host| remap.replace("www.example.org", host));
        let storage = storage.replace(
            "/var/cache/trafficserver 256M",
            &format!("{here}/cache 32M"),
        );
        for name in FOLDERS {
            fs::create_dir(folder.join(name)).expect("a folder in our own folder");
            user::hand_over(&folder.join(name));
        }
        for name in EMPTY {
            fs::write(folder.join("etc").join(name), "").expect("a file in our own folder");
        }
        for (name, text) in [
            ("runroot.yaml", runroot(folder)),
            ("etc/records.config", records),
            ("etc/remap.config", remap.concat()),
            ("etc/roan.config", roan),
            ("etc/ip_allow.yaml", ip_allow),
            ("etc/storage.config", storage),
        ] {
            fs::write(folder.join(name), text).expect("a file in our own folder");
        }
        user::hand_over(folder);
    }

    fn command(&self, folder: &Path, _port: u16) -> Command {
        let mut command = command(&binary());
        // As `proxy.config.proxy_binary_opts` lets its manager start it.
        command
            .arg("-K")
            .env("TS_RUNROOT", folder)
            .current_dir(folder);
        user::step_down(&mut command);
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        // No rule for this host: it costs the origin nothing.
        let browser = Browser::new(addr).at_host("nobody.test");
        browser.try_send("GET", "/", &[]).is_ok()
    }
}

#[track_caller]
fn binary() -> PathBuf {
    let found = program::find("traffic_server");
    found.unwrap_or_else(|| panic!("Traffic Server is needed: run ./tests/run"))
}
