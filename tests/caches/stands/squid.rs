//! Squid.

use std::net::SocketAddr;

use roan_tests::{Squid, SquidOptions};

use crate::stand::{Servers, Setup, Stand};

pub(crate) fn start(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    let options = match setup {
        Setup::Right => SquidOptions::default(),
        Setup::Refusing => SquidOptions::default().edit("src 127.0.0.1 ::1", "src 192.0.2.1"),
        Setup::UnknownMethod => SquidOptions::default()
            .edit("acl purge method PURGE\n", "")
            .edit("reply_header_add X-Roan-Purge \"%>ru\" purge\n", "")
            .edit("http_access deny purge !roan\n", ""),
    };
    let servers = apps.iter().map(|app| Squid::start_before(*app, &options));
    let servers = Servers::new(servers.collect(), |servers: &[Squid]| {
        let add = |squid: roan::Squid, url: String| squid.node(&url).unwrap();
        let urls = servers.iter().map(Squid::url);
        vec![urls.fold(roan::Squid::new(), add).into()]
    });
    Some(Box::new(servers.without_variants()))
}
