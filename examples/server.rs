//! A server of our own: on a free port of this machine, in a temporary folder, and gone with us.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The server lives as long as our end of the shell's standard input: if we are killed, too, it ends.
const SHELL: &str = r#"
    trap "" INT
    trap : TERM HUP
    folder=$1; shift
    exec 3<&0
    "$@" </dev/null >"$folder/output" 2>&1 3<&- & server=$!
    { read -r _ <&3; kill "$server"; } 2>/dev/null & reader=$!
    wait "$server"
    : >"$folder/ended"
    wait "$reader"
    wait "$server"
    rm -rf -- "$folder"
"#;

/// `nobody` and its group, on every Linux.
const NOBODY: u32 = 65_534;

/// One that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shell: Child,
    folder: PathBuf,
}

/// A folder for a server, and the address at which it shall listen.
#[derive(Debug)]
pub struct Place {
    /// The folder. No other program has it, and no other user can read it.
    pub folder: PathBuf,
    /// The address, which was free a moment ago.
    pub address: SocketAddr,
}

impl Place {
    /// Makes a place.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made, or no port is free.
    pub fn new() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("roan-example-{}-{count}", process::id());
        let folder = std::env::temp_dir().join(name);
        // An error if it is there already.
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self {
            folder,
            address: free_address()?,
        })
    }

    /// Writes a file of the server's configuration, and returns where it is.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let file = self.folder.join(name);
        fs::write(&file, text)?;
        Ok(file)
    }
}

impl Server {
    /// Runs a program, which has to stay in the foreground, and waits until it listens. `log` is the file of its folder
    /// that says why it does not.
    ///
    /// # Errors
    ///
    /// If it does not start; the error has its log.
    pub async fn start(
        place: Place,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        log: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let Place { folder, address } = place;
        let shell = Command::new("sh")
            .args(["-c", SHELL, "sh"])
            .arg(&folder)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self {
            address,
            shell,
            folder,
        };
        server.wait(program, log).await?;
        Ok(server)
    }

    /// The same as the user `nobody`, if we are root: some servers refuse to run as root.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_as_nobody(
        place: Place,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        log: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let arguments = arguments.into_iter();
        let mut arguments: Vec<_> = arguments.map(|one| one.as_ref().to_owned()).collect();
        if fs::metadata(&place.folder)?.uid() != 0 {
            return Self::start(place, program, arguments, log).await;
        }
        hand_over(&place.folder)?;
        let step_down = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"];
        let step_down = step_down.map(OsString::from).into_iter();
        arguments.insert(0, program.into());
        let arguments = step_down.chain(arguments);
        Self::start(place, Path::new("setpriv"), arguments, log).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    async fn wait(&self, program: &Path, log: &str) -> Result<(), String> {
        for _ in 0..2_000 {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            if self.folder.join("ended").exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let names = if log == "output" {
            vec![log]
        } else {
            vec!["output", log]
        };
        let read = |name| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let texts: String = names.into_iter().map(read).collect();
        Err(format!("{} did not start:\n{texts}", program.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // It may be gone already, and that is all we want.
        let _ended = self.shell.wait();
    }
}

/// Gives a folder, and all that is in it, to `nobody`.
fn hand_over(folder: &Path) -> io::Result<()> {
    chown(folder, Some(NOBODY), Some(NOBODY))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => hand_over(&path)?,
            false => chown(&path, Some(NOBODY), Some(NOBODY))?,
        }
    }
    Ok(())
}

/// A program of this machine. Debian has servers in a folder that is not in the path of every user.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    first_file(folders, name)
}

/// The first of these folders' files of that name.
pub(crate) fn first_file(folders: impl Iterator<Item = PathBuf>, name: &str) -> Option<PathBuf> {
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// An address of this machine that was free a moment ago. Should another program be faster, the server says so in its log.
///
/// # Errors
///
/// If no port is free.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
