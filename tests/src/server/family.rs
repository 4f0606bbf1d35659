//! The children of a process, wherever they are. A PostgreSQL makes each of its processes the
//! leader of a group of its own, so that signals to the group of the first do not reach them.

use std::fs;

use rustix::process::Pid;

/// The children that `parent` has, without those that are dead and wait to be reaped.
///
/// The list is complete when the parent is stopped: it can have no more then.
pub(super) fn children(parent: Pid) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}

/// Whether a stop that was sent to the process has arrived at each of its threads.
///
/// The thread that takes the signal stops the others, and on a busy machine it may wait for a processor while they go on.
/// A process that has ended is stopped, too.
pub(crate) fn is_stopped(pid: Pid) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else {
        return true;
    };
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        matches!(state_and_parent(&stat), None | Some(("T" | "Z" | "X", _)))
    })
}

/// Whether the process still has its memory and its files.
pub(super) fn lives(pid: Pid) -> bool {
    parent_of(pid).is_some()
}

/// `None` if the process does not exist, or is a zombie.
fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    match state_and_parent(&stat)? {
        ("Z" | "X", _) => None,
        // Whoever has the parent 0 is none that we have started.
        (_, parent) => Pid::from_raw(parent.parse().ok()?),
    }
}

fn state_and_parent(stat: &str) -> Option<(&str, &str)> {
    // The name of the program is in parentheses, and may itself contain some.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    Some((words.next()?, words.next()?))
}
