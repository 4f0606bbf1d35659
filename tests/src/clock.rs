//! A clock that a test sets: libfaketime gives it to a program that is started with it.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

/// Where Debian has a folder for each architecture.
const LIBRARIES: &str = "/usr/lib";
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// What programs with the library share, in memory that outlives them. Each would make its own, and
/// one that is killed would leave it behind; so one is made for all, and removed when our end of the
/// pipe is closed.
const GUARD: &str = r#"
set -- $(LD_PRELOAD=$0 sh -c 'echo "$FAKETIME_SHARED"')
semaphore=/dev/shm/sem.${1#/}
memory=/dev/shm/${2#/}
# Servers run as another user.
chmod a+rw "$semaphore" "$memory" && echo "$1 $2"
read -r _
rm -f -- "$semaphore" "$memory"
"#;

/// That of the machine until it is set. Clones are the same clock. Time that was measured, not read
/// from it, goes on as before.
#[derive(Debug, Clone)]
pub struct Clock {
    library: PathBuf,
    folder: Arc<TempDir>,
    guard: Arc<Guard>,
}

#[derive(Debug)]
struct Guard {
    shell: Child,
    shared: String,
}

impl Clock {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// When libfaketime is not installed.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("roan-clock-").expect("a temporary folder");
        // Servers run as another user.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))
            .expect("the mode of our own folder");
        let library = find().expect("libfaketime is needed: run ./tests/run");
        let clock = Self {
            guard: Arc::new(Guard::start(&library)),
            library,
            folder: Arc::new(folder),
        };
        clock.set(0);
        clock
    }

    /// Sets it to so many seconds after the machine's; before it, when negative.
    pub fn set(&self, seconds: i64) {
        let new = self.folder.path().join("new");
        fs::write(&new, format!("{seconds:+}\n")).expect("a file in our own folder");
        // At once: whoever reads half of it reads another time.
        fs::rename(new, self.file()).expect("a file in our own folder");
    }

    /// Gives it to a program.
    pub fn give_to(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.file())
            // Else it would look at the file every ten seconds.
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_SHARED", &self.guard.shared);
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Guard {
    #[track_caller]
    fn start(library: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", GUARD])
            .arg(library)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Out of reach of the Ctrl-C that may end the tests.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let mut shared = String::new();
        let out = shell.stdout.take().expect("the piped output");
        let read = BufReader::new(out).read_line(&mut shared);
        assert!(
            read.is_ok_and(|length| length > 1),
            "no clock of libfaketime"
        );
        let shared = shared.trim().to_owned();
        Self { shell, shared }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shell.stdin.take();
        let _ended = self.shell.wait();
    }
}

fn find() -> Option<PathBuf> {
    let folders = fs::read_dir(Path::new(LIBRARIES)).ok()?.flatten();
    let mut libraries = folders.map(|folder| folder.path().join(LIBRARY));
    libraries.find(|library| library.is_file())
}
