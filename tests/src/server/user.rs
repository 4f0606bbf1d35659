//! Another user for the servers that refuse to run as root.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// `nobody` and its group, on every Linux.
const NOBODY: u32 = 65_534;

/// Runs the command as `nobody` where we are root.
pub(crate) fn step_down(command: &mut Command) {
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// Gives a folder or file to whom [`step_down`] makes of us.
pub(crate) fn hand_over(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root gives away what it has");
    }
}
