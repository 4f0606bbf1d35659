//! nginx as Debian's package leaves it: its folders, its main file, and its default site left on.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use super::options::SITE_CONF;
use super::{binary, user_line};
use crate::browser::Browser;
use crate::server::{Kind, Server, command, port};

/// What Debian's package installs, without what has no effect on a site.
const MAIN_CONF: &str = include_str!("../../conf/debian/nginx.conf");
const DEFAULT_SITE: &str = include_str!("../../conf/debian/default");

/// The first page of the default site.
const WELCOME: &str = "Welcome to nginx!\n";

/// A running nginx that has Debian's default site and the quoted configuration in `sites-enabled`, for
/// the host `localhost`.
pub type DebianNginx = Server<Debian>;

/// Where the app is, and whether the quoted configuration is there already.
#[derive(Debug, Clone)]
pub struct Debian {
    app: SocketAddr,
    has_site: bool,
}

impl DebianNginx {
    /// Starts one, and waits until it answers. Nobody listens at [`app`](Self::app) yet.
    ///
    /// # Panics
    ///
    /// When nginx or its module is not installed, or when it does not start; the message has its
    /// error log.
    #[must_use]
    #[track_caller]
    pub fn start_as_installed() -> Self {
        Self::start(true)
    }

    /// Starts one that has the default site alone.
    ///
    /// # Panics
    ///
    /// As [`start_as_installed`](Self::start_as_installed) does.
    #[must_use]
    #[track_caller]
    pub fn start_without_site() -> Self {
        Self::start(false)
    }

    #[track_caller]
    fn start(has_site: bool) -> Self {
        let app = SocketAddr::from(([127, 0, 0, 1], port::free()));
        Self::launch(&Debian { app, has_site })
    }

    /// A configuration for Debian's folders and port 80, for those of this server.
    #[must_use]
    pub fn here(&self, conf: &str) -> String {
        here(conf, self.folder(), self.addr().port())
    }

    /// The beginning of a command line that acts on this server, as `nginx` does on Debian's.
    #[must_use]
    pub fn command_line(&self) -> String {
        let folder = self.folder().display();
        let program = binary();
        let program = program.display();
        format!(
            "{program} -c {folder}/etc/nginx/nginx.conf -e {folder}/{}",
            Debian::LOG
        )
    }

    /// Where the app should listen.
    #[must_use]
    pub fn app(&self) -> SocketAddr {
        self.kind().app
    }
}

impl Kind for Debian {
    const NAME: &'static str = "nginx-debian";
    const LOG: &'static str = "var/log/nginx/error.log";

    fn furnish(&self, folder: &Path, port: u16) {
        let root = folder.display().to_string();
        let here = |text: &str| here(text, folder, port);
        let site = SITE_CONF
            .replace("www.example.org", "localhost")
            .replace("127.0.0.1:3000", &self.app.to_string());
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {root}/var/lib/{kind};\n"));
        let module = "load_module modules/ngx_http_cache_purge_module.so;\n";
        let main = here(MAIN_CONF).replace("user www-data;", user_line());
        for (file, text) in [
            ("etc/nginx/nginx.conf", main),
            (
                "etc/nginx/mime.types",
                "types { text/html html; }\n".to_owned(),
            ),
            (
                "etc/nginx/modules-enabled/50-mod-http-cache-purge.conf",
                module.to_owned(),
            ),
            ("etc/nginx/conf.d/temporary.conf", temporary.concat()),
            ("etc/nginx/sites-enabled/default", here(DEFAULT_SITE)),
            ("etc/nginx/sites-enabled/roan", here(&site)),
            ("var/www/html/index.html", WELCOME.to_owned()),
            ("var/log/nginx/error.log", String::new()),
            // What is there already on Debian; no `var/cache/nginx`.
            ("var/cache/README", String::new()),
            ("var/lib/README", String::new()),
            ("run/README", String::new()),
        ] {
            if file.ends_with("/roan") && !self.has_site {
                continue;
            }
            let file = folder.join(file);
            let parent = file.parent().expect("it is in the folder");
            fs::create_dir_all(parent).expect("a folder in our own folder");
            fs::write(file, text).expect("a file in our own folder");
        }
    }

    fn command(&self, folder: &Path, _port: u16) -> Command {
        let mut command = command(&binary());
        command
            .arg("-c")
            .arg(folder.join("etc/nginx/nginx.conf"))
            .arg("-e")
            .arg(folder.join(Self::LOG))
            .args(["-g", "daemon off;"]);
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        let page = Browser::new(addr)
            .at_host("nobody.test")
            .try_send("GET", "/", &[]);
        page.is_ok_and(|page| page.text() == WELCOME)
    }
}

/// The same in this folder and at this port.
fn here(text: &str, folder: &Path, port: u16) -> String {
    let root = folder.display();
    let text = text.replace("/etc/nginx", &format!("{root}/etc/nginx"));
    let text = text.replace("/var/", &format!("{root}/var/"));
    let text = text.replace("/run/", &format!("{root}/run/"));
    listen_at(&text, port)
}

/// The same at a port of the loopback addresses: without IPv6 where the machine has none.
fn listen_at(text: &str, port: u16) -> String {
    let has_ipv6 = TcpListener::bind(("::1", 0)).is_ok();
    let lines = text.lines().filter_map(|line| {
        let is_ipv6 = line.contains("listen [::]:80");
        let line = line.replace("listen [::]:80", &format!("listen [::1]:{port}"));
        let line = line.replace("listen 80", &format!("listen 127.0.0.1:{port}"));
        (has_ipv6 || !is_ipv6).then(|| line + "\n")
    });
    lines.collect()
}
