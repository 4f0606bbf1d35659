//! A Varnish of our own.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::server::{Place, Server, find};

/// The VCL that the guide shows and the tests use.
const VCL: &str = include_str!("../tests/conf/varnish.vcl");

/// Where Debian puts the module for tags, below the libraries of a processor.
const XKEY: &str = "varnish/vmods/libvmod_xkey.so";

/// Starts it before the app, and waits until it listens.
///
/// # Errors
///
/// If it is not there, when the error says what to install, or does not start.
pub async fn start(app: SocketAddr) -> Result<Server, Box<dyn Error>> {
    let program = program()?;
    let place = Place::new()?;
    let backend = format!(".host = \"{}\"; .port = \"{}\";", app.ip(), app.port());
    let vcl = VCL.replace(".host = \"127.0.0.1\"; .port = \"3000\";", &backend);
    let vcl = place.write("site.vcl", &vcl)?;
    let arguments = [
        "-F".to_owned(),
        // Without a change of user, for which our folder would be closed.
        "-j".to_owned(),
        "none".to_owned(),
        "-n".to_owned(),
        place.folder.display().to_string(),
        "-a".to_owned(),
        format!("{},HTTP", place.address),
        "-f".to_owned(),
        vcl.display().to_string(),
    ];
    Server::start(place, &program, arguments, "output").await
}

/// The program, where `vmod_xkey` is there, too.
///
/// # Errors
///
/// What is missing, and what to install.
pub fn program() -> Result<PathBuf, String> {
    let libraries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let has_xkey = libraries
        .map(|folder| folder.path().join(XKEY))
        .any(|file| file.is_file());
    match find("varnishd") {
        Some(program) if has_xkey => Ok(program),
        program => Err(format!(
            "{} not found. On Debian: apt install varnish varnish-modules",
            program.map_or("varnishd was", |_| "vmod_xkey of Varnish was"),
        )),
    }
}
