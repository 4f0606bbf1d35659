//! A nginx of our own: on a free port of this machine, in a temporary folder, and gone with us.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::server::{Place, Server, find, first_file, free_address};

/// The configuration that the README shows and the tests use.
const SITE_CONF: &str = include_str!("../tests/conf/site.conf");

/// The one for refreshes, which the guide shows.
const REFRESH_CONF: &str = include_str!("../tests/conf/refresh.conf");

/// The nginx of this machine, with its cache-purge module or without.
#[derive(Debug)]
pub struct Program {
    binary: PathBuf,
    module: Option<PathBuf>,
}

impl Program {
    /// Looks for nginx and the module where Debian and others have them.
    ///
    /// # Errors
    ///
    /// If one is not there; the error says what to install.
    pub fn find() -> Result<Self, String> {
        let module_folders = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"];
        let module_folders = module_folders.map(PathBuf::from).into_iter();
        let module = first_file(module_folders, "ngx_http_cache_purge_module.so");
        match (find("nginx"), module) {
            (Some(binary), Some(module)) => Ok(Self {
                binary,
                module: Some(module),
            }),
            (binary, _) => Err(format!(
                "{} not found. On Debian: apt install nginx libnginx-mod-http-cache-purge\n\
                 Without nginx: cargo run --example quickstart -- --embedded",
                binary.map_or("nginx was", |_| "the cache-purge module of nginx was"),
            )),
        }
    }

    /// Looks for nginx alone.
    ///
    /// # Errors
    ///
    /// If it is not there; the error says what to install.
    pub fn find_stock() -> Result<Self, String> {
        let binary = find("nginx").ok_or("nginx was not found. On Debian: apt install nginx")?;
        Ok(Self {
            binary,
            module: None,
        })
    }
}

/// One that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Nginx(Server);

impl Nginx {
    /// Starts it before the app, and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it does not start; the error has its log.
    pub async fn start(program: &Program, app: SocketAddr) -> Result<Self, Box<dyn Error>> {
        Self::start_with(program, app, SITE_CONF).await
    }

    /// The same before several instances of the app, which it asks by turns.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_before(
        program: &Program,
        apps: &[SocketAddr],
    ) -> Result<Self, Box<dyn Error>> {
        let [first, others @ ..] = apps else {
            return Err("there is no app".into());
        };
        let others = others.iter().map(|app| format!(" server {app};"));
        let all = format!("server 127.0.0.1:3000;{}", others.collect::<String>());
        let conf = SITE_CONF.replace("server 127.0.0.1:3000;", &all);
        Self::start_with(program, *first, &conf).await
    }

    /// The same, for pages that are refreshed by whoever knows the secret.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_refreshing(
        program: &Program,
        app: SocketAddr,
        secret: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let conf = REFRESH_CONF
            .replace("CHANGE-ME", secret)
            .replace("127.0.0.1:8079", &free_address()?.to_string());
        Self::start_with(program, app, &conf).await
    }

    /// The same without the module and without a purge location, for pages whose files are unlinked.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_stock(program: &Program, app: SocketAddr) -> Result<Self, Box<dyn Error>> {
        let (before, after) = (SITE_CONF.find("location ^~ /purge/"), SITE_CONF.rfind('}'));
        let (Some(start), Some(end)) = (before, after) else {
            return Err("tests/conf/site.conf has no purge location".into());
        };
        let conf = [&SITE_CONF[..start], &SITE_CONF[end..]].concat();
        Self::start_with(program, app, &conf).await
    }

    async fn start_with(
        program: &Program,
        app: SocketAddr,
        site: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let place = Place::new()?;
        let folder = place.folder.clone();
        let site = site
            .replace("listen 80;", &format!("listen {};", place.address))
            .replace("listen [::]:80;", "")
            .replace("127.0.0.1:3000", &app.to_string())
            .replace("/var/cache/nginx-pages", &pages(&folder));
        let conf = place.write("nginx.conf", &main_conf(program, &folder, &site))?;
        let log = folder.join("error.log");
        let options = [("-p", &folder), ("-c", &conf), ("-e", &log)];
        let options = options.map(|(option, path)| [option.into(), path.clone()]);
        let server = Server::start(place, &program.binary, options.concat(), "error.log");
        Ok(Self(server.await?))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// The folder of its pages.
    #[must_use]
    pub fn pages(&self) -> String {
        pages(self.0.folder())
    }
}

fn pages(folder: &Path) -> String {
    folder.join("pages").display().to_string()
}

fn main_conf(program: &Program, folder: &Path, site: &str) -> String {
    let module = program.module.as_ref().map_or_else(String::new, |module| {
        format!("load_module {};", module.display())
    });
    let folder = folder.display();
    // Root's workers must be able to enter root's folder; for other users the line has no effect.
    format!(
        "{module}\n\
         user root;\n\
         daemon off;\n\
         pid {folder}/nginx.pid;\n\
         error_log {folder}/error.log;\n\
         events {{}}\n\
         http {{\n\
         access_log off;\n\
         client_body_temp_path {folder}/client_body;\n\
         proxy_temp_path {folder}/proxy;\n\
         fastcgi_temp_path {folder}/fastcgi;\n\
         uwsgi_temp_path {folder}/uwsgi;\n\
         scgi_temp_path {folder}/scgi;\n\
         {site}\n\
         }}\n"
    )
}
