//! The processes of one nginx: a master and its workers, in a process group of their own.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::watchdog::Watchdog;
use crate::wait;

/// Killed when dropped, as a whole.
#[derive(Debug)]
pub(super) struct Process {
    master: Child,
    _watchdog: Watchdog,
}

impl Process {
    /// Runs nginx in the foreground with the `nginx.conf` of the folder.
    pub(super) fn spawn(binary: &Path, folder: &Path) -> Self {
        // The shell becomes nginx only when told to, and ends if we die before: so there is no
        // moment at which an nginx runs that nobody watches.
        let mut master = Command::new("sh")
            .args(["-c", r#"read -r go && exec "$@" </dev/null"#, "sh"])
            .arg(binary)
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(folder.join("nginx.conf"))
            // Until it has read the configuration it would write to /var/log.
            .arg("-e")
            .arg(folder.join("error.log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell for nginx");
        let watchdog = Watchdog::start(master.id(), folder).expect("a shell for the watchdog");
        let mut go = master.stdin.take().expect("the piped input");
        go.write_all(b"go\n").expect("the shell of nginx listens");
        Self {
            master,
            _watchdog: watchdog,
        }
    }

    /// How the master ended, when it did.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.master.try_wait().expect("our own child")
    }

    /// Asks for a fast shutdown and waits for it.
    #[track_caller]
    pub(super) fn stop(mut self) {
        kill_process(self.group(), Signal::TERM).expect("a master to stop");
        wait::until(wait::LONG, "nginx to stop", || self.ended().is_some());
    }

    pub(super) fn suspend(&self) {
        kill_process_group(self.group(), Signal::STOP).expect("an nginx to suspend");
    }

    pub(super) fn resume(&self) {
        kill_process_group(self.group(), Signal::CONT).expect("an nginx to resume");
    }

    fn group(&self) -> Pid {
        Pid::from_child(&self.master)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both may fail when it is gone already, which is what is wanted.
        let _gone = kill_process_group(self.group(), Signal::KILL);
        let _reaped = self.master.wait();
    }
}
