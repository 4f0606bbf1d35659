//! A Varnish of our own: on a free port of this machine, in a temporary folder, and gone with us.

use std::error::Error;
use std::ffi::OsString;
use std::net::SocketAddr;

use crate::server::{Place, Server, find};

/// The VCL that the guide shows and the tests use.
const VCL: &str = include_str!("../tests/conf/varnish.vcl");

/// One that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Varnish(Server);

impl Varnish {
    /// Starts it before the app, and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it is not there; the error says what to install. If it does not start; the error has its log.
    pub async fn start(app: SocketAddr) -> Result<Self, Box<dyn Error>> {
        let binary = find("varnishd");
        let binary = binary
            .ok_or("Varnish was not found. On Debian: apt install varnish varnish-modules")?;
        let place = Place::new()?;
        let backend = format!(".host = \"{}\"; .port = \"{}\";", app.ip(), app.port());
        let vcl = VCL.replace(".host = \"127.0.0.1\"; .port = \"3000\";", &backend);
        let vcl = place.write("site.vcl", &vcl)?;
        let address = format!("{},HTTP", place.address);
        let arguments: [OsString; 11] = [
            "-F".into(),
            // Another user could not enter our folder.
            "-j".into(),
            "none".into(),
            "-n".into(),
            place.folder.clone().into(),
            "-a".into(),
            address.into(),
            "-f".into(),
            vcl.into(),
            "-s".into(),
            "malloc,64m".into(),
        ];
        // It logs to standard error.
        Ok(Self(
            Server::start(place, &binary, arguments, "output").await?,
        ))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}
