//! An Apache Traffic Server of our own.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::server::{Place, Server, find};

/// The configuration that the guide shows and the tests use.
const CONF: [(&str, &str); 5] = [
    (
        "records.config",
        include_str!("../tests/conf/trafficserver/records.config"),
    ),
    (
        "remap.config",
        include_str!("../tests/conf/trafficserver/remap.config"),
    ),
    (
        "roan.config",
        include_str!("../tests/conf/trafficserver/roan.config"),
    ),
    (
        "ip_allow.yaml",
        include_str!("../tests/conf/trafficserver/ip_allow.yaml"),
    ),
    (
        "storage.config",
        include_str!("../tests/conf/trafficserver/storage.config"),
    ),
];

/// Its other files in `etc`, about which it complains if they are missing.
pub const EMPTY: [&str; 10] = [
    "cache.config",
    "hosting.config",
    "logging.yaml",
    "parent.config",
    "plugin.config",
    "sni.yaml",
    "socks.config",
    "splitdns.config",
    "ssl_multicert.config",
    "volume.config",
];

/// The folders that it expects in its own.
pub const FOLDERS: [&str; 6] = ["etc", "etc/body_factory", "log", "run", "cache", "data"];

/// The content of `runroot.yaml`: it keeps everything of its own in this folder.
#[must_use]
pub fn runroot(folder: &Path) -> String {
    let here = folder.display();
    format!(
        "prefix: /usr\n\
         bindir: /usr/bin\n\
         sbindir: /usr/bin\n\
         sysconfdir: {here}/etc\n\
         datadir: {here}/data\n\
         includedir: /usr/include\n\
         libdir: /usr/lib/trafficserver\n\
         libexecdir: /usr/lib/trafficserver/modules\n\
         localstatedir: {here}/run\n\
         runtimedir: {here}/run\n\
         logdir: {here}/log\n\
         cachedir: {here}/cache\n"
    )
}

/// Starts it before the app, and waits until it listens.
///
/// # Errors
///
/// If it is not there, when the error says what to install, or does not start.
pub async fn start(app: SocketAddr) -> Result<Server, Box<dyn Error>> {
    let program = find("traffic_server");
    let program =
        program.ok_or("traffic_server was not found. On Debian: apt install trafficserver")?;
    let place = Place::new()?;
    let address = place.address;
    let folder = place.folder.clone();
    let here = folder.display();
    for name in FOLDERS {
        fs::create_dir(folder.join(name))?;
    }
    for name in EMPTY {
        place.write(&format!("etc/{name}"), "")?;
    }
    let listen = format!("STRING {}:ip-in=127.0.0.1", address.port());
    for (name, text) in CONF {
        let text = text
            .replace("STRING 8080 8080:ipv6", &listen)
            .replace("127.0.0.1:3000", &app.to_string())
            .replace("www.example.org", &address.to_string())
            .replace(
                "/var/cache/trafficserver 256M",
                &format!("{here}/cache 32M"),
            );
        place.write(&format!("etc/{name}"), &text)?;
    }
    let own = [
        // It shall not change its user, which is ours.
        "CONFIG proxy.config.admin.user_id STRING #-1\n",
        "CONFIG proxy.config.log.logging_enabled INT 0\n",
    ];
    let records = fs::read_to_string(folder.join("etc/records.config"))?;
    place.write("etc/records.config", &[&records, own[0], own[1]].concat())?;
    place.write("runroot.yaml", &runroot(&folder))?;
    let arguments = [format!("--run-root={here}")];
    Server::start_as_nobody(place, &program, arguments, "log/diags.log").await
}
