//! Ends an nginx whose test process was killed and so could not end it itself.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A shell that waits for the end of its standard input. The test process holds the other end, so
/// it comes with the process's death, whatever that was.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// Watches the process group of `leader`, and the folder that it works in.
    pub(super) fn start(leader: u32, folder: &Path) -> io::Result<Self> {
        Command::new("sh")
            // dash takes `--` after `-s KILL` only.
            .args(["-c", r#"read _; kill -s KILL -- "-$0"; rm -rf -- "$1""#])
            .arg(leader.to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of the Ctrl-C that may have ended the tests.
            .process_group(0)
            .spawn()
            .map(Self)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // It goes before its pipe is closed, so that it never acts on a group that is long gone.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}
