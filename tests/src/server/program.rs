//! Where the programs are that `tests/run` has installed.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use roan_examples::server::find;

/// The folder of the newest version, of those below `parent` that have the program in `bin`.
pub(crate) fn newest_version(parent: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(parent)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join(name).is_file().then_some((version, bin))
        })
        .max()
        .map(|(_, bin)| bin)
}
