//! The processes of one server: a first one, in a process group of its own, and its children.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::family;
use super::watchdog::Watchdog;
use crate::wait;

/// Killed when dropped, as a whole.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    first: Child,
    folder: PathBuf,
    after_kill: &'static str,
    _watchdog: Watchdog,
}

/// A command for [`Process::spawn`].
///
/// The shell becomes the program only on command, and ends if we die before: so there is no
/// moment at which a server runs that nobody watches.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"read -r go && exec "$@" </dev/null"#, "sh"])
        .arg(program)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

impl Process {
    /// Runs what [`command`] has made, which must stay in the foreground and work in the folder.
    pub(crate) fn spawn(
        name: &'static str,
        mut command: Command,
        folder: &Path,
        after_kill: &'static str,
    ) -> Self {
        let mut first = command
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("no shell for {name}: {error}"));
        let watchdog =
            Watchdog::start(first.id(), folder, after_kill).expect("a shell for the watchdog");
        let mut go = first.stdin.take().expect("the piped input");
        go.write_all(b"go\n")
            .unwrap_or_else(|error| panic!("the shell of {name} does not listen: {error}"));
        Self {
            name,
            first,
            folder: folder.to_owned(),
            after_kill,
            _watchdog: watchdog,
        }
    }

    /// The first process.
    pub(super) fn id(&self) -> u32 {
        self.first.id()
    }

    /// How the first process ended, when it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.first.try_wait().expect("our own child")
    }

    /// Asks for a shutdown and waits for it.
    #[track_caller]
    pub(super) fn stop(mut self, signal: Signal) {
        // One that is suspended would not hear it.
        self.resume();
        kill_process(self.group(), signal).expect("a process to stop");
        let what = format!("{} to stop", self.name);
        wait::until(wait::LONG, &what, || self.ended().is_some());
    }

    pub(super) fn suspend(&self) {
        kill_process_group(self.group(), Signal::STOP).expect("a process to suspend");
        self.wait_for_stop(&[self.group()]);
        // From here on it cannot make more of them.
        let children = self.signal_children(Signal::STOP);
        self.wait_for_stop(&children);
    }

    fn wait_for_stop(&self, processes: &[Pid]) {
        let what = format!("{} to stand still", self.name);
        wait::until(wait::LONG, &what, || {
            processes.iter().copied().all(family::is_stopped)
        });
    }

    pub(super) fn resume(&self) {
        self.signal_children(Signal::CONT);
        kill_process_group(self.group(), Signal::CONT).expect("a process to resume");
    }

    /// Sends it to the children, in whatever group they are, and says which there are.
    fn signal_children(&self, signal: Signal) -> Vec<Pid> {
        let children = family::children(self.group());
        for child in &children {
            // One that has just ended has what it is to get.
            let _gone = kill_process(*child, signal);
        }
        children
    }

    fn kill(&mut self) {
        let mut children = Vec::new();
        if let Ok(None) = self.first.try_wait() {
            // A first process that goes on would replace its children, or go before them.
            let _gone = kill_process(self.group(), Signal::STOP);
            if !thread::panicking() {
                self.wait_for_stop(&[self.group()]);
            }
            children = self.signal_children(Signal::KILL);
        }
        // May fail when it is gone already, which is what is wanted.
        let _gone = kill_process_group(self.group(), Signal::KILL);
        let _reaped = self.first.wait();
        // Others reap them; until they are dead they keep the server's memory and files.
        if !thread::panicking() {
            let what = format!("the children of {} to die", self.name);
            wait::until(wait::LONG, &what, || {
                !children.iter().any(|child| family::lives(*child))
            });
        }
        let _nothing_left = Command::new("sh")
            .args(["-c", self.after_kill])
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }

    fn group(&self) -> Pid {
        Pid::from_child(&self.first)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
