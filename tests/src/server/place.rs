//! Where the folders of servers are.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{Access, access, statvfs};
use tempfile::TempDir;

/// A disk in memory, which Linux has for shared memory.
const MEMORY: &str = "/dev/shm";

/// So many bytes must be free: more than the databases of two test programs take.
const ENOUGH: u64 = 2 << 30;

/// A new temporary folder.
pub(crate) fn on_disk(prefix: &str) -> TempDir {
    TempDir::with_prefix(prefix).expect("a temporary folder")
}

/// A new temporary folder in memory where there is enough of it, for databases: their data are a thousand files, and their
/// commits wait for the disk. What a server has written is there after a kill, as it is on a disk. Whoever sets `TMPDIR` has
/// chosen the place.
pub(crate) fn in_memory(prefix: &str) -> TempDir {
    static IS_LARGE: OnceLock<bool> = OnceLock::new();
    let is_chosen = std::env::var_os("TMPDIR").is_some();
    if !is_chosen && *IS_LARGE.get_or_init(|| has_room(Path::new(MEMORY))) {
        TempDir::with_prefix_in(prefix, MEMORY).expect("a folder in shared memory")
    } else {
        on_disk(prefix)
    }
}

/// Containers often have little of it, and what it may hold is more than a machine has left.
fn has_room(memory: &Path) -> bool {
    let free = statvfs(memory).map(|disk| disk.f_bavail * disk.f_frsize);
    free.is_ok_and(|free| free >= ENOUGH)
        && access(memory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
        && available().is_some_and(|available| available >= 2 * ENOUGH)
}

/// The bytes of memory that the machine has left.
fn available() -> Option<u64> {
    let facts = fs::read_to_string("/proc/meminfo").ok()?;
    let (_, rest) = facts.split_once("MemAvailable:")?;
    let kilobytes: u64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}
