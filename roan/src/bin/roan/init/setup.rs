//! The cache before the app: its configuration, and the commands that put it in place.

use clap::ValueEnum;

use crate::args::{InitArgs, NginxConfArgs, VclArgs};
use crate::exit::Failure;
use crate::{nginx_conf, vcl};

/// The cache before the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheKind {
    Nginx,
    /// Varnish, or Vinyl Cache.
    Varnish,
}

/// How it is set up.
pub(super) struct Setup {
    pub(super) name: &'static str,
    /// What the app and the doctor need to reach it.
    pub(super) environment: Vec<String>,
    /// The name of the file for the configuration, in the folder of the crate.
    pub(super) file: &'static str,
    pub(super) configuration: String,
    /// The command that writes the file.
    pub(super) print: String,
    /// The commands that install the cache, and the file.
    pub(super) install: [&'static str; 3],
}

impl Setup {
    pub(super) fn of(args: &InitArgs) -> Result<Self, Failure> {
        let InitArgs { site, app, .. } = args;
        let roan_site = format!("ROAN_SITE={site}");
        Ok(match args.cache {
            CacheKind::Nginx => Self {
                name: "nginx",
                environment: vec![
                    roan_site,
                    "ROAN_PURGE_URL=http://127.0.0.1/purge".to_owned(),
                ],
                file: "roan.nginx.conf",
                configuration: nginx_conf::configuration(&NginxConfArgs::of(site, app))?,
                print: format!("roan nginx-conf --site {site} --app {app} > roan.nginx.conf"),
                install: [
                    "sudo apt install nginx libnginx-mod-http-cache-purge",
                    "sudo cp roan.nginx.conf /etc/nginx/sites-enabled/roan.conf",
                    "sudo nginx -t && sudo nginx -s reload    # `sudo nginx`, if it does not run yet",
                ],
            },
            CacheKind::Varnish => Self {
                name: "Varnish",
                environment: vec![
                    roan_site,
                    "ROAN_CACHE=varnish".to_owned(),
                    "ROAN_PURGE_URL=http://127.0.0.1:6081".to_owned(),
                ],
                file: "roan.vcl",
                configuration: vcl::configuration(&VclArgs::of(site, app))?,
                print: format!("roan vcl --site {site} --app {app} > roan.vcl"),
                install: [
                    "sudo apt install varnish varnish-modules",
                    "sudo cp roan.vcl /etc/varnish/default.vcl",
                    "sudo systemctl reload varnish",
                ],
            },
        })
    }

    /// As a shell takes them before a command.
    pub(super) fn before_a_command(&self) -> String {
        self.environment.join(" ")
    }
}
