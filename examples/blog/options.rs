//! The arguments of the command line.

use std::net::SocketAddr;

use crate::front;
use crate::posts::Library;

pub(crate) const HELP: &str = "\
A blog behind a cache, with its posts and the purges that wait in one SQLite file.

cargo run -p roan-blog [--features LIBRARY] [-- OPTIONS]

LIBRARY stores the posts: sea-orm or diesel, and sqlx without one.

  --cache NAME     starts this cache of the machine before the blog: nginx (the default), nginx-refresh, nginx-files,
                   varnish, squid, traffic-server, or embedded, which is in the blog
  --listen ADDRESS serves the blog at this address, behind the cache of the environment:
                   ROAN_CACHE, ROAN_PURGE_URL and so on, and ROAN_SITE, where visitors go
  --library NAME   which library, if several are built in
  --once           saves, creates and deletes a post, shows which pages each purges, and ends
  --help           this text
";

#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) cache: Option<String>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) library: Library,
    pub(crate) once: bool,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(arg) = args.next() {
            match &*arg {
                "--cache" => {
                    let names = front::NAMES.join(", ");
                    let name = args.next();
                    let name = name.ok_or_else(|| format!("--cache needs a name: {names}"))?;
                    options.cache = Some(name);
                }
                "--listen" => {
                    let address = args.next().unwrap_or_default();
                    let address = address.parse().map_err(|_| {
                        format!("--listen needs an address as 127.0.0.1:3000, not {address:?}")
                    })?;
                    options.listen = Some(address);
                }
                "--library" => {
                    let name = args.next().ok_or("--library needs a name, as sqlx")?;
                    options.library = name.parse()?;
                }
                "--once" => options.once = true,
                "--help" | "-h" => options.help = true,
                _ => {
                    let known = "--cache NAME, --listen ADDRESS, --library NAME, --once, --help";
                    return Err(format!("unknown argument `{arg}`; there are {known}"));
                }
            }
        }
        if options.cache.is_some() && options.listen.is_some() {
            return Err(
                "--cache starts a cache, and --listen has one already: write one of them".into(),
            );
        }
        Ok(options)
    }
}
