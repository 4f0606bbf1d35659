//! New data folders, at the price of a copy: to make one takes a server a second or more.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::LOG;
use crate::server::{Kind, Process, Watchdog, place, user};
use crate::wait;

/// The data folder of a server, relative to the server's own.
pub(super) const DATA: &str = "data";

/// The folder that new servers of one kind get a copy of. It is for a `static`, which nobody drops:
/// the watchdog removes it when the test process ends.
#[derive(Debug)]
pub(super) struct Template {
    folder: TempDir,
    _watchdog: Watchdog,
}

impl Template {
    /// Makes [`DATA`] in a new folder by running the command that `make` gives for it.
    pub(super) fn make<K: Kind>(make: impl FnOnce(&Path) -> Command) -> Self {
        let folder = place::in_memory(&format!("roan-{}-template-", K::NAME));
        let watchdog = Watchdog::of_folder(folder.path()).expect("a shell for the watchdog");
        user::hand_over(folder.path());
        let command = make(folder.path());
        let mut process = Process::spawn(K::NAME, command, folder.path(), K::AFTER_KILL);
        let what = format!("the first data of {}", K::NAME);
        let status = wait::until_some(3 * wait::LONG, &what, || process.ended());
        if !status.success() {
            let log = fs::read_to_string(folder.path().join(LOG)).unwrap_or_default();
            panic!("no {what}: {status}\n{log}");
        }
        Self {
            folder,
            _watchdog: watchdog,
        }
    }

    /// Gives the folder of a new server its own copy.
    pub(super) fn copy_to(&self, folder: &Path) {
        user::hand_over(folder);
        // It keeps the owner, and copies no byte where the file system can share them.
        let status = Command::new("cp")
            .args(["-a", "--reflink=auto", "--"])
            .arg(self.folder.path().join(DATA))
            .arg(folder)
            .status()
            .expect("cp is everywhere");
        assert!(status.success(), "no copy of the data: {status}");
    }
}
