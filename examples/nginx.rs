//! A nginx of our own: on a free port of this machine, in a temporary folder, and gone with us.

use std::error::Error;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The configuration that the README shows and the tests use.
const SITE_CONF: &str = include_str!("../tests/conf/site.conf");

/// The one for refreshes, which the guide shows.
const REFRESH_CONF: &str = include_str!("../tests/conf/refresh.conf");

/// nginx lives as long as our end of the shell's standard input: if we are killed, too, it ends.
const SHELL: &str = r#"
    trap "" INT
    folder=$1; shift
    "$@" & nginx=$!
    read -r _
    kill "$nginx"; wait "$nginx"
    rm -rf -- "$folder"
"#;

/// The nginx of this machine, with its cache-purge module.
#[derive(Debug)]
pub struct Program {
    binary: PathBuf,
    module: PathBuf,
}

impl Program {
    /// Looks where Debian and others have it.
    ///
    /// # Errors
    ///
    /// If it is not there; the error says what to install.
    pub fn find() -> Result<Self, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Debian has it in a folder that is not in the path of every user.
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let module_folders = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"];
        let module_folders = module_folders.map(PathBuf::from).into_iter();
        match (
            first_file(folders, "nginx"),
            first_file(module_folders, "ngx_http_cache_purge_module.so"),
        ) {
            (Some(binary), Some(module)) => Ok(Self { binary, module }),
            (binary, _) => Err(format!(
                "{} not found. On Debian: apt install nginx libnginx-mod-http-cache-purge\n\
                 Without nginx: cargo run --example quickstart -- --embedded",
                binary.map_or("nginx was", |_| "the cache-purge module of nginx was"),
            )),
        }
    }
}

fn first_file(folders: impl Iterator<Item = PathBuf>, name: &str) -> Option<PathBuf> {
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// One that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Nginx {
    address: SocketAddr,
    shell: Child,
    folder: PathBuf,
}

impl Nginx {
    /// Starts it before the app, and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it does not start; the error has its log.
    pub async fn start(program: &Program, app: SocketAddr) -> Result<Self, Box<dyn Error>> {
        Self::start_with(program, app, SITE_CONF).await
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

    async fn start_with(
        program: &Program,
        app: SocketAddr,
        site: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let folder = new_folder()?;
        let address = free_address()?;
        let site = site
            .replace("listen 80;", &format!("listen {address};"))
            .replace("listen [::]:80;", "")
            .replace("127.0.0.1:3000", &app.to_string())
            .replace(
                "/var/cache/nginx-pages",
                &folder.join("pages").display().to_string(),
            );
        let conf = folder.join("nginx.conf");
        fs::write(&conf, main_conf(program, &folder, &site))?;
        let shell = Command::new("sh")
            .args(["-c", SHELL, "sh"])
            .arg(&folder)
            .arg(&program.binary)
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&conf)
            .arg("-e")
            .arg(folder.join("error.log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let nginx = Self {
            address,
            shell,
            folder,
        };
        nginx.wait().await?;
        Ok(nginx)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Until it has written its process number, which it does once it listens.
    async fn wait(&self) -> Result<(), String> {
        let read = |name| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        for _ in 0..500 {
            if !read("nginx.pid").is_empty() {
                return Ok(());
            }
            if read("error.log").contains("[emerg]") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(format!("nginx did not start:\n{}", read("error.log")))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // It may be gone already, and that is all we want.
        let _ended = self.shell.wait();
    }
}

/// A folder that no other program has, and that no other user can read. The shell removes it.
fn new_folder() -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("roan-example-{}-{count}", process::id());
    let folder = std::env::temp_dir().join(name);
    // An error if it is there already.
    DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

/// Free a moment ago. Should another program be faster, nginx says so in its log.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn main_conf(program: &Program, folder: &Path, site: &str) -> String {
    let module = program.module.display();
    let folder = folder.display();
    // Root's workers must be able to enter root's folder; for other users the line has no effect.
    format!(
        "load_module {module};\n\
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
