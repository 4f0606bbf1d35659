//! Ends a server whose test process was killed and so could not end it itself.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Kills a server as `Process` does: first its children, while it can make no more of them.
const KILL: &str = r#"
folder=$1
after=$2
read -r _
kill -s STOP "$0"
for stat in /proc/[0-9]*/stat; do
    read -r line <"$stat" || continue
    # The name of the program is in parentheses, and may itself contain some.
    set -- ${line##*) }
    [ "$2" != "$0" ] || kill -s KILL "${line%% *}"
done
# dash takes `--` after `-s KILL` only.
kill -s KILL -- "-$0"
cd "$folder" && sh -c "$after"
cd / && rm -rf -- "$folder"
"#;

/// A shell that waits for the end of its standard input. The test process holds the other end, so
/// it comes with the process's death, whatever that was.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Watches the first process of a server, its process group, and the folder that it works in.
    pub(super) fn start(first: u32, folder: &Path, after_kill: &str) -> io::Result<Self> {
        let first = first.to_string();
        Self::run(
            KILL,
            &[first.as_ref(), folder.as_ref(), after_kill.as_ref()],
        )
    }

    /// Watches a folder that nobody works in.
    pub(crate) fn of_folder(folder: &Path) -> io::Result<Self> {
        Self::run(r#"read -r _; rm -rf -- "$0""#, &[folder.as_ref()])
    }

    fn run(script: &str, arguments: &[&std::ffi::OsStr]) -> io::Result<Self> {
        Command::new("sh")
            .args(["-c", script])
            .args(arguments)
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
