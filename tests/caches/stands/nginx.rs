//! nginx: with the cache-purge module, and without it by refreshes or by its files.

use std::net::SocketAddr;

use roan::{Cache, NginxFiles};
use roan_tests::{Nginx, Options, SECRET};

use crate::stand::{Servers, Setup, Stand};

/// What is in place of the purge location's content.
fn options(setup: Setup) -> Options {
    match setup {
        Setup::Right => Options::default(),
        Setup::UnknownMethod => Options::default().purge_location("return 405;"),
        Setup::Refusing => Options::default().purge_location("deny all;"),
    }
}

fn start(
    apps: &[SocketAddr],
    options: &Options,
    caches: impl Fn(&[Nginx]) -> Vec<Cache> + 'static,
) -> Option<Box<dyn Stand>> {
    let servers = apps.iter().map(|app| Nginx::start_before(*app, options));
    let servers = Servers::new(servers.collect(), caches);
    Some(Box::new(servers.without_variants()))
}

/// By the purge location of the README.
pub(crate) fn module(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    start(apps, &options(setup), |servers| {
        let nodes = servers.iter().map(Nginx::purge_url);
        let add = |nginx: roan::Nginx, url: String| nginx.node(&url).unwrap();
        vec![nodes.fold(roan::Nginx::new(), add).into()]
    })
}

/// A stock nginx, whose pages are fetched anew.
pub(crate) fn refresh(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    let secret = match setup {
        Setup::Right => SECRET,
        Setup::Refusing => "ASecretThatItDoesNotKnow",
        Setup::UnknownMethod => return None,
    };
    start(apps, &Options::default().refresh(), move |servers| {
        let nodes = servers.iter().map(Nginx::url);
        let add = |nginx: roan::Nginx, url: String| nginx.node(&url).unwrap();
        let nginx = nodes.fold(roan::Nginx::new(), add);
        vec![nginx.refresh(secret).unwrap().into()]
    })
}

/// A stock nginx on this machine, whose files are unlinked. Each node is a cache of its own.
pub(crate) fn files(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    if setup == Setup::UnknownMethod {
        return None;
    }
    start(apps, &Options::default().stock(), move |servers| {
        let cache = |(number, server): (usize, &Nginx)| {
            let folder = match setup {
                Setup::Refusing => server.folder().join("none"),
                _ => server.cache_folder(),
            };
            let files = NginxFiles::at(folder).unwrap();
            files.name(&format!("files {number}")).into()
        };
        servers.iter().enumerate().map(cache).collect()
    })
}
