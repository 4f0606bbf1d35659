//! Apache Traffic Server.

use std::net::SocketAddr;

use roan_tests::{TrafficServer, TrafficServerOptions};

use crate::stand::{Servers, Setup, Stand};

pub(crate) fn start(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    let options = TrafficServerOptions::default();
    let options = match setup {
        Setup::Right => options,
        Setup::Refusing => options.edit(
            "ip_addrs: 127.0.0.1\n    action: allow\n    methods: ALL",
            "ip_addrs: 127.0.0.1\n    action: deny\n    methods: [PURGE]",
        ),
        // A purge goes to the app, which answers 200.
        Setup::UnknownMethod => options.edit(
            "# A page for a visitor with",
            "cond %{REMAP_PSEUDO_HOOK} [AND]\n\
             cond %{METHOD} =\"PURGE\"\n\
             set-config proxy.config.http.cache.http 0\n\n#",
        ),
    };
    let servers = apps
        .iter()
        .map(|app| TrafficServer::start_before(*app, &options));
    let servers = Servers::new(servers.collect(), |servers: &[TrafficServer]| {
        let add = |server: roan::TrafficServer, url: String| server.node(&url).unwrap();
        let urls = servers.iter().map(TrafficServer::url);
        vec![urls.fold(roan::TrafficServer::new(), add).into()]
    });
    Some(Box::new(servers.leaving_out(&["//x", "/bare?"])))
}
