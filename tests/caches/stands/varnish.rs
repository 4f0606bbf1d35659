//! Varnish, with the VCL of the guide.

use std::net::SocketAddr;

use roan_tests::{Varnish, VarnishOptions};

use crate::stand::{Servers, Setup, Stand};

fn start(apps: &[SocketAddr], setup: Setup, soft: bool) -> Option<Box<dyn Stand>> {
    let options = VarnishOptions::default();
    let options = match setup {
        Setup::Right => options,
        Setup::UnknownMethod => options.edit(
            "if (req.method == \"PURGE\" || req.method == \"BAN\")",
            "if (req.method == \"FLUSH\")",
        ),
        Setup::Refusing => options.edit("client.ip !~ roan", "client.ip ~ roan"),
    };
    let servers = apps.iter().map(|app| Varnish::start_before(*app, &options));
    let servers = Servers::new(servers.collect(), move |servers| {
        let nodes = servers.iter().map(Varnish::url);
        let add = |varnish: roan::Varnish, url: String| varnish.node(&url).unwrap();
        let varnish = nodes.fold(roan::Varnish::new(), add);
        vec![if soft { varnish.soft() } else { varnish }.into()]
    });
    Some(Box::new(servers))
}

/// Pages are dropped.
pub(crate) fn hard(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    start(apps, setup, false)
}

/// Pages become stale.
pub(crate) fn soft(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    start(apps, setup, true)
}
