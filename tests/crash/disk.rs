//! A disk of its own for a database, small enough to be filled: a tmpfs, in a mount namespace that
//! ends with the harness, so that nothing stays mounted however that ends.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// By which the harness knows that it has a namespace of its own.
const INSIDE: &str = "ROAN_CRASH_MOUNTS";

const SIZE: &str = "size=64m,mode=777";

/// Runs this program anew in its own mount namespace, where root asks for it. Others go on without.
pub(crate) fn enter_namespace() {
    if !rustix::process::geteuid().is_root() || std::env::var_os(INSIDE).is_some() {
        return;
    }
    let program = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "0");
    // Where that is forbidden, as in some containers, or `unshare` is missing.
    let probe = Command::new("unshare").args(["--mount", "true"]).status();
    if probe.is_ok_and(|status| status.success()) {
        let error = command.exec();
        panic!("unshare: {error}");
    }
}

/// A small disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    filling: PathBuf,
}

impl Disk {
    /// Mounts one over an empty folder; `None` where that may not be done.
    pub(crate) fn mount(folder: &Path) -> Option<Self> {
        std::env::var_os(INSIDE)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "roan-crash"])
            .arg(folder)
            .status();
        let filling = folder.join("filling");
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self { filling })
    }

    /// Leaves no byte.
    pub(crate) fn fill(&self) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&self.filling)
            .expect("a file takes no room by itself");
        for size in [1 << 16, 1 << 12, 1] {
            let bytes = vec![0; size];
            while file.write_all(&bytes).is_ok() {}
        }
    }

    /// Takes back what [`fill`](Self::fill) has taken.
    pub(crate) fn empty(&self) {
        fs::remove_file(&self.filling).expect("what was filled is there");
    }
}
